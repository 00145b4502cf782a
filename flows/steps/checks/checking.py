"""All checks of a prepared dataset against the champion."""

from __future__ import annotations

import math

from flows.steps.checks.drift import drift_findings
from flows.steps.checks.limits import DataChecks
from flows.steps.checks.news import news_of
from flows.steps.checks.report import DataReport, Finding
from flows.steps.checks.schema import label_findings, rows_finding, schema_findings
from flows.steps.checks.shares import copies_finding, dropped_finding, outside_finding
from flows.steps.datasets import Dataset
from flows.steps.errors import MovedDataError
from service.release.channels import Channels
from service.release.errors import ReleaseError
from service.release.home import Home
from service.release.integrity import verify_release
from service.release.store import ReleaseStore
from service.runtime import ModelError, Runtime

_MOST_ROWS = 2_000
# Numbers of the sample in memory: 128 MiB of float32.
_MOST_ENTRIES = 2**25


def check_data(dataset: Dataset, home: Home, checks: DataChecks) -> DataReport | None:
    """Compare a dataset with what the champion of a home recorded.

    Nothing is trained or changed. Where rows are of another kind than the champion's, only what can be compared is.

    Args:
        dataset: prepared; what would be learned from.
        home: whose champion is asked.
        checks: the limits.

    Returns:
        None where there is no champion, or it learned from exactly this data.

    Raises:
        ChannelError: the channels cannot be read.
    """
    champion, record = Channels(home).read().champion, dataset.record
    if champion is None:
        return None
    try:
        folder = ReleaseStore(home).folder(champion)
        manifest = verify_release(folder)
        if manifest.data.fingerprint == record.fingerprint:
            return None
        runtime = Runtime.load(folder, manifest, device="cpu")
    except (ReleaseError, ModelError) as error:
        # One that cannot be served is no reason to stay without a model.
        return DataReport(record.source, champion, "no rows", (), (f"the champion cannot be served: {error}",))
    findings: list[Finding] = list(schema_findings(manifest, record))
    same_rows = all(finding.holds for finding in findings)
    findings += [*label_findings(manifest, record, checks), rows_finding(manifest, record, checks)]
    if not same_rows:
        unlike = ("the rows themselves cannot be compared with the champion's",)
        return DataReport(record.source, champion, "what a row is", tuple(findings), unlike)
    news = news_of(dataset, home.root, manifest.data.fingerprint)
    findings += [dropped_finding(manifest, record, news, checks), *copies_finding(news, checks)]
    notes: tuple[str, ...] = ()
    if news.count:
        rows = news.sample(dataset, max(1, min(_MOST_ROWS, _MOST_ENTRIES // math.prod(record.shape))))
        findings.append(outside_finding(manifest, record, news, rows, checks))
        try:
            drift = list(drift_findings(runtime, rows, checks))
        except ModelError as error:
            drift = [f"drift was not looked for: {error}"]
        findings += [found for found in drift if isinstance(found, Finding)]
        notes = tuple(found for found in drift if isinstance(found, str))
    return DataReport(record.source, champion, news.words, tuple(findings), notes)


def demand_unmoved(report: DataReport, checks: DataChecks) -> None:
    """Stop where a check does not hold, unless moved data is accepted.

    Raises:
        MovedDataError: so it is.
    """
    if report.moved and not checks.accept:
        raise MovedDataError(report)
