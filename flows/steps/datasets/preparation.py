"""Source in, dataset on disk out: the steps in order, and nothing half-made is ever seen."""

from __future__ import annotations

import shutil
import tempfile
from dataclasses import replace
from pathlib import Path

import numpy as np
from filelock import FileLock

from flows.steps.datasets.choosing import choose_source
from flows.steps.datasets.collecting import collect
from flows.steps.datasets.dataset import Dataset, open_dataset
from flows.steps.datasets.fingerprint import fingerprint_of
from flows.steps.datasets.record import RECORD_FILE, SPLITS, DatasetRecord, PrepareSettings, Statistics
from flows.steps.datasets.screening import Screened, screen
from flows.steps.datasets.seen_files import SeenFiles
from flows.steps.datasets.source import Layout, Progress, Reading, Source
from flows.steps.datasets.splitting import Splits, copies_across, split_at_random, split_by_content
from flows.steps.datasets.writing import write_splits
from flows.steps.errors import BadDataError, DatasetError
from flows.steps.validation import TOO_FEW_ROWS, Findings, Problem, ValidationReport
from service.release.atomic import remove_folder, replace_folder

_WORKSHOP = ".preparing-"


def prepare_dataset(
    source: str,
    *,
    home: Path,
    data_folder: Path,
    settings: PrepareSettings,
    on_progress: Progress | None = None,
) -> Dataset:
    """Turn a source into arrays on disk with a frozen split, statistics and a fingerprint, or find it done.

    Arguments:
        source: `auto`, `mnist`, `fashion-mnist`, `digits`, or the path of a folder of images, of a `.npy`,
            `.npz`, `.parquet` or `.csv` file, or of a folder of `.parquet` or `.csv` parts.
        home: the dataset appears in `home/datasets/<fingerprint>/`.
        data_folder: where public datasets lie or are downloaded to, in torchvision's layout.
        settings: split, checks, labels.
        on_progress: called with (what is done, done so far, in all); what it raises stops the preparation.

    The built-in datasets train out of the box: copies across their splits (FashionMNIST has some) are kept as
    they were published, so that figures compare with everybody's, and counted as `tolerated` in the record. Other
    sources are split by each row's content: equal rows are in the same split, also after a source has grown.

    Raises:
        SourceError: there is no such source, or it is truncated or of a kind that is not read.
        BadDataError: the rows have problems, all of them in its report. With `skip_bad` only those that
            cannot be dropped: too few rows, an empty folder.
        DatasetError: the dataset cannot be written.
    """
    report_progress = on_progress or _unheard
    chosen = choose_source(source, data_folder, settings.label_column, report_progress)
    fingerprint = fingerprint_of(chosen.source, settings, SeenFiles(home, source), report_progress)
    folder = home / "datasets" / fingerprint
    notes = chosen.notes
    try:
        folder.parent.mkdir(parents=True, exist_ok=True)
        # One preparation at a time in one home: a second one of the same source finds the work done.
        with FileLock(folder.parent / ".lock"):
            if folder.exists():
                try:
                    return _reused(folder, settings, notes)
                except DatasetError as error:
                    notes = (*notes, f"prepared again, as it could not be used: {error}")
            _prepare(chosen.source, folder, settings, report_progress)
    except OSError as error:
        raise DatasetError(f"{folder}: cannot be written: {error.strerror or error}; nothing of it is left") from error
    dataset = open_dataset(folder)
    return replace(dataset, notes=(*notes, *_conversions(dataset)))


def _reused(folder: Path, settings: PrepareSettings, notes: tuple[str, ...]) -> Dataset:
    dataset = open_dataset(folder)
    rows = sum(dataset.record.rows.values())
    if rows < settings.minimum_rows:
        raise DatasetError(f"{folder}: has {rows} rows, expected at least {settings.minimum_rows}")
    note = f"nothing has changed: the dataset {folder.name} is used as it is"
    return replace(dataset, reused=True, notes=(*notes, note, *_conversions(dataset)))


def _conversions(dataset: Dataset) -> list[str]:
    counts = dataset.record.converted.items()
    return [f"{count:,} {'image' if count == 1 else 'images'}: {what}" for what, count in counts]


def _prepare(source: Source, folder: Path, settings: PrepareSettings, on_progress: Progress) -> None:
    for left_by_a_killed_run in folder.parent.glob(f"{_WORKSHOP}*"):
        shutil.rmtree(left_by_a_killed_run)
    with tempfile.TemporaryDirectory(prefix=_WORKSHOP, dir=folder.parent) as workshop:
        staging = Path(workshop, "dataset")
        staging.mkdir()
        _build(source, folder.name, Path(workshop, "rows.raw"), staging, settings, on_progress)
        if folder.exists():
            remove_folder(folder, aside=Path(workshop, "unusable"))
        replace_folder(staging, folder)


def _build(
    source: Source,
    fingerprint: str,
    raw_file: Path,
    staging: Path,
    settings: PrepareSettings,
    on_progress: Progress,
) -> None:
    findings = Findings()
    reading = source.read(findings)
    collected = collect(reading, raw_file, on_progress)
    screened = screen(collected, reading, findings, on_progress)
    splits, tolerated = _divided(source, reading, screened, settings)
    columns = screened.columns
    width = None if columns is None else len(columns)
    _demand_enough(splits, width, settings, findings)
    dropped = _judge(source, settings, findings)
    files, statistics = write_splits(staging, collected, splits, columns, reading.layout, on_progress)
    names = reading.layout.columns
    record = DatasetRecord(
        source=source.name,
        kind=reading.layout.kind,
        shape=reading.layout.shape if width is None else (width,),
        dtype=reading.layout.dtype,
        value_range=_value_range(reading.layout, statistics),
        columns=None if names is None or columns is None else tuple(names[column] for column in columns),
        label_names=collected.label_names,
        rows={split: len(splits[split]) for split in SPLITS},
        statistics=statistics,
        dropped=dropped,
        converted=dict(sorted(reading.converted.items())),
        tolerated=tolerated,
        settings=settings,
        fingerprint=fingerprint,
        files=files,
    )
    (staging / RECORD_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")


def _demand_enough(splits: Splits, width: int | None, settings: PrepareSettings, findings: Findings) -> None:
    good = 0 if width == 0 else sum(len(rows) for rows in splits.values())
    empty = [split for split in SPLITS if not len(splits[split])]
    if good < settings.minimum_rows:
        findings.add(TOO_FEW_ROWS, f"expected at least {settings.minimum_rows}", count=good)
    elif empty:
        findings.add(TOO_FEW_ROWS, f"none is left for {' and '.join(empty)}", count=good)


def _divided(
    source: Source, reading: Reading, screened: Screened, settings: PrepareSettings
) -> tuple[Splits, dict[str, int]]:
    """The splits, and how many rows repeat others: across the splits of a built-in dataset, which are published, else
    within them, where a copy makes no measure too good."""
    digests = screened.digests
    if source.built_in:
        first_test_row = len(digests) - reading.official_test if reading.official_test else None
        splits = split_at_random(screened.rows, settings, first_test_row)
        repeated = {"held-out rows that are also in another split": copies_across(splits, digests)}
    else:
        splits = split_by_content(screened.rows, digests, settings)
        repeated = {"rows that repeat another": len(screened.rows) - len(np.unique(digests[screened.rows]))}
    return splits, {what: count for what, count in repeated.items() if count}


def _judge(source: Source, settings: PrepareSettings, findings: Findings) -> dict[str, int]:
    """What was dropped, counted.

    Raises:
        BadDataError: something must not be dropped.
    """
    dropped: list[Problem] = []
    fatal: list[Problem] = []
    for problem in findings.problems():
        (dropped if settings.skip_bad and problem.kind.droppable else fatal).append(problem)
    if fatal:
        # What would be dropped is told as well: it is often the reason for what cannot be.
        raise BadDataError(ValidationReport(source.name, tuple(fatal + dropped)))
    return _counts(dropped)


def _counts(problems: list[Problem]) -> dict[str, int]:
    return {problem.kind.name: problem.count for problem in problems}


def _value_range(layout: Layout, statistics: Statistics) -> tuple[float, float]:
    return layout.value_range or (min(statistics.minimum), max(statistics.maximum))


def _unheard(_what: str, _done: int, _total: int) -> None:
    """Nobody asked for progress."""
