"""What a manifest states of the gate: how the release compared with the champion of its day, and what came of it."""

from __future__ import annotations

from typing import Literal

from pydantic import Field

from service.release.part import Part

Outcome = Literal["better", "same", "worse"]


class Comparison(Part):
    """One measure of candidate and champion, on the same rows or in the same rounds."""

    name: str
    unit: str
    better: Literal["lower", "higher"]
    candidate: float
    champion: float
    gain: float = Field(description="how much better the candidate is, as a share of the champion's; below 0: worse")
    interval: tuple[float, float] = Field(description="(low, high) around the gain")
    confidence: float = Field(gt=0, lt=1, description="how sure the interval is")
    allowed: float = Field(ge=0, description="how much worse it may be, as a share of the champion's")
    outcome: Outcome
    rows: int = Field(description="rows, or rounds of timing, that were compared")
    method: str = Field(description="how the figures and the interval were found, for people")


class Verdict(Part):
    """Whether a candidate may take the champion's place."""

    passed: bool
    champion: str | None = Field(description="the release it was compared with; None: there was none")
    reasons: tuple[str, ...] = Field(min_length=1, description="why it passed, or each reason why it did not")
    comparisons: tuple[Comparison, ...] = ()
    split: str | None = Field(default=None, description="which rows were compared, and their fingerprint")
