"""Pictures: each function takes arrays and gives a PNG. No files, no release, no training.

look ── rows as tiles ──> tiles ── panels on a canvas ──> sheet ──> png
                          filters, reconstructions, neighbours, straight_lines, generation draw sheets;
                          manifold_map, curves, spectra draw axes
"""

from flows.steps.figures.curves import Curve, Panel, Point, curve_figure
from flows.steps.figures.filters import filter_figure, filters_by_level_figure, weight_map_figure
from flows.steps.figures.generation import generation_figure
from flows.steps.figures.lettering import legible
from flows.steps.figures.look import Look
from flows.steps.figures.manifold_map import map_figure
from flows.steps.figures.neighbours import Neighbours, neighbour_figure
from flows.steps.figures.reconstructions import reconstruction_figure
from flows.steps.figures.spectra import spectrum_figure
from flows.steps.figures.straight_lines import straight_line_figure

__all__ = [
    "Curve",
    "Look",
    "Neighbours",
    "Panel",
    "Point",
    "curve_figure",
    "filter_figure",
    "filters_by_level_figure",
    "generation_figure",
    "legible",
    "map_figure",
    "neighbour_figure",
    "reconstruction_figure",
    "spectrum_figure",
    "straight_line_figure",
    "weight_map_figure",
]
