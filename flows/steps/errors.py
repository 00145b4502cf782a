"""What can go wrong in a flow, as one tree. A message is a line: which field, what came, what is expected.

FlowError
├── SettingError            a variable of the environment holds what it cannot hold
├── MovedDataError          new data is not like what the champion learned from; carries the report
├── LabelsMissingError      a recipe learns from labels that the data does not have
├── DriftError              there is nothing that drift could be looked for in
├── ReportError             a report cannot be written where it was asked for
└── DatasetError            a dataset on disk is missing, truncated, changed, or cannot be written
    ├── SourceError         what was named as the source cannot be read as one
    │   └── DownloadError   a mirror answered and then failed: trying again may help
    └── BadDataError        the source was read, and its rows cannot be trained on; carries the report
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from flows.steps.checks.report import DataReport
    from flows.steps.validation import ValidationReport


class FlowError(Exception):
    """The root: whatever a flow or one of its steps refuses to do, with the reason as its text."""


class DatasetError(FlowError):
    """A dataset on disk is missing, truncated, changed, or could not be written."""


class SourceError(DatasetError):
    """The source does not exist, is truncated, or is of a kind that is not read."""


class SettingError(FlowError):
    """A variable of the environment holds what it cannot hold."""


class LabelsMissingError(FlowError):
    """A recipe learns from labels, and the data has none, or only one."""


class DriftError(FlowError):
    """Drift cannot be looked for: no champion, or one of before that keeps nothing to compare with."""


class MovedDataError(FlowError):
    """New data is not like what the champion learned from; `report` lists every check. Nothing was trained."""

    def __init__(self, report: DataReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return (
            f"{self.report.as_text()}\nnothing was trained, and the champion stays; if this is how the data is from "
            "now on: --accept-moved-data, or another limit by --check"
        )


class ReportError(FlowError):
    """The folder for a report holds something else, or cannot be written."""


class DownloadError(SourceError):
    """A public dataset could not be fetched although something answered."""


class BadDataError(DatasetError):
    """The data has problems that must be mended or dropped before training; `report` lists all of them."""

    def __init__(self, report: ValidationReport) -> None:
        super().__init__(report)
        self.report = report

    def __str__(self) -> str:
        return self.report.as_text()
