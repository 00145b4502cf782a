"""What the units of the first layer look for: their weights as images, or as a heat map over a table's columns."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

import numpy as np
from jaxtyping import Float, UInt8
from matplotlib.figure import Figure

from flows.steps.figures.lettering import legible
from flows.steps.figures.png import DPI, as_png
from flows.steps.figures.sheet import draw_sheet, laid_out
from flows.steps.figures.tiles import Tiles

_COLUMNS = 16
_SMALL, _LARGE = 58, 112
_NAMED_COLUMNS = 60


def filter_tiles(weights: Float[np.ndarray, "units ..."]) -> UInt8[np.ndarray, "units ..."]:
    """Weights as images: grey is 0, white the unit's largest weight by size, black its negative.

    Args:
        weights: (units, height, width) or (units, height, width, channels); each unit is scaled by itself. Of 2 or 4
            channels the last is for the opacity, which has no colour: it is left out.
    """
    weights = _of_colours(weights)
    largest = np.abs(weights).reshape(len(weights), -1).max(1).reshape(-1, *[1] * (weights.ndim - 1))
    shown = 127.5 + 127.5 * weights / np.maximum(largest, np.finfo(np.float32).tiny)
    tiles: UInt8[np.ndarray, "units ..."] = np.rint(shown).astype(np.uint8)
    return tiles


def _of_colours(weights: Float[np.ndarray, "units ..."]) -> Float[np.ndarray, "units ..."]:
    """(units, height, width) for grey, or (units, height, width, 3)."""
    if weights.ndim == 3:
        return weights
    colours = weights[..., :-1] if weights.shape[3] in {2, 4} else weights
    return colours[..., 0] if colours.shape[3] == 1 else colours


def filter_figure(weights: Float[np.ndarray, "units height width *colour"], units: int) -> bytes:
    """Filters as images, as a PNG.

    Args:
        weights: the filters that are shown.
        units: how many the layer has.
    """
    title = f"Filters of the first layer: the {len(weights)} of {units} units with the largest weights"
    scale = "each filter by itself: grey is 0, white positive, black negative"
    return draw_sheet(title, [[Tiles(scale, filter_tiles(weights), _COLUMNS, side=_SMALL)]])


def weight_map_figure(weights: Float[np.ndarray, "units features"], names: Sequence[str], units: int) -> bytes:
    """The weights of vectors' filters as a heat map, one column a unit, as a PNG.

    Args:
        weights: of the units that are shown, for scaled features.
        names: of the features.
        units: how many the layer has.
    """
    return as_png(weight_map_drawing(weights, names, units))


def weight_map_drawing(weights: Float[np.ndarray, "units features"], names: Sequence[str], units: int) -> Figure:
    """What `weight_map_figure` shows, before it is pixels."""
    features = weights.shape[1]
    tall = float(np.clip(0.17 * features + 1.4, 2.6, 11))
    figure = Figure(figsize=(8, tall), dpi=DPI, layout="constrained")
    axis = figure.subplots()
    bound = float(np.abs(weights).max()) or 1.0
    drawn = axis.imshow(weights.T, aspect="auto", cmap="RdBu_r", vmin=-bound, vmax=bound, interpolation="none")
    if features <= _NAMED_COLUMNS:
        axis.set_yticks(range(features), [legible(name, 20) for name in names], fontsize=6, parse_math=False)
    else:
        axis.set_ylabel("feature", fontsize=7)
    axis.set_xlabel("unit, by the size of its weights", fontsize=7)
    axis.tick_params(labelsize=6)
    bar = figure.colorbar(drawn, ax=axis)
    bar.set_label("weight (scaled units)", fontsize=7)
    bar.ax.tick_params(labelsize=6)
    axis.set_title(
        f"Weights of the first layer: the {len(weights)} of {units} units with the largest",
        loc="left",
        fontsize=8.5,
        weight="bold",
    )
    return figure


def filters_by_level_figure(
    weights: Mapping[float, Float[np.ndarray, "units height width *colour"]],
    neurons: Mapping[float, Float[np.ndarray, "two height width *colour"]],
    trained_on: str,
) -> bytes:
    """The same units after training at several corruption levels, and two of them enlarged, as a PNG.

    Args:
        weights: by corruption level, the same units in the same order; a height of 1 is a vector.
        neurons: likewise, two units that are shown as Neuron A and Neuron B.
        trained_on: what the units learned from, such as `10,000 training rows`.

    Source: Vincent et al. 2008, figure 3.
    """
    levels = sorted(weights)
    panels = [
        Tiles(f"{level:.0%} of the inputs masked", filter_tiles(weights[level]), _COLUMNS, side=_SMALL)
        for level in levels
    ]
    captions = tuple(f"{level:.0%}" for level in levels)
    pair = [
        Tiles(
            f"Neuron {name}",
            filter_tiles(np.stack([neurons[level][unit] for level in levels])),
            len(levels),
            captions=captions,
            side=_LARGE,
        )
        for unit, name in enumerate("AB")
    ]
    title = f"The same units at four corruption levels, from the same initial weights ({trained_on})"
    return draw_sheet(title, [*laid_out(panels, across=False), *laid_out(pair, across=True)])
