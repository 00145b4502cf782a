"""`manifold releases`: look at releases, move the champion, go back."""

from __future__ import annotations

import getpass
import json
from typing import Annotated

import typer
from rich.markup import escape
from rich.table import Table

from flows.figure_lines import code_line, curve_line, metric_line, untrained_line
from flows.lineage_trees import lineage_trees
from flows.steps.promotion import promote_release
from flows.terminal import console
from service.release.channels import Channels
from service.release.home import Home
from service.release.store import ReleaseStore

releases = typer.Typer(no_args_is_help=True, help="Look at releases, move the champion, go back.")

Version = Annotated[str, typer.Argument(help="A release's version, or champion, previous, candidate.")]
Why = Annotated[str, typer.Option(help="The reason, for the journal.")]


@releases.command("list")
def list_releases() -> None:
    """All releases, newest first, with what names them and how well they rebuild test rows."""
    home = Home.from_environment()
    store, channels = ReleaseStore(home), Channels(home).read()
    table = Table(box=None)
    for heading in ("release", "channel", "kind", "data", "code", "squared error", "space"):
        table.add_column(heading)
    for version in reversed(store.versions()):
        manifest = store.manifest(version)
        error = next((f"{m.value:.4g}" for m in manifest.metrics if m.name == "squared_error"), "")
        table.add_row(
            version,
            ", ".join(channels.names(version)),
            manifest.kind,
            manifest.data.source,
            str(manifest.code.size),
            error,
            manifest.space_id,
        )
    console.print(table if store.versions() else "no releases yet; `manifold train` makes one")


@releases.command("show")
def show_release(
    version: Version,
    as_json: Annotated[bool, typer.Option("--json", help="The whole manifest.")] = False,
    lineage: Annotated[
        bool, typer.Option("--lineage", help="Where it comes from; takes a vector's space, too.")
    ] = False,
) -> None:
    """What a release states about itself."""
    home = Home.from_environment()
    if lineage:
        for tree in lineage_trees(home, resolve_version(home, version)):
            # A tree's lines would be cut off, not left to the terminal.
            console.print(tree, soft_wrap=False)
        return
    manifest = ReleaseStore(home).manifest(resolve_version(home, version))
    if as_json:
        console.print_json(manifest.model_dump_json())
        return
    table = Table(box=None, show_header=False)
    table.add_row("release", manifest.version)
    table.add_row("channels", ", ".join(Channels(home).read().names(manifest.version)) or "none")
    table.add_row("space", manifest.space_id)
    table.add_row("made", manifest.created)
    table.add_row("recipe", json.dumps(manifest.recipe))
    if untrained := untrained_line(manifest.recipe):
        table.add_row("untrained", untrained)
    table.add_row("input", f"{manifest.input.kind} {list(manifest.input.shape)}")
    table.add_row("code", " -> ".join(str(layer.width) for layer in manifest.code.layers))
    if manifest.precisions:
        table.add_row("products in", ", ".join(f"{phase} {found}" for phase, found in manifest.precisions.items()))
    if manifest.contraction_forms:
        forms = ", ".join(f"{phase} {form}" for phase, form in manifest.contraction_forms.items())
        table.add_row("contraction penalty", forms)
    table.add_row("data", f"{manifest.data.source}, {manifest.data.rows}, {manifest.data.fingerprint[:16]}")
    table.add_row("parent", manifest.parent or "none")
    table.add_row("code that made it", code_line(manifest))
    if manifest.gate is not None:
        said = "; ".join(manifest.gate.reasons)
        table.add_row("gate", escape(f"{'passed' if manifest.gate.passed else 'not passed'}: {said}"))
    for metric in manifest.metrics:
        table.add_row(metric.name, escape(metric_line(metric)))
    for curve in manifest.curves:
        table.add_row(curve.name, escape(curve_line(curve)))
    table.add_row("folder", str(ReleaseStore(home).folder(manifest.version)))
    console.print(table)


@releases.command("promote")
def promote(version: Version, why: Why = "asked for at the command line") -> None:
    """Make a release the champion, once its files and its golden batch have been checked."""
    home = Home.from_environment()
    version = resolve_version(home, version)
    state = promote_release(home, version, who=getpass.getuser(), why=why)
    console.print(f"champion: {state.champion} (before: {state.previous or 'none'})")


@releases.command("rollback")
def rollback(why: Why = "asked for at the command line") -> None:
    """Make the previous champion the champion again."""
    state = Channels(Home.from_environment()).rollback(who=getpass.getuser(), why=why)
    console.print(f"champion: {state.champion} (before: {state.previous or 'none'})")


@releases.command("journal")
def journal() -> None:
    """Every move of the champion, oldest first: when, what, who and why."""
    for move in Channels(Home.from_environment()).journal():
        said = f"{move.when}  {move.action:<8}  {move.release}  {move.who}: {move.why} ({move.verdict})"
        console.print(escape(said))


def resolve_version(home: Home, version: str) -> str:
    """The version that a channel names; anything else is taken as a version itself."""
    state = Channels(home).read()
    named = {"champion": state.champion, "previous": state.previous, "candidate": state.candidate}
    return named.get(version) or version
