"""New data against what the champion recorded: what has moved is named, what has not is let through."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from flows.steps.checks import DataChecks, DataReport, check_data, demand_unmoved, load_checks
from flows.steps.checks.shares import surely_more_than_known
from flows.steps.datasets import Dataset, PrepareSettings, prepare_dataset
from flows.steps.errors import MovedDataError, SettingError
from flows.steps.latent import calibrate
from service.release.channels import Channels
from service.release.home import Home
from service.release.manifest import Calibration, Data, Input
from service.release.store import ReleaseStore
from service.scoring import p_values
from tests.service.tiny import Tiny, every_method, measured, promote, publish_tiny

SHAPE = (16,)
COLUMNS = tuple("abcdefghijklmnop")
NAMES = ("cat", "dog", "koala")
_UNSCALED = Tiny.of_seed(0, SHAPE)
# As good as linear: what is far out is far out in the code too.
NETWORK = replace(_UNSCALED, inner=(_UNSCALED.inner / 500).astype(np.float32))


def values(count: int, seed: int = 0) -> Any:
    """Rows as the tiny champion is calibrated on, 16 numbers each."""
    return np.random.default_rng(seed).uniform(0, 255, (count, *SHAPE)).astype(np.float32)


def drifted(count: int) -> Any:
    """Rows of which each value alone is usual; together they are as far out in the code as can be."""
    low = 2 + values(count, seed=1) / 10
    return np.where(NETWORK.inner[:, 0] > 0, 255 - low, low)


class House:
    """A home, and a source in it that a test moves."""

    def __init__(self, folder: Path) -> None:
        self.home = Home(folder / "home")
        self.folder = folder / "source"
        self.folder.mkdir()

    def write(self, part: str, rows: Any, names: tuple[str, ...] = NAMES, columns: tuple[str, ...] = COLUMNS) -> None:
        """One CSV of the source; the labels take turns."""
        lines = [",".join([*map(repr, map(float, row)), names[n % len(names)]]) for n, row in enumerate(rows)]
        (self.folder / f"{part}.csv").write_text("\n".join([",".join([*columns, "label"]), *lines]))

    def prepare(self, label_column: str | None = "label", source: Path | None = None, **settings: Any) -> Dataset:
        return prepare_dataset(
            str(source or self.folder),
            home=self.home.root,
            data_folder=self.home.root,
            settings=PrepareSettings(label_column=label_column, **settings),
        )

    def crown(self, dataset: Dataset) -> None:
        """A tiny champion that has learned from this dataset, as its manifest says."""
        record, rows = dataset.record, values(4000, seed=9)
        error, distance = (
            tuple(np.quantile(found, np.linspace(0, 1, 201)).tolist()) for found in measured(NETWORK, rows)
        )
        changes = {
            "data": Data(
                source=record.source,
                fingerprint=record.fingerprint,
                rows={str(split): count for split, count in record.rows.items()},
                dropped=record.dropped,
                label_names=record.label_names,
            ),
            "input": Input(
                kind=record.kind,
                shape=record.shape,
                stored_dtype=record.dtype,
                minimum=record.value_range[0],
                maximum=record.value_range[1],
                scale=(50.0,),
                columns=record.columns,
            ),
            "calibration": Calibration(
                split="validation", rows=4000, reconstruction_error=error, latent_distance=distance
            ),
        }
        publish_tiny(self.home, "old", shape=SHAPE, sampling=every_method(), network=NETWORK, changes=changes)
        promote(self.home, "old")

    def check(self, dataset: Dataset, **limits: Any) -> DataReport:
        report = check_data(dataset, self.home, DataChecks(**limits))
        assert report is not None
        return report


@pytest.fixture
def house(tmp_path: Path) -> House:
    """Its champion has learned from 600 rows of three labels."""
    house = House(tmp_path)
    house.write("1", values(600))
    house.crown(house.prepare())
    return house


def names_of(report: DataReport) -> list[str]:
    return [finding.check for finding in report.moved]


def test_more_of_the_same_is_let_through_and_only_what_is_new_is_looked_at(house: House) -> None:
    house.write("2", values(300, seed=1))

    report = house.check(house.prepare())

    assert names_of(report) == []
    assert report.rows == "300 rows that the champion's dataset did not have"
    assert {finding.check for finding in report.findings} == {
        "what a row is",
        "columns",
        "labels gone",
        "new labels",
        "rows",
        "dropped rows",
        "copies",
        "values outside the range",
        "drift of the reconstruction",
        "drift of the code",
    }
    demand_unmoved(report, DataChecks())


def rename_a_column(house: House) -> Dataset:
    house.write("1", values(700), columns=("z", *COLUMNS[1:]))
    return house.prepare()


def swap_two_columns(house: House) -> Dataset:
    house.write("1", values(700), columns=("b", "a", *COLUMNS[2:]))
    return house.prepare()


def lose_a_column(house: House) -> Dataset:
    rows = values(700)
    rows[:, 3] = 7
    house.write("1", rows)
    return house.prepare(skip_bad=True)


def become_images(house: House) -> Dataset:
    images = house.folder.with_name("images.npz")
    np.savez(images, x=values(600).reshape(-1, 4, 4).astype(np.uint8), y=np.resize(NAMES, 600))
    return house.prepare(label_column=None, source=images)


def lose_the_labels(house: House) -> Dataset:
    rows = [",".join(map(repr, map(float, row))) for row in values(700)]
    (house.folder / "1.csv").write_text("\n".join([",".join(COLUMNS), *rows]))
    return house.prepare(label_column=None)


def lose_a_label(house: House) -> Dataset:
    house.write("1", values(700), names=NAMES[:2])
    return house.prepare()


def find_a_label(house: House) -> Dataset:
    house.write("2", values(60, seed=1), names=(*NAMES, "Cat"))
    return house.prepare()


def shrink(house: House) -> Dataset:
    house.write("1", values(299))
    return house.prepare()


def spoil_some_new_rows(house: House) -> Dataset:
    rows = values(200, seed=1)
    rows[:40, 5] = np.nan
    house.write("2", rows)
    return house.prepare(skip_bad=True)


def add_a_part_twice(house: House) -> Dataset:
    house.write("2", values(600))
    return house.prepare()


def change_a_unit(house: House) -> Dataset:
    rows = values(100, seed=1)
    rows[:, 4] *= -1
    house.write("2", rows)
    return house.prepare()


def drift_inside_the_range(house: House) -> Dataset:
    house.write("2", drifted(200))
    return house.prepare()


@pytest.mark.parametrize(
    ("move", "named", "instance"),
    [
        (rename_a_column, "columns", "gone: a, new: z"),
        (swap_two_columns, "columns", "b where a was, a where b was"),
        (lose_a_column, "what a row is", ""),
        (become_images, "what a row is", ""),
        (lose_the_labels, "labels", "cat, dog, koala"),
        (lose_a_label, "labels gone", "koala"),
        (find_a_label, "new labels", "Cat"),
        (shrink, "rows", ""),
        (spoil_some_new_rows, "dropped rows", "rows with NaN or empty cells: 40"),
        (add_a_part_twice, "copies", ""),
        (change_a_unit, "values outside the range", "e 100%"),
        (drift_inside_the_range, "drift of the code", "median p"),
    ],
    ids=lambda value: getattr(value, "__name__", None),
)
def test_what_has_moved_stops_the_run_by_name(
    house: House, move: Callable[[House], Dataset], named: str, instance: str
) -> None:
    before = Channels(house.home).read(), ReleaseStore(house.home).versions()

    report = house.check(move(house))

    (finding,) = [finding for finding in report.moved if finding.check == named]
    assert instance in finding.for_instance
    # What a unit has changed in, or a label was lost with, is unusual too; nothing else is.
    assert set(names_of(report)) <= {named, "columns", "drift of the code", "drift of the reconstruction"}
    with pytest.raises(MovedDataError, match="--accept-moved-data") as refused:
        demand_unmoved(report, DataChecks())
    assert named in str(refused.value)
    demand_unmoved(report, DataChecks(accept=True))
    assert (Channels(house.home).read(), ReleaseStore(house.home).versions()) == before


@pytest.mark.parametrize(
    ("move", "limit"),
    [
        (lose_a_label, "vanished_labels=1"),
        (find_a_label, "new_labels=1"),
        (shrink, "least_rows=0.4"),
        (spoil_some_new_rows, "dropped=0.2"),
        (add_a_part_twice, "copies=1"),
        (drift_inside_the_range, "drift=0.95"),
    ],
    ids=lambda value: getattr(value, "__name__", value),
)
def test_another_limit_lets_it_through(house: House, move: Callable[[House], Dataset], limit: str) -> None:
    report = check_data(move(house), house.home, load_checks([limit], accept=False))

    assert report is not None
    assert names_of(report) == []


def test_few_rows_do_not_stop_a_run_by_chance(house: House) -> None:
    rows = values(2, seed=1)
    # Half of what came is bad, and both are extreme: two rows tell nothing.
    rows[0, 5], rows[1, 4] = np.nan, 300
    house.write("2", rows)

    assert names_of(house.check(house.prepare(skip_bad=True))) == []


def test_rows_of_few_different_kinds_repeat_each_other_as_ever(tmp_path: Path) -> None:
    house = House(tmp_path)
    kinds = values(40)
    house.write("1", np.concatenate([kinds, kinds[np.random.default_rng(0).integers(0, 40, 560)]]))
    house.crown(house.prepare())
    house.write("2", kinds[np.random.default_rng(1).integers(0, 40, 300)])

    report = house.check(house.prepare())

    assert names_of(report) == []
    assert report.rows == "0 rows that the champion's dataset did not have"


def test_without_the_champions_dataset_all_held_out_rows_are_looked_at_and_that_is_said(house: House) -> None:
    (old,) = (path for path in (house.home.root / "datasets").iterdir() if path.is_dir())
    old.rename(old.with_name("elsewhere"))
    house.write("2", drifted(200))

    report = house.check(dataset := house.prepare())

    held_out = sum(count for split, count in dataset.record.rows.items() if split != "train")
    assert report.rows == f"all {held_out:,} held-out rows, as the champion's own dataset is no longer in the home"
    assert "drift of the code" in names_of(report)


def test_without_a_champion_or_without_other_data_there_is_nothing_to_compare(house: House, tmp_path: Path) -> None:
    assert check_data(house.prepare(), house.home, DataChecks()) is None
    assert check_data(house.prepare(), Home(tmp_path / "empty"), DataChecks()) is None


def test_a_champion_that_cannot_be_served_stops_nothing(house: House) -> None:
    (ReleaseStore(house.home).folder("old") / "encoder.onnx").write_bytes(b"")

    report = house.check(shrink(house))

    assert names_of(report) == []
    assert "the champion cannot be served" in report.as_text()


def test_the_report_is_one_aligned_table_in_which_no_name_can_draw(house: House) -> None:
    house.write("1", values(299), names=("cat", "dog", "k\x1b[31mo|<b>"))
    report = house.check(house.prepare())

    heading, *lines = report.as_text().splitlines()[1:]
    assert "\x1b" not in report.as_text()
    assert [line.index(finding.expected) for line, finding in zip(lines, report.moved, strict=True)] == [
        heading.index("EXPECTED")
    ] * len(lines)
    page = report.as_markdown()
    assert all(finding.check in page for finding in report.findings)
    assert "o\\|&lt;b>" in page


@pytest.mark.parametrize(
    ("setting", "complaint"),
    [
        ("drift=2", "drift: 2 came"),
        ("least_row=0.5", "least_row: unknown field"),
        ("drift", "'drift' came"),
        ("false_alarm_rate=0", "false_alarm_rate: 0 came"),
    ],
)
def test_a_limit_that_cannot_be_is_named_with_what_came(setting: str, complaint: str) -> None:
    with pytest.raises(SettingError, match=complaint):
        load_checks([setting], accept=False)


@pytest.mark.parametrize("known", [59, 399])
def test_drift_is_found_by_chance_no_more_often_than_is_stated_however_few_rows_are_calibrated_on(known: int) -> None:
    generator, repeats, rows = np.random.default_rng(0), 600, 2000
    alarms = 0
    for _ in range(repeats):
        unseen, new = generator.normal(size=known) ** 2, generator.normal(size=rows) ** 2
        calibration = calibrate(unseen, unseen, "validation")
        p = p_values(new.astype(np.float32), calibration.reconstruction_error, calibration.rows)
        alarms += surely_more_than_known(int((p <= 0.05).sum()), rows, 0.05, known, 0.02)

    # 12 are expected, with a deviation of 3.4; a plain binomial bound raises some 200.
    assert 2 <= alarms <= 24
