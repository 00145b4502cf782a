"""One message for each thing that a team wants to be told of, to wherever `MANIFOLD_NOTIFY` points."""

from __future__ import annotations

import json
import logging
import os
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Literal
from urllib.parse import urlsplit

import httpx
from apprise import Apprise
from filelock import FileLock

from flows.steps.errors import SettingError
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.home import Home
from service.release.journal import PROBATION
from service.release.notice import move_line

VARIABLE = "MANIFOLD_NOTIFY"
_SECONDS = 10
# What was rolled back longer ago is history.
_RECENT = timedelta(hours=1)
# Before each attempt; a night's hiccup shall not cost the message.
_PAUSES = (0, 1, 4)
_log = logging.getLogger(__name__)

Kind = Literal["promoted", "not passed", "data moved", "failed", "crashed", "rolled back", "drifted"]


@dataclass(frozen=True)
class Event:
    """What happened.

    Args:
        kind: one of `Kind`.
        key: of this one event, for example its flow run: the same kind and key is told once.
        text: a line for people.
        release: the version that it is about.
        verdict: why: the gate's or the watch's reasons.
        link: the run's page.
    """

    kind: Kind
    key: str
    text: str
    release: str | None = None
    verdict: str | None = None
    link: str | None = None


def notify(home: Home, event: Event) -> bool:
    """Send one message; never raises, and a failing notice fails nothing.

    The address is `MANIFOLD_NOTIFY`: where there is none, nothing is done. A plain http or https address is sent the
    event as JSON; any other is an address of Apprise, which Prefect's notification blocks use: `mailto://`,
    `slack://`, `discord://`, `msteams://` and so on. What came of it is in `home/notices.jsonl`.

    Args:
        home: whose event it is.
        event: what happened.

    Returns:
        Whether a message left now: False too where it was told before.
    """
    url = os.environ.get(VARIABLE)
    if not url:
        return False
    try:
        home.root.mkdir(parents=True, exist_ok=True)
        with FileLock(home.root / "notices.lock", timeout=120):
            if _told(home, event):
                return False
            failure = _try_to_send(url, home, event)
            _write_down(home, event, failure)
    except Exception as error:  # whatever it is, the retraining goes on
        _log.warning("no notice of %s: %s", event.kind, error)
        return False
    if failure is not None:
        _log.warning("no notice of %s to %s: %s", event.kind, shown(url), failure)
    return failure is None


def notify_of_rollbacks(home: Home, *, now: datetime) -> None:
    """Tell of each release that failed in its probation within the last hour and was rolled back.

    Whoever rolled it back, often the service, only wrote it into the journal.

    Args:
        home: whose journal.
        now: the time.
    """
    try:
        moves = Channels(home).journal()
    except ReleaseError as error:
        _log.warning("no notices of rollbacks: %s", error)
        return
    for move in moves:
        if move.who == PROBATION and datetime.fromisoformat(move.when) > now - _RECENT:
            notify(home, Event("rolled back", str(move.sequence), move_line(move), move.release, move.why))


def check_address(url: str) -> None:
    """Refuse an address that nothing can be sent to.

    Raises:
        SettingError: so it is.
    """
    if not _is_webhook(url) and _service(url) is None:
        expected = "an http or https address, or one of Apprise such as mailto:// or slack://"
        raise SettingError(f"{VARIABLE}: {shown(url)} came; expected {expected}")


def shown(url: str) -> str:
    """An address as it may be shown: what follows the host is often a secret."""
    parts = urlsplit(url)
    host = parts.hostname if parts.scheme in ("http", "https") else None
    return f"{parts.scheme}://{host or '...'}" if parts.scheme else "what is no address"


def _try_to_send(url: str, home: Home, event: Event) -> str | None:
    """Why it failed; None where it left."""
    failure: str | None = None
    for pause in _PAUSES:
        time.sleep(pause)
        try:
            _send(url, home, event)
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            # Their text may hold the address.
            failure = type(error).__name__
            if isinstance(error, httpx.HTTPStatusError):
                failure = f"status {error.response.status_code}"
        else:
            return None
    return failure


def _send(url: str, home: Home, event: Event) -> None:
    if _is_webhook(url):
        body = {"source": "manifold", "home": str(home.root)} | asdict(event)
        httpx.post(url, json=body, timeout=_SECONDS).raise_for_status()
        return
    service = _service(url)
    lines = [event.text, *(f"{name}: {value}" for name, value in _details(event).items())]
    if service is None or not service.notify(body="\n".join(lines), title=f"manifold: {event.kind}"):
        raise OSError("not accepted")


def _details(event: Event) -> dict[str, str]:
    found = {"release": event.release, "verdict": event.verdict, "page": event.link}
    return {name: value for name, value in found.items() if value is not None}


def _is_webhook(url: str) -> bool:
    # Apprise knows Slack's, Discord's and others' own https addresses.
    return urlsplit(url).scheme in ("http", "https") and bool(urlsplit(url).hostname) and _service(url) is None


def _service(url: str) -> Any:
    return Apprise.instantiate(url, suppress_exceptions=True)


def _told(home: Home, event: Event) -> bool:
    path = home.root / "notices.jsonl"
    if not path.exists():
        return False
    mine = (event.kind, event.key)
    for line in path.read_text("utf-8").split("\n"):
        try:
            told = json.loads(line)
        except ValueError:
            # Between two, or killed while it wrote.
            continue
        if (told.get("kind"), told.get("key")) == mine:
            return True
    return False


def _write_down(home: Home, event: Event, failure: str | None) -> None:
    when = datetime.now(UTC).isoformat(timespec="seconds")
    record = {"when": when, "sent": failure is None, "failure": failure} | asdict(event)
    with (home.root / "notices.jsonl").open("a", encoding="utf-8") as file:
        # A line of its own, whatever a killed one has left.
        file.write(f"\n{json.dumps(record)}\n" if file.tell() else f"{json.dumps(record)}\n")
