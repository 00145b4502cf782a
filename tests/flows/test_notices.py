"""Notices go to a real receiver, once each, and never stop a retraining."""

from __future__ import annotations

import json
import shutil
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from flows.steps.errors import SettingError
from flows.steps.notices import Event, check_address, notify, notify_of_rollbacks
from service.release.channels import Channels
from service.release.home import Home
from service.release.journal import PROBATION, Journal
from tests.conftest import SMALL, Manifold

EVENT = Event("promoted", "v1", "champion v1", release="v1", verdict="passed: better", link="http://prefect/runs/1")


class Receiver:
    """An HTTP server that keeps what it was sent, and answers with `status`."""

    def __init__(self) -> None:
        self.status = 200
        self.came: list[dict[str, Any]] = []
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                receiver.came.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
                self.send_response(receiver.status)
                self.send_header("Content-Length", "0")
                self.end_headers()

            def log_message(self, *args: object) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"127.0.0.1:{self.server.server_address[1]}"
        self.url = f"http://{self.address}/hook?token=secret"


@pytest.fixture
def receiver(monkeypatch: pytest.MonkeyPatch) -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever)
    thread.start()
    monkeypatch.setenv("MANIFOLD_NOTIFY", made.url)
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


def test_an_event_is_one_message_with_verdict_and_link_however_often_it_is_told(
    receiver: Receiver, tmp_path: Path
) -> None:
    with ThreadPoolExecutor(4) as pool:
        left = list(pool.map(lambda _: notify(Home(tmp_path), EVENT), range(4)))
    assert sorted(left) == [False, False, False, True]
    (message,) = receiver.came
    assert message["kind"] == "promoted"
    assert message["release"] == "v1"
    assert message["verdict"] == "passed: better"
    assert message["link"] == "http://prefect/runs/1"
    assert message["home"] == str(tmp_path)


def test_addresses_of_chat_and_mail_services_are_sent_text(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("MANIFOLD_NOTIFY", f"json://{receiver.address}/hook")
    assert notify(Home(tmp_path), EVENT)
    (message,) = receiver.came
    assert message["title"] == "manifold: promoted"
    assert "champion v1" in message["message"]
    assert "http://prefect/runs/1" in message["message"]


def test_a_receiver_that_refuses_is_tried_again_and_written_down_without_its_secrets(
    receiver: Receiver, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture, tmp_path: Path
) -> None:
    monkeypatch.setattr("flows.steps.notices._PAUSES", (0, 0))
    receiver.status = 503
    assert not notify(Home(tmp_path), EVENT)
    assert len(receiver.came) == 2
    (line,) = (tmp_path / "notices.jsonl").read_text().splitlines()
    assert json.loads(line)["failure"] == "status 503"
    assert "status 503" in caplog.text
    assert "secret" not in caplog.text + line


def test_a_home_that_cannot_be_written_fails_nothing(receiver: Receiver, tmp_path: Path) -> None:
    (tmp_path / "home").write_text("a file")
    assert not notify(Home(tmp_path / "home"), EVENT)


@pytest.mark.parametrize("address", ["bogus://somewhere/secret", "not an address", "http://"])
def test_an_address_that_nothing_can_be_sent_to_is_refused_at_the_start(address: str) -> None:
    with pytest.raises(SettingError, match="MANIFOLD_NOTIFY: ") as caught:
        check_address(address)
    assert "secret" not in str(caught.value)


def test_a_rollback_by_probation_is_told_once_whoever_did_it(
    receiver: Receiver, trained_home: Path, tmp_path: Path
) -> None:
    home = Home(Path(shutil.copytree(trained_home, tmp_path / "home")))
    journal = Journal(home.journal)
    last, now = journal.moves()[-1], datetime.now(UTC)
    moved = {"sequence": last.sequence + 1, "action": "rollback", "who": PROBATION, "why": "5 % of requests failed"}
    journal.append(last.model_copy(update=moved | {"when": now.isoformat(timespec="seconds")}))
    notify_of_rollbacks(home, now=now)
    notify_of_rollbacks(home, now=now)
    (message,) = receiver.came
    assert message["kind"] == "rolled back"
    assert "5 % of requests failed" in message["text"]


def test_a_retraining_tells_of_its_promotion_and_a_failing_one_of_its_failure(
    receiver: Receiver, manifold: Manifold, trained_home: Path, photos: Path, tmp_path: Path
) -> None:
    home = Path(shutil.copytree(trained_home, tmp_path / "home"))
    extra = {"MANIFOLD_NOTIFY": receiver.url}
    result = manifold("train", "--source", str(photos), *SMALL, home=home, extra=extra)
    assert result.returncode == 0, result.stdout + result.stderr
    empty = tmp_path / "bad.csv"
    empty.write_text("a,b\nx,y\nz,w\n")
    assert manifold("train", "--source", str(empty), *SMALL, home=home, extra=extra).returncode == 1
    promoted, failed = receiver.came
    assert promoted["kind"] == "promoted"
    assert promoted["release"] == Channels(Home(home)).read().champion
    assert "passed" in promoted["verdict"]
    assert "/runs/flow-run/" in promoted["link"]
    assert failed["kind"] == "failed"
    assert "Error: " in failed["text"]
