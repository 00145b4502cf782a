"""`manifold releases prune` and `watch`: what is no longer needed goes, and what fails in its probation goes back."""

from __future__ import annotations

import getpass
import re
import time
from datetime import UTC, datetime, timedelta
from typing import Annotated

import typer
from rich.markup import escape

from flows.terminal import console
from service.release.channels import Channels
from service.release.errors import ChannelError, ReleaseError
from service.release.home import Home
from service.release.notice import move_line
from service.release.policy import read_policy
from service.release.probation import end_failed_probation
from service.release.pruning import prunable, prune_releases

_UNITS = {"": "days", "d": "days", "h": "hours", "m": "minutes"}


def prune(
    keep: Annotated[
        int | None, typer.Option(help="How many of the newest to keep; MANIFOLD_KEEP_RELEASES or 20.", min=1)
    ] = None,
    older_than: Annotated[
        str | None, typer.Option(help="Keep younger ones: 30d, 12h, 90m; MANIFOLD_KEEP_DAYS or 30d.")
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would be removed.")] = False,
) -> None:
    """Remove old releases: none that a channel names, that a service has loaded, or that is on probation."""
    home, policy = Home.from_environment(), read_policy()
    newest = keep or policy.keep_releases or 1
    age = policy.keep_for if older_than is None else _duration(older_than)
    if dry_run:
        state = Channels(home).read()
        versions = list(prunable(home, state, keep=newest, older_than=age, now=datetime.now(UTC)))
    else:
        versions = prune_releases(home, keep=newest, older_than=age, who=getpass.getuser())
    for version in versions:
        console.print(escape(f"{'would remove' if dry_run else 'removed'} {version}"))
    if not versions:
        console.print("nothing to remove")


def watch(
    every: Annotated[float, typer.Option(help="Seconds from one look to the next.", min=0.1)] = 5.0,
    once: Annotated[bool, typer.Option("--once", help="Look once.")] = False,
) -> None:
    """Roll a new champion back if it fails in its probation; for services that may not write to the home themselves."""
    home, policy = Home.from_environment(), read_policy()
    while True:
        try:
            move = end_failed_probation(home, policy)
        except (ReleaseError, OSError) as error:
            if once:
                raise ChannelError(f"nothing was judged: {error}") from error
            # It may be the lock, or the disk for a moment: who watches does not stop for that.
            console.print(escape(f"nothing was judged: {error}"))
            move = None
        if move is not None:
            console.print(escape(move_line(move)))
        if once:
            return
        time.sleep(every)


def _duration(text: str) -> timedelta:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)([dhm]?)", text.strip())
    if found is None or float(found[1]) > timedelta.max.days:
        raise typer.BadParameter(f"{text!r} came; a number of days expected, or such as 30d, 12h, 90m")
    return timedelta(**{_UNITS[found[2]]: float(found[1])})
