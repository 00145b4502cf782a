"""New rows against what the champion recorded, before anything is learned from them.

`limits` says what may move and how far, `news` finds out which rows are new, `schema` compares what a row is, `shares`
counts, `drift` asks the champion itself, `report` is what a person reads, `checking` goes through all.
"""

from flows.steps.checks.checking import check_data, demand_unmoved
from flows.steps.checks.limits import DataChecks, load_checks
from flows.steps.checks.report import DataReport, Finding

__all__ = ["DataChecks", "DataReport", "Finding", "check_data", "demand_unmoved", "load_checks"]
