"""Figures of a release, each with its split, its number of rows and its interval; docs/measures.md lists them.

`networks` opens the exported graphs, `subject` is what is measured, `figures` states a figure; `reconstruction`,
`labels`, `neighbourhoods`, `encoder` and `samples` measure; `measuring` goes through all of them.
"""

from flows.steps.evaluation.measuring import evaluate, measured
from flows.steps.evaluation.networks import Networks
from flows.steps.evaluation.subject import Subject, sample_indices, sample_rows

__all__ = ["Networks", "Subject", "evaluate", "measured", "sample_indices", "sample_rows"]
