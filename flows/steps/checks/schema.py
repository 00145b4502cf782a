"""What a row is, and what its labels are called, against what the champion states."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from flows.steps.checks.limits import DataChecks
from flows.steps.checks.report import Finding
from flows.steps.datasets import DatasetRecord
from service.release.manifest import Manifest

_OTHER_SOURCE = "restore the source, or train on it as another model, with a home of its own"


def schema_findings(champion: Manifest, record: DatasetRecord) -> Iterator[Finding]:
    """Kind, shape and dtype of a row, and the names of its columns in their order."""
    stated = champion.input
    came, expected = (
        f"{kind} {'×'.join(map(str, shape))} {dtype}"
        for kind, shape, dtype in (
            (record.kind, record.shape, record.dtype),
            (stated.kind, stated.shape, stated.stored_dtype),
        )
    )
    yield Finding("what a row is", came == expected, came, expected, _OTHER_SOURCE)
    if stated.columns is not None and record.columns is not None:
        gone, new = _apart(stated.columns, record.columns)
        moved = [f"gone: {name}" for name in gone] + [f"new: {name}" for name in new]
        same = record.columns == stated.columns
        if not same and not moved:
            moved = [f"{now} where {then} was" for then, now in _swapped(stated.columns, record.columns)]
        yield Finding(
            "columns",
            same,
            f"{len(record.columns)}" + ("" if same else f", {len(gone)} gone, {len(new)} new"),
            f"the {len(stated.columns)} of the champion, in their order",
            _OTHER_SOURCE,
            tuple(moved),
        )


def label_findings(champion: Manifest, record: DatasetRecord, checks: DataChecks) -> Iterator[Finding]:
    """Label names that have gone, and new ones; nothing is said where the champion had none."""
    before, now = champion.data.label_names, record.label_names
    if before is None:
        return
    if now is None:
        remedy = "restore them: label_column of a table, y of a .npz, a sub-folder a label of images"
        yield Finding("labels", False, "none", f"{len(before)} label names", remedy, tuple(before))
        return
    gone, new = _apart(before, now)
    yield Finding(
        "labels gone",
        len(gone) <= checks.vanished_labels,
        f"{len(gone)} of {len(before)}",
        f"at most {checks.vanished_labels}",
        "restore their rows, or --check vanished_labels=...",
        tuple(gone),
    )
    yield Finding(
        "new labels",
        len(new) <= checks.new_labels,
        f"{len(new)}",
        f"at most {checks.new_labels}",
        "see that they are spelt as before, or --check new_labels=...",
        tuple(new),
    )


def rows_finding(champion: Manifest, record: DatasetRecord, checks: DataChecks) -> Finding:
    """How many rows there are, against how many the champion had."""
    before, now = sum(champion.data.rows.values()), sum(record.rows.values())
    return Finding(
        "rows",
        now >= checks.least_rows * before,
        f"{now:,}",
        f"at least {checks.least_rows:.0%} of {before:,}",
        "see whether files are missing, or --check least_rows=...",
    )


def _apart(before: Sequence[str], now: Sequence[str]) -> tuple[list[str], list[str]]:
    """Names that have gone, and new ones, in their order."""
    return [name for name in before if name not in set(now)], [name for name in now if name not in set(before)]


def _swapped(before: Sequence[str], now: Sequence[str]) -> Iterator[tuple[str, str]]:
    return ((then, here) for then, here in zip(before, now, strict=False) if then != here)
