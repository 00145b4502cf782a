"""Drift: whether the rows that the service sees still come from where the release's rows came from.

`reference` puts into a release what its rows look like together, `comparing` tests two sketches, `finding` reads what
the service has seen and decides, `changes` and `picture` show what today's data are more of, `telling` words it.
"""

from flows.steps.drift.finding import Drift, find_drift

__all__ = ["Drift", "find_drift"]
