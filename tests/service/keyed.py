"""A server whose home holds keys, and what its tests ask it."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx

from service.keys.key_file import KeyFile
from service.release.home import Home
from tests.service.processes import ROOT, Server, serving, wait_for_status
from tests.service.tiny import promote, publish_tiny

PAGE_OF_OTHERS = "https://app.example.org"

# All routes of the whole application as BentoML builds it, mounted ones too, each with a path that can be asked.
_ROUTES = """
import json, sys
from service.front import Front
from service.service import Manifold

def walk(routes, before=""):
    for route in routes:
        path = before + route.path.rstrip("/") if hasattr(route, "routes") else before + route.path
        if getattr(route, "routes", None):
            yield from walk(route.routes, path)
        elif hasattr(route, "endpoint") or hasattr(route, "app"):
            yield path

app = Manifold.to_asgi(is_main=True)
while not isinstance(app, Front):
    app = app.app
json.dump(sorted({*walk(app.ours.routes), *walk(app.bentos.routes)}), sys.stdout)
"""


@dataclass
class Keyed:
    """A server, and one key of each scope: its whole text by the scope."""

    server: Server
    secrets: dict[str, str]

    @property
    def home(self) -> Home:
        return self.server.home

    def client(self, scope: str | None = None) -> httpx.Client:
        headers = {} if scope is None else {"Authorization": f"Bearer {self.secrets[scope]}"}
        return httpx.Client(base_url=self.server.url, headers=headers, timeout=20)


@contextlib.contextmanager
def keyed_server(folder: Path) -> Iterator[Keyed]:
    home = Home(folder / "home")
    publish_tiny(home, "first")
    publish_tiny(home, "second", seed=1)
    promote(home, "first")
    secrets = {scope: KeyFile(home).new(f"for {scope}", (scope,))[1] for scope in ("infer", "admin", "metrics")}
    with serving(folder, home, MANIFOLD_ADMIN="true", MANIFOLD_CORS_ORIGINS=PAGE_OF_OTHERS) as server:
        wait_for_status(server, "/readyz", 200)
        yield Keyed(server, secrets)


def all_routes(folder: Path) -> list[str]:
    """The paths of every route there is, found in the application itself."""
    environment = os.environ | {"MANIFOLD_ADMIN": "true", "MANIFOLD_HOME": str(folder), "BENTOML_HOME": str(folder)}
    command = [sys.executable, "-W", "ignore", "-c", _ROUTES]
    found = subprocess.run(command, cwd=ROOT, env=environment, check=True, stdout=subprocess.PIPE).stdout
    paths: list[str] = json.loads(found)
    return paths


def filled(path: str) -> str:
    """A path with something in the place of each name."""
    for name, value in {"{release}": "champion", "{model}": "encoder", "{version}": "first", "{path}": "x"}.items():
        path = path.replace(name, value)
    assert "{" not in path, f"say in filled() what {path} is to be asked with"
    return path


def told(answer: httpx.Response) -> Any:
    """The error's message, whichever shape its path has."""
    error = answer.json()["error"]
    return error if isinstance(error, str) else error["message"]
