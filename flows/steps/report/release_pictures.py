"""The pictures that a release alone gives: from its graphs, its weights and its reference rows."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
from jaxtyping import Bool

from flows.steps.figures import (
    filter_figure,
    generation_figure,
    legible,
    map_figure,
    neighbour_figure,
    reconstruction_figure,
    straight_line_figure,
    weight_map_figure,
)
from flows.steps.report.choosing import nearest, neighbours_of, one_of_each_label, pairs_of_rows, strongest
from flows.steps.report.new_rows import how_samples_are_drawn, new_rows, samples_of
from flows.steps.report.picture import Entry, Picture, Skipped
from flows.steps.report.release_data import ReleaseData
from models.measures.intervals import share_interval
from service.release.manifest import Input, Manifest

_FILTERS, _HEAT_UNITS = 128, 40
_QUERIES, _NEIGHBOURS = 10, 5
_PAIRS, _STEPS = 3, 11
_NEW = 16
_STRIP_QUERIES, _STRIP_NEIGHBOURS = 4, 4


def release_pictures(folder: Path, manifest: Manifest) -> Iterator[Entry]:
    """All pictures that need nothing but the release, in the order of the report.

    Args:
        folder: of the release, or of a complete draft.
        manifest: its own.

    Raises:
        ModelError: a graph cannot be loaded, or fails.
    """
    release = ReleaseData.load(folder, manifest)
    draw: tuple[Callable[[ReleaseData], Entry], ...] = (
        _reconstructions,
        _filters,
        _map,
        _neighbours,
        _lines,
        _generation,
    )
    for picture in draw:
        yield picture(release)


def _reconstructions(release: ReleaseData) -> Picture:
    originals = np.load(release.folder / "golden" / "x.npy")
    rebuilt = release.runtime.reconstruct(originals)
    samples, drawn = samples_of(release, len(originals)), how_samples_are_drawn(release)
    png = reconstruction_figure(release.tiles(originals), release.tiles(rebuilt), release.tiles(samples), "test", drawn)
    size = release.manifest.code.size
    features = math.prod(release.manifest.input.shape)
    return Picture(
        "reconstructions",
        "Reconstructions",
        png,
        f"{len(originals)} test rows, below them their reconstructions, below these as many new samples, {drawn}.",
        f"{len(originals)} test rows, which were not learned from, go through {size} numbers each and come back as "
        f"{features:,}. What is lost there is what the code does not keep. (Split: test, n = {len(originals)}.)",
        "Hinton & Salakhutdinov 2006, figure 2",
    )


def _filters(release: ReleaseData) -> Entry:
    weight = release.first_weight()
    if weight is None:
        return Skipped("Filters", "The release's weights hold no first layer that could be drawn.")
    units, shape = len(weight), release.manifest.input.shape
    source = "Vincent et al. 2008, figure 3"
    if not release.look.is_image:
        chosen = strongest(weight, _HEAT_UNITS)
        names = release.manifest.input.columns or tuple(str(number) for number in range(1, shape[0] + 1))
        return Picture(
            "filters",
            "Weights of the first layer",
            weight_map_figure(weight[chosen], names, units),
            f"Heat map of the weights of {len(chosen)} first-layer units over {shape[0]} features.",
            f"One column a unit, one row a feature: which features a unit adds and which it subtracts. The "
            f"{len(chosen)} of {units} units with the largest weights, in scaled units.",
            source,
        )
    kernels = weight.ndim == 4
    chosen = strongest(weight, _FILTERS)
    # (units, channels, height, width) -> channels last
    images = np.moveaxis(weight[chosen], 1, -1) if kernels else weight[chosen].reshape(-1, *shape)
    sort = "convolution kernels" if kernels else "filters"
    return Picture(
        "filters",
        "Filters of the first layer",
        filter_figure(images, units),
        f"{len(chosen)} {sort} of the first layer as small images.",
        f"The {sort} of the {len(chosen)} of {units} units with the largest weights, each scaled by itself. A unit "
        "that has learned looks for a stroke, an edge or a blob; one that has not looks like noise.",
        source,
    )


def _map(release: ReleaseData) -> Picture:
    total = float(release.codes.astype(np.float64).var(0).sum())
    share = float(release.points.astype(np.float64).var(0).sum()) / total if total else 1.0
    size, rows = release.manifest.code.size, len(release.points)
    plane = "the code itself" if release.manifest.reference.map == "code" else "the codes' principal plane"
    title = f"Map of {rows:,} training rows: {plane}, {share:.0%} of the variance of {size} code units"
    names = release.manifest.data.label_names
    tiles = release.tiles(release.rows) if release.look.is_image else None
    coloured = "coloured by label" if release.labels is not None else "without labels"
    return Picture(
        "map",
        "The manifold in two dimensions",
        map_figure(release.points, release.labels, names, tiles, title),
        f"Scatter of {rows} codes in two dimensions, {coloured}.",
        "Rows that are alike lie together"
        + ("; labels were not used to learn, and still form regions. " if release.labels is not None else ". ")
        + f"Two dimensions show {share:.0%} of the codes' variance: what overlaps here may be apart in the code. "
        f"(Split: training, n = {rows:,}.)",
        "Hinton & Salakhutdinov 2006, figure 3",
    )


def _neighbours(release: ReleaseData) -> Picture:
    rows = len(release.rows)
    most, k = (_QUERIES, _NEIGHBOURS) if release.look.is_image else (_STRIP_QUERIES, _STRIP_NEIGHBOURS)
    query = one_of_each_label(release.labels, rows, most, release.manifest.seed)
    inputs, names = release.scaled(), release.names
    found = neighbours_of(inputs, release.codes, query, k)
    caption = f"Each query's {k} nearest rows, by distance in {release.what} and by distance in the code. "
    if release.labels is not None:
        everyone = np.arange(rows)
        right = {
            space: share_in_words(release.labels[nearest(points, everyone, 1)[:, 0]] == release.labels)
            for space, points in (("inputs", inputs), ("code", release.codes))
        }
        caption += (
            f"Over all {rows:,} rows the nearest other row has the same label for {right['inputs']} in "
            f"{release.what} and {right['code']} in the code (95 % intervals). "
        )
    # More labels than places: one each of some.
    each = "each of another label" if names and len(set(names)) > len(query) else "one of each label"
    return Picture(
        "neighbours",
        f"Neighbours in {release.what} beside neighbours in the code",
        neighbour_figure(release.tiles(release.rows), names, found, release.what, "training"),
        f"{len(query)} rows, each with its {k} nearest rows in {release.what} and in the code.",
        f"{caption}Queries are drawn by seed{f', {each}' if names else ''}. (Split: training, n = {rows:,}.)",
        "Hinton & Salakhutdinov 2006, nearest neighbours in a 30-unit code",
    )


def _lines(release: ReleaseData) -> Picture:
    pairs = pairs_of_rows(release.labels, len(release.rows), _PAIRS, release.manifest.seed)
    names, share = release.names, np.linspace(0, 1, _STEPS, dtype=np.float32)
    straight, decoded, titles = [], [], []
    for number, (first, last) in enumerate(pairs, start=1):
        straight.append(release.tiles(_between(release.rows[first], release.rows[last], share)))
        decoded.append(
            release.tiles(release.runtime.decode(_between(release.codes[first], release.codes[last], share)))
        )
        titles.append(
            f"pair {number}" if names is None else f"{legible(names[first], 20)} to {legible(names[last], 20)}"
        )
    return Picture(
        "lines",
        f"A straight line in {release.what}, and in the code",
        straight_line_figure(straight, decoded, titles, release.what, "training"),
        f"{len(pairs)} pairs of rows; for each {_STEPS} steps between them in {release.what}, and in the code.",
        f"A straight line in {release.what} fades one row over the other and leaves the data on its way. The straight "
        "line in the code, decoded, should pass through rows that could be real; its ends are the reconstructions. "
        f"Pairs are drawn by seed. (Split: training, n = {len(pairs)} pairs.)",
        "Bengio et al. 2013 (Better mixing via deep representations), interpolation in the code",
    )


def _generation(release: ReleaseData) -> Picture:
    manifest, made, drawn = release.manifest, new_rows(release, _NEW), how_samples_are_drawn(release)
    many = (
        images_there_are(manifest.input)
        if release.look.is_image
        else f"Of the box that {manifest.input.shape[0]} features span, the rows fill next to nothing"
    )
    noise, decoded, samples = (release.tiles(rows) for rows in (made.noise, made.decoded, made.samples))
    return Picture(
        "generation",
        f"Random {release.what}, random codes, samples",
        generation_figure(noise, decoded, samples, release.what, drawn),
        f"{_NEW} rows of random {release.what}, {_NEW} random codes decoded, and {_NEW} samples, {drawn}.",
        f"{many}: a random one is noise. Random codes, uniform within the training codes' range, are nearer to the "
        f"data and still miss it: an autoencoder has no prior. Samples are drawn {drawn}. "
        f"(n = {_NEW} each, seed {manifest.seed}.)",
        "Lee 2017 (All about autoencoders), the manifold hypothesis; Ghosh et al. 2020",
    )


def _between(first: np.ndarray, last: np.ndarray, share: np.ndarray) -> np.ndarray:
    steps = share.reshape(-1, *[1] * first.ndim)
    line: np.ndarray = ((1 - steps) * first + steps * last).astype(np.float32)
    return line


def images_there_are(stated: Input) -> str:
    """How many different images of this shape and number type there are, in words."""
    if not stated.stored_dtype.startswith("uint"):
        return f"An image is a point in {math.prod(stated.shape):,} dimensions, and the rows fill next to nothing of it"
    levels = round(stated.maximum - stated.minimum) + 1
    count = math.prod(stated.shape) * math.log10(levels)
    each = "pixel" if len(stated.shape) == 2 else "channel of a pixel"
    return f"There are 10^{count:,.0f} such images of {levels:,} levels a {each}"


def share_in_words(hits: Bool[np.ndarray, " rows"]) -> str:
    """The share of rows with a hit, and its 95 % interval."""
    found = share_interval(int(hits.sum()), len(hits))
    return "" if found is None else f"{hits.mean():.1%} ({found.low:.1%} to {found.high:.1%})"
