"""The rows of the table, each with the paper's value, its own interval, and what it should reach."""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Mapping, Sequence

from scipy import stats

from benchmarks.harness import Row
from benchmarks.pages import DOCS, write_table
from benchmarks.papers.choosing import Outcome
from benchmarks.papers.cuts import TEST_ROWS
from flows.steps.figures.curves import Curve, Panel, Point, curve_figure
from service.release.atomic import write_atomically

PAGE = DOCS / "papers.md"
PICTURE = PAGE.parent / "images" / "error_by_corruption.png"
_LEVELS = ("0", "10", "25", "40")
_FIGURE_8 = "Vincent 2010, figure 8: flat from 10 to 40 %, better than 0"


def rows(outcomes: Mapping[str, Outcome]) -> Iterator[Row]:
    """Every row whose protocols are among the outcomes."""
    have = outcomes.keys()
    if "sdae3" in have:
        yield _error("sdae3_mnist_error", outcomes["sdae3"], 1.28, "Vincent 2010: 1.28 ± 0.22")
    if "cae1" in have:
        yield _error("cae1_mnist_error", outcomes["cae1"], 1.20, "Rifai 2011: 1.14")
    if {"ae1-clean", "cae1-clean"} <= have:
        ae, cae = outcomes["ae1-clean"], outcomes["cae1-clean"]
        yield _paired("ae1_minus_cae1_error", ae, cae, 0.2, "Rifai 2011: 0.64")
    if "sdae3-basic" in have:
        yield _error("sdae3_basic_error", outcomes["sdae3-basic"], 2.84, "Vincent 2010: 2.84")
    if {"sdae3-basic-0", "sdae3-basic-25"} <= have:
        sae, sdae = outcomes["sdae3-basic-0"], outcomes["sdae3-basic-25"]
        yield _paired("sae3_minus_sdae3_basic_error", sae, sdae, 0.0, "Vincent 2010: 0.62")
    if "deep-ae30" in have:
        yield from _deep_autoencoder(outcomes["deep-ae30"])
    if {"ae1-clean", "cae1-clean"} <= have:
        norms = {name: outcomes[name].figures[0]["jacobian"] for name in ("ae1-clean", "cae1-clean")}
        sides = {name: {"average Jacobian norm": norm} for name, norm in norms.items()}
        value = norms["ae1-clean"] / norms["cae1-clean"]
        yield Row("jacobian_ae_over_cae", value, "ratio", 10, "higher", "Rifai 2011: 24", seed=0, sides=sides)
    yield from _contraction_and_noise(outcomes)
    if {f"sdae3-basic-{level}" for level in _LEVELS} <= have:
        without = statistics.fmean(outcomes["sdae3-basic-0"].values("error"))
        at_levels = [
            _error(f"sdae_error_at_{level}", outcomes[f"sdae3-basic-{level}"], without, _FIGURE_8) for level in _LEVELS
        ]
        yield from at_levels
        if outcomes["sdae3-basic-0"].protocol.seeds > 1:
            yield flatness(at_levels[1:])
    if {"dae1", "ae1-clean"} <= have:
        noisy = [outcomes[name].figures[0]["noisy_squared_error"] for name in ("dae1", "ae1-clean")]
        yield Row("dae_over_ae_noisy_error", noisy[0] / noisy[1], "ratio", 0.6, "lower", "below 1", seed=0)


def flatness(levels: Sequence[Row]) -> Row:
    """How far the levels of corruption lie apart: the worst mean error minus the best, in points.

    Flat is what the seeds cannot tell from no difference: at most half the 95 % interval of that difference, seed by
    seed (Student's t), so that the interval includes 0.

    Args:
        levels: rows of test errors, each of the same seeds, two or more.
    """
    best, *_, worst = sorted(levels, key=lambda row: row.value)
    ours, theirs = (_by_seed(row) for row in (worst, best))
    difference = _interval([one - other for one, other in zip(ours, theirs, strict=True)], None)
    half = difference["high"] - difference["mean"]
    sides = {row.name: row.sides["test error"] for row in (worst, best)} | {"difference": difference}
    return Row(
        "sdae_error_spread_10_to_40", difference["mean"], "points", half, "lower", f"{_FIGURE_8} (flat)", sides=sides
    )


def _by_seed(row: Row) -> list[float]:
    return [value for name, value in row.sides["test error"].items() if name.startswith("seed ")]


def _contraction_and_noise(outcomes: Mapping[str, Outcome]) -> Iterator[Row]:
    """Beyond the papers' tables: the stochastic contractive autoencoder, and convolutional ones."""
    for name, over, under, figure, goal in (
        ("jacobian_ae_over_scae", "ae1-clean", "scae1", "jacobian", 1.0),
        ("jacobian_ae_over_cae_convolutional", "uncontracted-convolutional", "cae-convolutional", "jacobian", 1.0),
        ("jacobian_ae_over_scae_convolutional", "uncontracted-convolutional", "scae-convolutional", "jacobian", 1.0),
        ("noisy_error_ae_over_dae_convolutional", "ae-convolutional", "dae-convolutional", "noisy_squared_error", 1.0),
    ):
        if {over, under} <= outcomes.keys():
            value = outcomes[over].figures[0][figure] / outcomes[under].figures[0][figure]
            yield Row(name, value, "ratio", goal, "higher", "no figure; above 1 is what it is for", seed=0)


def _error(name: str, outcome: Outcome, goal: float, peer: str) -> Row:
    """A test error in %: the mean over seeds, with the interval of 95 % that seeds and test rows leave."""
    errors = outcome.values("error")
    mean = statistics.fmean(errors)
    return Row(
        name, mean, "%", goal, "lower", peer, sides={"test error": _interval(errors, outcome), **_choices(outcome)}
    )


def _paired(name: str, left: Outcome, right: Outcome, goal: float, peer: str) -> Row:
    """The difference of two protocols' errors in points, seed by seed."""
    differences = [one - other for one, other in zip(left.values("error"), right.values("error"), strict=True)]
    sides = {
        left.protocol.name: _interval(left.values("error"), left),
        right.protocol.name: _interval(right.values("error"), right),
        "difference": _interval(differences, None),
    }
    return Row(name, statistics.fmean(differences), "points", goal, "higher", peer, sides=sides)


def _interval(values: tuple[float, ...] | list[float], outcome: Outcome | None) -> dict[str, float]:
    """Mean, 95 % interval and seeds: Student's t over seeds, or the binomial's where there is one seed."""
    mean, seeds = statistics.fmean(values), len(values)
    if seeds > 1:
        half = float(stats.t.ppf(0.975, seeds - 1)) * statistics.stdev(values) / math.sqrt(seeds)
        each = {f"seed {seed}": value for seed, value in enumerate(values)}
        return {"mean": mean, "low": mean - half, "high": mean + half, "seeds": seeds, **each}
    if outcome is None:
        return {"mean": mean, "seeds": seeds}
    rows = TEST_ROWS[outcome.protocol.cut]
    found = stats.binomtest(round(mean * rows / 100), rows).proportion_ci(0.95, "wilson")
    return {"mean": mean, "low": 100 * found.low, "high": 100 * found.high, "seeds": seeds}


def _deep_autoencoder(outcome: Outcome) -> Iterator[Row]:
    found = outcome.figures[0]
    peer = f"Hinton 2006: 3.00; PCA-30 here {found['squared_error_of_pca']:.2f}, there 13.87"
    yield Row(
        "deep_ae30_squared_error",
        found["squared_error"],
        "squared error per image",
        3.0,
        "lower",
        peer,
        seed=0,
        sides=_choices(outcome),
    )
    less = found["neighbour_error"] - found["neighbour_error_of_inputs"]
    sides = {name: {"error": found[name]} for name in ("neighbour_error", "neighbour_error_of_inputs")}
    yield Row("deep_ae30_knn1_error_minus_raw", less, "points", 0.0, "lower", "about -0.4", seed=0, sides=sides)


def draw_levels(outcomes: Mapping[str, Outcome]) -> None:
    """Draw the test error by corruption level into docs/images/ (Vincent et al. 2010, section 5.3)."""
    points = []
    for level in _LEVELS:
        outcome = outcomes[f"sdae3-basic-{level}"]
        found = _interval(outcome.values("error"), outcome)
        points.append(Point(float(level), found["mean"], found["low"], found["high"]))
    rows_of_test = TEST_ROWS["basic"]
    measure = f"test error, % (n = {rows_of_test:,}, 3 seeds)"
    panel = Panel("SDAE-3 on basic", "corruption, % of inputs masked", measure, (Curve("SDAE-3", tuple(points)),))
    write_atomically(PICTURE, curve_figure("Test error by corruption level, mean and 95 % interval", [panel]))


def write_page(found: list[Row], outcomes: Mapping[str, Outcome], when: str) -> None:
    """Put both tables into docs/papers.md, between their markers; the text around them stays."""
    lines = [
        "| row | ours | 95 % interval | seeds | to reach | paper |",
        "|---|---|---|---|---|---|",
        *(_line(row) for row in found),
        "",
        f"Measured {when}. What validation chose, with seed 0:",
        "",
        "| network | question | validation figure of each answer, the chosen one in bold |",
        "|---|---|---|",
        *(line for outcome in outcomes.values() for line in _answers(outcome)),
    ]
    write_table(PAGE, "papers", lines)


def _choices(outcome: Outcome) -> dict[str, dict[str, float]]:
    """What was chosen on validation: each question, and the figure of every answer."""
    return {
        f"validation: {choice.about}": {
            " ".join(settings): figure for settings, figure in zip(choice.alternatives, answer.watched, strict=True)
        }
        for choice, answer in zip(outcome.protocol.choices, outcome.answers, strict=True)
    }


def _answers(outcome: Outcome) -> Iterator[str]:
    for choice, answer in zip(outcome.protocol.choices, outcome.answers, strict=True):
        told = []
        for number, (settings, figure) in enumerate(zip(choice.alternatives, answer.watched, strict=True)):
            mark = "**" if number == answer.chosen else ""
            told.append(f"{mark}`{' '.join(settings)}` {figure:.4g}{mark}")
        yield f"| {outcome.protocol.name} | {choice.about} | {'; '.join(told)} |"


def _line(row: Row) -> str:
    interval = next((side for name, side in row.sides.items() if name in {"test error", "difference"}), {})
    low, high = interval.get("low"), interval.get("high")
    between = f"{low:.2f} to {high:.2f}" if low is not None and high is not None else ""
    sign = "≤" if row.better == "lower" else "≥"
    seeds = f"{interval.get('seeds', 1):g}"
    reached = "" if row.reached else " (missed)"
    ours, goal = f"{row.value:.3g} {row.unit}{reached}", f"{sign} {row.goal:.3g}"
    return f"| `{row.name}` | {ours} | {between} | {seeds} | {goal} | {row.peer} |"
