"""The gate: candidate against champion, on the same rows, and whether the one may take the other's place.

`quality` measures both on held-out rows, `cost` times and weighs them, `rules` decides, `judging` goes through all.
"""

from flows.steps.gate.judging import judge

__all__ = ["judge"]
