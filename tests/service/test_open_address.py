"""Where a service without keys listens, and what one with keys that cannot be read does."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
import time
from typing import Any

import httpx
import pytest

from service.door.demand_key import DemandKey
from service.keys.address import is_loopback
from service.keys.key_file import KeyFile
from service.release.home import Home
from service.settings import Settings
from tests.service.processes import ROOT
from tests.service.refusals import refused

EVERYWHERE = "0.0.0.0"  # noqa: S104 - it is refused


def run(home: Home, command: list[str], **settings: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("MANIFOLD_")}
    environment |= {"MANIFOLD_HOME": str(home.root), "BENTOML_HOME": str(home.root / "bentoml"), **settings}
    return subprocess.run(
        [sys.executable, "-m", *command],
        cwd=ROOT,
        env=environment,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.parametrize(
    ("command", "settings"),
    [
        (["bentoml", "serve", "--host", EVERYWHERE], {}),
        # As BentoML's images start it.
        (["bentoml", "serve"], {"BENTOML_CONTAINERIZED": "true"}),
        (["flows.command_line", "serve", "--host", EVERYWHERE], {}),
    ],
)
def test_without_keys_an_open_address_is_one_clear_line_and_the_end(
    home: Home, command: list[str], settings: dict[str, str]
) -> None:
    ended = run(home, command, **settings)
    assert ended.returncode == 1
    (line,) = (ended.stdout + ended.stderr).strip().splitlines()
    assert "--host 0.0.0.0: whoever reaches this address" in line
    for remedy in ("`manifold keys new`", "--host 127.0.0.1", "MANIFOLD_OPEN_TO_ALL=true"):
        assert remedy in line


def test_keys_that_cannot_be_read_are_one_clear_line_and_the_end(home: Home) -> None:
    KeyFile(home).new("one", ("infer",))
    home.keys.write_bytes(home.keys.read_bytes()[:-9])
    ended = run(home, ["bentoml", "serve", "--host", "127.0.0.1"])
    assert (ended.returncode, ended.stderr.strip()) == (
        1, f"manifold: the keys cannot be read: {home.keys} is not a file of keys",
    )  # fmt: skip


async def _passed(_scope: Any, _receive: Any, send: Any) -> None:
    await send({"type": "http.response.start", "status": 204, "headers": []})
    await send({"type": "http.response.body", "body": b""})


class Door:
    """The door alone, and connections from wherever a test says."""

    def __init__(self, home: Home, **settings: Any) -> None:
        self._door = DemandKey(_passed, Settings(home=home.root, poll_seconds=0.001, **settings))

    def status(self, server: Any, client: Any, path: str = "/v1/models", **headers: str) -> int:
        pairs = [(name.replace("_", "-").encode(), value.encode()) for name, value in headers.items()]
        scope = {"type": "http", "method": "GET", "path": path, "headers": pairs, "server": server, "client": client}
        return int(self.answers(scope)[0]["status"])

    def answers(self, scope: Any) -> list[Any]:
        sent: list[Any] = []

        async def send(message: Any) -> None:
            sent.append(message)

        async def receive() -> Any:
            return {"type": "http.request", "body": b""}

        # It looks at the keys again after a millisecond.
        time.sleep(0.005)
        asyncio.run(self._door(scope, receive, send))
        return sent


HERE, ELSEWHERE = ("127.0.0.1", 3000), ("10.0.0.7", 3000)


@pytest.mark.parametrize(
    ("server", "client", "status"),
    [
        (HERE, HERE, 204),
        (("::1", 3000), ("::1", 5), 204),
        (("/run/service.sock", None), None, 204),
        (ELSEWHERE, ELSEWHERE, 401),
        # Whom it came from can be claimed, where it came to cannot.
        (ELSEWHERE, HERE, 401),
        # Through a proxy on this machine, which says for whom.
        (HERE, ELSEWHERE, 401),
    ],
)
def test_without_keys_only_this_machine_is_answered_however_the_service_was_started(
    home: Home, server: Any, client: Any, status: int
) -> None:
    assert Door(home).status(server, client) == status
    assert Door(home).status(server, client, "/livez") == 204
    assert Door(home, open_to_all=True).status(server, client) == 204
    assert Door(home, open_to_all=True, admin=True).status(server, client, "/v1/admin/promote") == 401


def test_a_door_that_was_shut_is_not_opened_by_taking_its_keys_away(home: Home) -> None:
    _, secret = KeyFile(home).new("one", ("infer",))
    door = Door(home)
    assert door.status(HERE, HERE) == 401
    assert door.status(HERE, HERE, x_api_key=secret) == 204
    KeyFile(home).revoke(secret[9:17])
    assert door.status(HERE, HERE, x_api_key=secret) == 401
    home.keys.unlink()
    assert door.status(HERE, HERE) == 401
    # One that has never seen keys is shut by the first, without a restart.
    other = Door(home)
    assert other.status(HERE, HERE) == 204
    _, secret = KeyFile(home).new("two", ("infer",))
    assert other.status(HERE, HERE) == 401
    assert other.status(HERE, HERE, x_api_key=secret) == 204
    home.keys.write_text("{")
    assert other.status(HERE, HERE, x_api_key=secret) == 503


@pytest.mark.parametrize("host", ["127.0.0.1", "127.3.2.1", "::1", "localhost", "::ffff:127.0.0.1", "::1%lo"])
def test_what_only_this_machine_reaches_is_known(host: str) -> None:
    assert is_loopback(host)


@pytest.mark.parametrize(
    "host", [EVERYWHERE, "192.168.0.1", "::", "", "10.0.0.1", "fe80::1", "127.0.0.1.evil.example", "::ffff:10.0.0.1"]
)
def test_and_so_is_what_others_reach(host: str) -> None:
    assert not is_loopback(host)


def test_admin_routes_are_not_there_unless_they_are_turned_on(http: httpx.Client) -> None:
    for path in ("/v1/admin/promote", "/v1/admin/rollback"):
        refused(http.post(path, json={}), 404, "not_found", None, f"there is no {path} here")
        assert path not in http.get("/openapi.json").json()["paths"]


def test_no_page_of_others_may_ask_unless_it_is_named(http: httpx.Client) -> None:
    headers = {"Origin": "https://app.example.org", "Access-Control-Request-Method": "POST"}
    for answer in (http.options("/v1/embed", headers=headers), http.get("/v1/models", headers=headers)):
        assert not [name for name in answer.headers if name.lower().startswith("access-control")]


def test_a_websocket_is_closed_before_it_opens(home: Home) -> None:
    scope = {"type": "websocket", "path": "/livez", "headers": [], "server": HERE, "client": HERE}
    assert Door(home).answers(scope) == [{"type": "websocket.close", "code": 1008}]


@pytest.mark.parametrize("origins", ["*", "app.example.org", "https://app.example.org/", "https://a.example, ftp://b"])
def test_an_origin_is_one_as_browsers_write_it(home: Home, monkeypatch: pytest.MonkeyPatch, origins: str) -> None:
    from service.settings import SettingsError, read_settings

    monkeypatch.setenv("MANIFOLD_CORS_ORIGINS", origins)
    with pytest.raises(SettingsError, match=r"MANIFOLD_CORS_ORIGINS=.*an origin as https"):
        read_settings.__wrapped__()
