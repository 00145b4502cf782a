"""`manifold keys`: make, list and revoke the keys that the service demands."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated, get_args

import typer
from rich.markup import escape
from rich.table import Table

from flows.terminal import console
from service.keys.key_file import KeyFile, Scope
from service.release.home import Home

_SCOPES = ", ".join(get_args(Scope))

keys = typer.Typer(no_args_is_help=True, help="Make, list and revoke the keys that the service demands.")


@keys.command("new")
def new(
    name: Annotated[str, typer.Option(help="What to call it: who or what will use it.")],
    scope: Annotated[list[str], typer.Option(help=f"What it is for, of {_SCOPES}; may be given several times.")],
    days: Annotated[
        float | None, typer.Option(help="How long it is good; for ever where not given.", min=0, max=36_500)
    ] = None,
    rate: Annotated[
        float | None, typer.Option(help="Requests a second, of each worker; by default MANIFOLD_RATE_LIMIT.", min=0)
    ] = None,
) -> None:
    """Make a key and print it, once: only its hash is kept.

    From the first key on the service demands one, without a restart.

    Examples:

        manifold keys new --scope infer --name notebook

        manifold keys new --scope infer --scope metrics --name dashboard --days 90 --rate 50
    """
    lasts = None if days is None else timedelta(days=days)
    key, secret = KeyFile(Home.from_environment()).new(name, tuple(scope), lasts=lasts, rate=rate)
    # The key alone on stdout: `KEY=$(manifold keys new ...)` works.
    typer.echo(secret)
    until = "until it is revoked" if key.expires is None else f"until {key.expires:%Y-%m-%d %H:%M} UTC"
    typer.echo(f"key {key.id} ({key.name}) is for {', '.join(key.scopes)}, {until}; it is shown this once", err=True)


@keys.command("list")
def list_keys() -> None:
    """All keys, oldest first: what each is for, and how long. Their secrets are kept nowhere."""
    found = KeyFile(Home.from_environment()).read()
    if not found:
        console.print(
            "no keys yet; `manifold keys new` makes one"
            if found is None
            else "no keys, and the service demands one; `manifold keys new` makes one"
        )
        return
    table = Table(box=None)
    for heading in ("key", "name", "scopes", "made", "expires", "rate"):
        table.add_column(heading)
    for key in found:
        expires = "never" if key.expires is None else f"{key.expires:%Y-%m-%d %H:%M}"
        table.add_row(
            key.id,
            escape(key.name),
            ", ".join(key.scopes),
            f"{key.created:%Y-%m-%d}",
            f"{expires} (over)" if key.is_expired() else expires,
            "" if key.rate is None else f"{key.rate:g}/s",
        )
    console.print(table)


@keys.command("revoke")
def revoke(key: Annotated[str, typer.Argument(help="The key's id, as `manifold keys list` says it.")]) -> None:
    """Take a key away; running services refuse it within a moment."""
    file = KeyFile(Home.from_environment())
    revoked = file.revoke(key)
    left = "" if file.read() else "; no key is left, and the service is shut until there is one"
    console.print(f"key {revoked.id} ({escape(revoked.name)}) is revoked{left}")
