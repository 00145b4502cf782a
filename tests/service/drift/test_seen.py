"""What a real service keeps of the rows that it sees: counts, on disk, and no row."""

from __future__ import annotations

import asyncio
import json
import signal
import time
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from service.champion import Champion
from service.drift.sightings import Sightings
from service.release.home import Home
from service.settings import Settings
from tests.service.processes import Server
from tests.service.tiny import every_method, promote, publish_tiny, usual_rows

Start = Callable[..., AbstractContextManager[Server]]
Wait = Callable[..., httpx.Response]


def watched_home(home: Home) -> Home:
    publish_tiny(home, "first", sampling=every_method())
    promote(home, "first")
    return home


def kept(home: Home) -> list[dict[str, Any]]:
    return [json.loads(path.read_bytes()) for path in sorted((home.drift / "first").glob("[0-9]*.json"))]


def wait_until(is_so: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + 20
    while not is_so():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


def post(server: Server, path: str, rows: np.ndarray) -> httpx.Response:
    answer = httpx.post(server.url + path, json={"x": rows.tolist()}, timeout=20)
    assert answer.status_code == 200, answer.text
    return answer


def test_counts_of_every_route_reach_the_disk_and_no_row_or_code_does(
    home: Home, start_server: Start, wait_for: Wait
) -> None:
    watched_home(home)
    rows = usual_rows()
    with start_server(home, MANIFOLD_DRIFT_FLUSH_SECONDS="1") as server:
        wait_for(server, "/readyz", 200)
        empty = httpx.get(server.url + "/v1/drift").json()
        assert (empty["watched"], empty["seen"], empty["since"], sum(empty["cells"])) == (True, 0, None, 0)
        codes = np.asarray(post(server, "/v1/embed", rows[:30]).json()["z"], np.float32)
        post(server, "/v1/score", rows[30:50])
        post(server, "/v1/reconstruct", rows[50:57])
        openai = {"model": "champion", "input": rows[57:60].tolist()}
        assert httpx.post(server.url + "/v1/embeddings", json=openai).status_code == 200
        # The code of an inner layer is of another space.
        httpx.post(server.url + "/v1/embed", json={"x": rows[:5].tolist(), "depth": 1}).raise_for_status()
        wait_until(lambda: sum(window["seen"] for window in kept(home)) == 60, "60 rows were not written")
        said = httpx.get(server.url + "/v1/drift").json()
        # Killed: what was written stays, whole.
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
    (window,) = kept(home)
    assert (said["seen"], said["rows"], sum(said["cells"]), sum(said["latent_p"])) == (60, 53, 53, 53)
    assert sum(said["reconstruction_p"]) == 27
    assert window["sketch"]["rows"] == 53
    text = b"".join(path.read_bytes() for path in home.drift.rglob("*") if path.is_file())
    for secret in (rows[0], codes[0]):
        assert secret.astype("<f4").tobytes() not in text
        for number in secret.reshape(-1):
            assert not any(written.encode() in text for written in (repr(float(number)), f"{number:.6f}"))


def test_what_was_seen_is_written_at_the_end_however_seldom_else(
    home: Home, start_server: Start, wait_for: Wait
) -> None:
    watched_home(home)
    with start_server(home, MANIFOLD_DRIFT_FLUSH_SECONDS="3600") as server:
        wait_for(server, "/readyz", 200)
        post(server, "/v1/embed", usual_rows()[:8])
        assert kept(home) == []
        server.process.send_signal(signal.SIGTERM)
        server.process.wait(20)
    assert [window["seen"] for window in kept(home)] == [8]


def test_nothing_is_kept_where_it_is_turned_off(home: Home, champion_of: Callable[[Home], Champion]) -> None:
    champion = champion_of(watched_home(home))
    champion.look()
    live = champion.live()
    for drift in (False, True):
        sightings = Sightings(Settings(home=home.root, drift=drift))
        # The first tick gives it room; here that tick never comes.
        sightings.give_room()
        sightings.codes(live, np.ones((3, 2), np.float32))
        asyncio.run(sightings.close())
        assert [window["seen"] for window in kept(home)] == ([3] if drift else [])


def test_of_many_rows_at_once_all_are_counted_and_some_are_sketched(
    home: Home, champion_of: Callable[[Home], Champion]
) -> None:
    champion = champion_of(watched_home(home))
    champion.look()
    sightings = Sightings(Settings(home=home.root))
    sightings.give_room()
    for _ in range(20):
        sightings.codes(champion.live(), np.ones((1000, 2), np.float32))
    asyncio.run(sightings.close())
    (window,) = kept(home)
    assert window["seen"] == 20_000
    assert 1000 <= window["sketch"]["rows"] <= 2048


def test_a_home_that_cannot_be_written_is_said_once_and_requests_go_on(
    home: Home, start_server: Start, wait_for: Wait
) -> None:
    watched_home(home)
    # A file where the folder should be: it stops even those whom permissions do not.
    Path(home.drift).write_text("")
    with start_server(home, MANIFOLD_DRIFT_FLUSH_SECONDS="1") as server:
        wait_for(server, "/readyz", 200)
        post(server, "/v1/embed", usual_rows()[:8])
        wait_until(lambda: httpx.get(server.url + "/v1/drift").json()["seen"] == 8, "8 rows are not in memory")
        post(server, "/v1/embed", usual_rows()[:4])
        wait_until(lambda: httpx.get(server.url + "/v1/drift").json()["seen"] == 12, "12 rows are not in memory")
        assert httpx.get(server.url + "/v1/drift").json()["unwritten"] is True
        assert server.log_text().count("kept in memory only") == 1
