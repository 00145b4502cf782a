"""From a release to a folder with its report."""

from __future__ import annotations

import shutil
import uuid
from collections.abc import Iterator, Sequence
from pathlib import Path

from flows.steps.datasets import open_dataset
from flows.steps.errors import DatasetError, ReportError
from flows.steps.report.comparison_pictures import HEADINGS, comparison_pictures
from flows.steps.report.first_layers import Progress
from flows.steps.report.page import render_page
from flows.steps.report.picture import Entry, Picture, Skipped
from flows.steps.report.release_data import ReleaseData
from flows.steps.report.release_pictures import release_pictures
from models.errors import ShapeError, TrainingDivergedError
from service.release.atomic import replace_folder
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.manifest import Manifest
from service.release.store import ReleaseStore

PAGE = "report.html"
_FROM_THE_RELEASE = ("reconstructions", "filters", "map", "neighbours", "lines", "generation")
_BY_TRAINING = ("filters-by-level", "errors-by-level", "errors-by-depth", "spectra")
_WRITTEN = {PAGE, *(f"{name}.png" for name in (*_FROM_THE_RELEASE, *_BY_TRAINING))}


def make_report(home: Home, version: str, output: Path, *, compare: bool, on_progress: Progress) -> list[Entry]:
    """Draw a release and write the page and its pictures into a folder, whole or not at all.

    Args:
        home: where the release lies, and its dataset, where that is still there.
        version: of the release.
        output: the folder; an earlier report there is replaced.
        compare: make the pictures that need a short training, too.
        on_progress: hears how far it is.

    Returns:
        What is on the page, in its order.

    Raises:
        ReleaseError: there is no such release, or it is damaged.
        ReportError: the folder holds something else than a report, or cannot be written.
        ModelError: a graph cannot be loaded or run, or a training diverged.
    """
    folder = ReleaseStore(home).folder(version)
    _refuse_what_is_no_report(output)
    manifest = verify_release(folder)
    entries: list[Entry] = []
    for entry in _entries(home, folder, manifest, compare=compare, on_progress=on_progress):
        entries.append(entry)
        on_progress("report: pictures", len(entries), len(entries) + 1, entry.heading)
    _write(output, render_page(manifest, entries), entries)
    drawn = sum(isinstance(entry, Picture) for entry in entries)
    on_progress("report: pictures", 1, 1, f"{drawn} drawn, {len(entries) - drawn} left out")
    return entries


def _entries(home: Home, folder: Path, manifest: Manifest, *, compare: bool, on_progress: Progress) -> Iterator[Entry]:
    yield from release_pictures(folder, manifest)
    yield from compared_entries(home, folder, manifest, compare=compare, on_progress=on_progress)


def compared_entries(
    home: Home, folder: Path, manifest: Manifest, *, compare: bool, on_progress: Progress
) -> Iterator[Entry]:
    """The pictures that need a short training; where they cannot or shall not be made, why."""
    if not compare:
        yield from (Skipped(heading, "Left out: the quick report trains nothing.") for heading in HEADINGS)
        return
    try:
        dataset = open_dataset(home.root / "datasets" / manifest.data.fingerprint)
    except DatasetError as error:
        reason = f"Left out: it needs a short training on the release's own data, which are not there ({error})."
        yield from (Skipped(heading, reason) for heading in HEADINGS)
        return
    try:
        yield from comparison_pictures(ReleaseData.load(folder, manifest), dataset, home.root, on_progress)
    except TrainingDivergedError as error:
        yield from (Skipped(heading, f"Left out: its training did not converge ({error}).") for heading in HEADINGS)
    except ShapeError as error:
        yield from (Skipped(heading, f"Left out: the rows do not fit it ({error}).") for heading in HEADINGS)


def _refuse_what_is_no_report(output: Path) -> None:
    """A folder of somebody's own is never replaced."""
    if not output.exists():
        return
    held = {path.name for path in output.iterdir()} if output.is_dir() else {output.name}
    foreign = sorted(held - _WRITTEN if PAGE in held else held)
    if foreign:
        raise ReportError(f"{output}: holds {foreign[0]!r}, expected a new folder, or one with an earlier report")


def _write(output: Path, page: str, entries: Sequence[Entry]) -> None:
    draft, old = (output.with_name(f".{output.name}.{uuid.uuid4().hex}") for _ in range(2))
    try:
        draft.mkdir(parents=True)
        (draft / PAGE).write_text(page, "utf-8")
        for entry in entries:
            if isinstance(entry, Picture):
                (draft / f"{entry.name}.png").write_bytes(entry.png)
        if output.exists():
            output.rename(old)
        try:
            replace_folder(draft, output)
        except OSError:
            if old.exists() and not output.exists():
                old.rename(output)
            raise
        shutil.rmtree(old, ignore_errors=True)
    except OSError as error:
        raise ReportError(f"{output}: the report cannot be written: {error}") from error
    finally:
        shutil.rmtree(draft, ignore_errors=True)
