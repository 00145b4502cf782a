"""What the service's tests share: tiny releases, and servers that serve them."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

import httpx
import pytest

from service.champion import Champion
from service.metrics import Metrics
from service.release.home import Home
from service.settings import Settings
from tests.service.processes import Server, serving, wait_for_status
from tests.service.tiny import Tiny, every_method, promote, publish_tiny


@pytest.fixture
def home(tmp_path: Path) -> Home:
    return Home(tmp_path / "home")


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """One server for all tests that only ask; its champion is `first`: images of 4 × 4, codes of 2, a classifier, every
    method of sampling."""
    folder = tmp_path_factory.mktemp("server")
    home = Home(folder / "home")
    publish_tiny(home, "first", classifier=True, sampling=every_method())
    promote(home, "first")
    with serving(folder, home, MANIFOLD_MAX_ROWS="256", MANIFOLD_MAX_BODY_BYTES="200000") as running:
        wait_for_status(running, "/readyz", 200)
        yield running


@pytest.fixture
def tiny() -> Tiny:
    """The network that `server` serves, in numpy."""
    return Tiny.of_seed(0)


@pytest.fixture
def http(server: Server) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=server.url, timeout=20) as client:
        yield client


@pytest.fixture
def publish() -> Callable[..., Tiny]:
    """publish(home, version, *, seed, shape, space, golden_off_by, classifier, p_off_by) -> the network in numpy."""
    return publish_tiny


@pytest.fixture
def make_champion() -> Callable[[Home, str], None]:
    """make_champion(home, version)."""
    return promote


@pytest.fixture
def champion_of() -> Callable[[Home], Champion]:
    """champion_of(home) -> one that looks when it is told to."""
    return lambda home: Champion(Settings(home=home.root), Metrics())


@pytest.fixture
def start_server(tmp_path: Path) -> Callable[..., contextlib.AbstractContextManager[Server]]:
    """start_server(home, **environment) -> a context manager; it does not wait."""
    return lambda home, **settings: serving(tmp_path, home, **settings)


@pytest.fixture
def wait_for() -> Callable[..., httpx.Response]:
    """wait_for(server, path, status, seconds) -> the first answer of that status."""
    return wait_for_status
