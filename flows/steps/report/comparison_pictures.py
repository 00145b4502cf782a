"""The pictures that short trainings on the release's own data give."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np

from flows.steps.datasets import Dataset, Split
from flows.steps.figures import Curve, Panel, Point, curve_figure, filters_by_level_figure, spectrum_figure
from flows.steps.report.choosing import strongest, two_that_grow_most
from flows.steps.report.comparison import MASKED, PROBED, SPECTRUM_ROWS, errors_by_depth, measure_layers
from flows.steps.report.first_layers import (
    BATCH,
    CONTRACTIVE,
    LEVELS,
    UNITS,
    WEIGHT_DECAY,
    Progress,
    Sample,
    level_name,
    sample_of,
    steps_of,
    train_first_layers,
)
from flows.steps.report.picture import Entry, Picture, Skipped
from flows.steps.report.release_data import ReleaseData
from flows.steps.training_state import load_weights

BY_LEVEL = "The same filters at four corruption levels"
ERRORS = "Test error by corruption level"
DEPTH = "Test error by depth"
SPECTRA = "Singular values of AE, DAE and CAE"
HEADINGS = (BY_LEVEL, ERRORS, DEPTH, SPECTRA)
_SHOWN, _STRIPS = 32, 8
_COMPARED = ("AE", "DAE 20%", "DAE 50%", CONTRACTIVE)


def comparison_pictures(release: ReleaseData, dataset: Dataset, home: Path, on_progress: Progress) -> Iterator[Entry]:
    """Train what is compared, or find it trained, and draw it.

    Args:
        release: whose data it is, and whose inner codes are measured by depth.
        dataset: the release's own.
        home: `MANIFOLD_HOME`.
        on_progress: hears how far the trainings are.

    Raises:
        FlowError: what was kept of the trainings is damaged.
        ModelError: a training diverged, or a graph failed.
    """
    scaling = str(release.manifest.recipe["scaling"])
    sample = sample_of(dataset, home, scaling)
    layers = dict(train_first_layers(sample, scaling, home, on_progress))
    on_progress("comparison: measures", 0, 1, "test rows")
    measured = measure_layers(sample, layers, scaling, home)
    errors = json.loads((measured / "errors.json").read_text())
    depths = errors_by_depth(release, dataset, home)
    on_progress("comparison: measures", 1, 1, f"{len(sample.rows('test')):,} test rows")
    protocol = _protocol(sample)
    yield _filters(sample, layers, protocol)
    yield _errors(sample, errors, protocol)
    yield _depth(release, depths)
    spectra = {name: np.load(measured / f"spectrum-{name}.npy") for name in _COMPARED}
    yield _spectra(sample, spectra, protocol)


def _filters(sample: Sample, layers: Mapping[str, Path], protocol: str) -> Picture:
    shape = sample.dataset.record.shape
    image = len(shape) > 1
    weights = {
        level: load_weights(layers[level_name(level)])["weight"].numpy().reshape(-1, *(shape if image else (1, *shape)))
        for level in LEVELS
    }
    two = two_that_grow_most(weights[LEVELS[0]], weights[LEVELS[-1]])
    order = strongest(np.concatenate([*weights.values()], axis=1), _SHOWN if image else _STRIPS)
    rows = f"{len(sample.rows('train')):,} training rows"
    what = "pixels" if image else "features"
    return Picture(
        "filters-by-level",
        BY_LEVEL,
        filters_by_level_figure(
            {level: each[order] for level, each in weights.items()},
            {level: each[two] for level, each in weights.items()},
            rows,
        ),
        f"Filters of {len(order)} units at 0, 10, 20 and 50 % corruption, and two of the units enlarged.",
        "From the same initial weights, in the same order of rows: the more the inputs are corrupted, the more of "
        f"them a unit should look at. Neurons A and B are the two of {UNITS} units whose weights spread over the most "
        f"more {what} from 0 to 50 %, as a ratio of (Σw²)²/Σw⁴; the others have the largest weights. {protocol}",
        "Vincent et al. 2008, figure 3",
    )


def error_panels(errors: Mapping[str, Mapping[str, Sequence[float]]], n: int) -> list[Panel]:
    """Errors along the corruption levels: reconstruction, and what a probe gets wrong where there is one.

    Args:
        errors: as `measure_layers` keeps them.
        n: how many test rows they are of.
    """
    names = {level: level_name(level) for level in LEVELS}

    def curve(name: str, measure: str, scale: float = 1.0) -> Curve:
        return Curve(
            name,
            tuple(
                Point(100 * level, *(scale * value for value in errors[model][measure]))
                for level, model in names.items()
            ),
        )

    along = "inputs masked while learning, %"
    masked = f"{MASKED:.0%} masked rows"
    panels = [
        Panel(
            f"reconstruction, test rows, n = {n:,}",
            along,
            "squared error per row, scaled units, summed",
            (curve("clean rows", "clean"), curve(masked, "masked")),
        )
    ]
    if "probe" in errors[names[0.0]]:
        panels.append(
            Panel(
                f"linear probe on the code, test rows, n = {n:,}",
                along,
                "rows with a wrong label, %",
                (curve("", "probe", 100.0),),
            )
        )
    return panels


def _errors(sample: Sample, errors: Mapping[str, Mapping[str, list[float]]], protocol: str) -> Picture:
    n = len(sample.rows("test"))
    panels = error_panels(errors, n)
    labelled = len(panels) > 1
    return Picture(
        "errors-by-level",
        ERRORS,
        curve_figure("Error by corruption level, with 95 % intervals over test rows", panels),
        "Error by corruption level: reconstruction of clean and masked test rows" + ", and a linear probe." * labelled,
        f"An autoencoder without corruption should rebuild clean rows best, a denoising one rows lacking {MASKED:.0%} "
        "of their inputs. "
        + (
            "How well a linear probe reads the labels off the code is another matter than either: the probe is a "
            f"logistic regression on the codes of at most {PROBED['train']:,} training rows. "
            if labelled
            else "There are not two labels, so that no probe was fitted. "
        )
        + f"{protocol} (Split: test, n = {n:,}; one seed, intervals over rows.)",
        "Vincent et al. 2010, error by corruption level",
    )


def depth_panel(points: Sequence[Point], what: str, widths: Sequence[int], n: int) -> Panel:
    """Errors along the depths of a release, in percent.

    Args:
        points: shares of test rows, as `errors_by_depth` finds them.
        what: an input is made of, such as `pixels`.
        widths: of the layers.
        n: how many test rows they are of.
    """
    names = [what, *(f"layer {depth}\n({width})" for depth, width in enumerate(widths, start=1))]
    percent = tuple(Point(p.at, 100 * p.mean, 100 * p.low, 100 * p.high) for p in points)
    return Panel(
        f"linear probe, test rows, n = {n:,}",
        "depth (units)",
        "rows with a wrong label, %",
        (Curve("", percent),),
        tuple((float(at), name) for at, name in enumerate(names)),
    )


def _depth(release: ReleaseData, found: tuple[list[Point], dict[Split, int]] | None) -> Entry:
    if found is None:
        return Skipped(DEPTH, "The data have not two labels, so that no probe can be fitted to the layers' codes.")
    points, rows = found
    n = rows["test"]
    widths = [layer.width for layer in release.manifest.code.layers]
    what = release.what
    panel = depth_panel(points, what, widths, n)
    return Picture(
        "errors-by-depth",
        DEPTH,
        curve_figure("Error by depth of this release, with 95 % intervals over test rows", [panel]),
        f"Error of a linear probe on {what} and on the codes of {len(widths)} layers.",
        f"What a linear probe reads of the labels from the {what}, and from the code of each layer of this release. "
        "Layers get narrower: a code of a few units that loses little against thousands of inputs has kept "
        f"what matters. The probe is a logistic regression on {rows['train']:,} training rows, the same at all depths. "
        f"(Split: test, n = {n:,}.)",
        "Vincent et al. 2010, error by number of layers",
    )


def _spectra(sample: Sample, spectra: Mapping[str, np.ndarray], protocol: str) -> Picture:
    n = min(SPECTRUM_ROWS, len(sample.rows("test")))
    return Picture(
        "spectra",
        SPECTRA,
        spectrum_figure(spectra, n, "test"),
        "Mean singular values of the encoder's Jacobian for an AE, two DAEs and a CAE, sorted, on a logarithmic scale.",
        "In how many directions the code follows the input: a curve that falls early has few, those along the "
        "manifold. Denoising and contraction should both press down the directions that lead away from the data. "
        f"{protocol} (Split: test, n = {n}.)",
        "Rifai et al. 2011, figure 3",
    )


def _protocol(sample: Sample) -> str:
    rows = len(sample.rows("train"))
    shrunk = f", images shrunk {sample.shrunk}-fold" if sample.shrunk > 1 else ""
    return (
        f"Protocol: one layer of {UNITS} sigmoid units, tied weights, {steps_of(sample):,} steps of {BATCH} rows from "
        f"{rows:,} training rows{shrunk}, the same weight decay ({WEIGHT_DECAY}) for all."
    )
