"""Where a release comes from, as a tree: itself, and below it the champion of its day, and so on."""

from __future__ import annotations

from collections.abc import Iterator

from rich.markup import escape
from rich.tree import Tree

from flows.figure_lines import code_line
from service.release.channels import Channels
from service.release.home import Home
from service.release.journal import Move
from service.release.lineage import Known, Lineage


def lineage_trees(home: Home, name: str) -> Iterator[Tree]:
    """One tree for each release of a version or a space.

    Raises:
        UnknownReleaseError: there is and was none of that name.
    """
    lineage, moves = Lineage(home), Channels(home).history()
    for known in lineage.of(name):
        root = Tree(_title(known))
        for line in _facts(known, moves):
            root.add(escape(line))
        branch = root
        for parent in lineage.parents(known.manifest):
            if isinstance(parent, str):
                branch.add(escape(f"parent {parent}: nothing is known of it here"))
                break
            branch = branch.add(f"parent {_title(parent)}: {escape(verdict_line(parent))}")
        yield root


def verdict_line(known: Known) -> str:
    """What the gate said of it."""
    verdict = known.manifest.gate
    if verdict is None:
        return "not compared"
    return f"gate {'passed' if verdict.passed else 'not passed'}: {'; '.join(verdict.reasons)}"


def _title(known: Known) -> str:
    pruned = "" if known.stored else " (no longer in the store)"
    return escape(f"{known.manifest.version}, space {known.manifest.space_id}{pruned}")


def _facts(known: Known, moves: list[Move]) -> Iterator[str]:
    manifest = known.manifest
    yield f"made {manifest.created}"
    yield f"recipe {manifest.recipe.get('name', manifest.kind)}, seed {manifest.seed}"
    yield f"code {code_line(manifest)}"
    yield f"data {manifest.data.source}, fingerprint {manifest.data.fingerprint}"
    yield f"flow run {manifest.flow_run or 'none'}"
    yield verdict_line(known)
    for move in moves:
        if manifest.version in (move.release, move.replaces):
            yield f"{move.when} {move.action} of {move.release} by {move.who}: {move.why}"
