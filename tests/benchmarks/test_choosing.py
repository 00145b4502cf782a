"""How the papers' benchmark chooses: on validation alone, one question after another, nothing trained twice."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
from sklearn.datasets import load_digits

from benchmarks.papers.choosing import Outcome, choose, measure_protocols
from benchmarks.papers.cuts import open_cut
from benchmarks.papers.protocols import Choice, Protocol
from benchmarks.papers.runs import carry_out

_RATE = "supervised_fine_tuning.optimiser.learning_rate"
PROTOCOL = Protocol(
    name="tiny",
    recipe="dae",
    settings=(
        "layers=[16]",
        "pretraining.epochs=1",
        "pretraining.minimum_steps=0",
        "fine_tuning.epochs=0",
        "supervised_fine_tuning.epochs=4",
        "supervised_fine_tuning.batch_size=32",
    ),
    choices=(
        # The first learns nothing, the second something: no question's first answer is the best.
        Choice("learning rate", ((f"{_RATE}=1e-9",), (f"{_RATE}=0.02",))),
        Choice("epochs", (("supervised_fine_tuning.epochs=1",), ("supervised_fine_tuning.epochs=12",))),
    ),
    cut="full",
    seeds=2,
    measures=("error",),
)


def write_mnist(folder: Path, *, test_labels: int) -> Path:
    """scikit-learn's digits in MNIST's files, 400 to learn and 100 to test; the test labels moved on by so many."""
    images, labels = load_digits(return_X_y=True)
    images, labels = (images.reshape(-1, 8, 8) * 15).astype(np.uint8), labels.astype(np.uint8)
    parts = {"train": (images[:400], labels[:400]), "t10k": (images[400:500], (labels[400:500] + test_labels) % 10)}
    raw = folder / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for part, (rows, names) in parts.items():
        for array, kind in ((rows, "images-idx3"), (names, "labels-idx1")):
            header = np.array([0x0800 + array.ndim, *array.shape], ">u4").tobytes()
            (raw / f"{part}-{kind}-ubyte").write_bytes(header + array.tobytes())
    return folder


def measured(home: Path, data: Path) -> Outcome:
    told: list[Outcome] = []
    outcomes = measure_protocols((PROTOCOL,), home, data, 1, told.append)
    assert outcomes == {PROTOCOL.name: told[0]}
    return told[0]


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_mnist(tmp_path_factory.mktemp("data"), test_labels=0)


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("papers")


@pytest.fixture(scope="module")
def outcome(home: Path, data: Path) -> Outcome:
    return measured(home, data)


def test_each_question_is_answered_by_the_least_validation_figure_with_the_answers_before_it(
    outcome: Outcome, home: Path, data: Path
) -> None:
    rate, epochs = outcome.answers
    assert rate.chosen == 1
    assert rate.watched[1] < rate.watched[0]
    assert epochs.chosen == int(epochs.watched[1] < epochs.watched[0])
    dataset, heard = open_cut("full", home, data), list[str]()
    for answers, watched in (
        ((0,), rate.watched[0]),
        ((1,), rate.watched[1]),
        *(((1, n), epochs.watched[n]) for n in (0, 1)),
    ):
        figures = carry_out(dataset, PROTOCOL.recipe_of(answers, seed=0), (), home, heard.append)
        assert figures["validation_error"] == watched
        assert not [name for name in figures if not name.startswith("validation_")], "no test row was looked at"
    assert heard == [], "all of them were found"


def test_every_seed_is_measured_on_test_rows_with_what_was_chosen(outcome: Outcome, home: Path, data: Path) -> None:
    dataset, heard = open_cut("full", home, data), list[str]()
    chosen = [answer.chosen for answer in outcome.answers]
    kept = [carry_out(dataset, PROTOCOL.recipe_of(chosen, n), ("error",), home, heard.append) for n in (0, 1)]
    assert list(outcome.figures) == kept
    assert heard == []
    assert kept[0]["validation_error"] == min(outcome.answers[-1].watched)
    assert outcome.values("error") == (kept[0]["error"], kept[1]["error"])


def test_other_test_rows_give_the_same_answers_and_other_errors(outcome: Outcome, tmp_path: Path) -> None:
    moved = write_mnist(tmp_path / "data", test_labels=1)
    other = measured(tmp_path / "home", moved)
    assert other.answers == outcome.answers
    assert min(other.values("error")) > max(outcome.values("error"))


def test_a_second_call_finds_everything_and_trains_nothing(outcome: Outcome, home: Path, data: Path) -> None:
    def times() -> dict[Path, int]:
        return {path: path.stat().st_mtime_ns for part in ("figures", "training") for path in (home / part).rglob("*")}

    before = times()
    assert measured(home, data) == outcome
    assert choose(PROTOCOL, home, data) == outcome.answers
    assert times() == before
