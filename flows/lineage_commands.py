"""`manifold releases find` and `card`: from data, run or space to releases, and what a release is on one page."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from flows.lineage_trees import verdict_line
from flows.release_commands import Version, resolve_version
from flows.steps.errors import ReportError
from flows.terminal import console
from service.release.atomic import write_atomically
from service.release.channels import Channels
from service.release.home import Home
from service.release.lineage import Lineage


def find(
    data: Annotated[str, typer.Option(help="The beginning of a data fingerprint.")] = "",
    flow_run: Annotated[str, typer.Option("--flow-run", help="The beginning of a flow run's id.")] = "",
    space: Annotated[str, typer.Option(help="A vector's space.")] = "",
) -> None:
    """The releases made from this data, by this run, or of this space, oldest first; also those that were pruned."""
    if not (data or flow_run or space):
        raise typer.BadParameter("give at least one of --data, --flow-run and --space")
    home = Home.from_environment()
    lineage, channels = Lineage(home), Channels(home).read()
    found = lineage.find(data=data, flow_run=flow_run, space=space)
    for known in found:
        version = known.manifest.version
        named = ", ".join(channels.names(version)) or ("in no channel" if known.stored else "no longer in the store")
        console.print(escape(f"{version}  {named}  space {known.manifest.space_id}  {verdict_line(known)}"))
    if not found:
        console.print("no release is known of it")
    for version in lineage.damaged:
        console.print(escape(f"not looked at: the manifest of {version} is damaged"))


def card(
    version: Version = "champion",
    output: Annotated[Path, typer.Option("-o", "--output", help="Where to; .html or .md says in which form.")] = Path(
        "card.html"
    ),
) -> None:
    """Write a release's model card: what it is, is for and is not for, its data, figures and verdict."""
    from flows.steps.card import FORMS, card_of

    form = next((form for form in FORMS if output.suffix.lower() == f".{form}"), None)
    if form is None:
        raise typer.BadParameter(f"{output}: .html or .md expected", param_hint="--output")
    home = Home.from_environment()
    text = card_of(home, resolve_version(home, version), form)
    try:
        write_atomically(output.absolute(), text.encode())
    except OSError as error:
        raise ReportError(f"{output}: the card cannot be written: {error}") from error
    console.print(escape(f"the card is {output}"))
