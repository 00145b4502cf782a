"""What the checks found, as a person reads it: one aligned table, or Prefect's."""

from __future__ import annotations

from dataclasses import dataclass, field

from flows.steps.validation import shortened

_HEADINGS = ("CHECK", "CAME", "EXPECTED", "FOR INSTANCE", "WHAT TO DO")
_EXAMPLES = 3


@dataclass(frozen=True)
class Finding:
    """One check: what came, what was expected, and whether it holds; `remedy` says what to do where it does not."""

    check: str
    holds: bool
    came: str
    expected: str
    remedy: str
    examples: tuple[str, ...] = ()

    @property
    def for_instance(self) -> str:
        """The first examples, shortened, with dots where there are more."""
        shown = ", ".join(shortened(example) for example in self.examples[:_EXAMPLES])
        return f"{shown}, …" if len(self.examples) > _EXAMPLES else shown


@dataclass(frozen=True)
class DataReport:
    """All checks of one source against one champion.

    rows: which rows were looked at, in words. notes: what could not be checked, and why.
    """

    source: str
    champion: str
    rows: str
    findings: tuple[Finding, ...]
    notes: tuple[str, ...] = field(default=())

    @property
    def moved(self) -> tuple[Finding, ...]:
        """The checks that do not hold."""
        return tuple(finding for finding in self.findings if not finding.holds)

    def as_text(self) -> str:
        """What does not hold, as one aligned plain-text table, ready for a terminal or a log."""
        held = f"{self.source} against release {self.champion} ({self.rows})"
        if not self.findings:
            return "\n".join([f"{held}: nothing was checked", *self.notes])
        if not self.moved:
            return "\n".join([f"{held}: all {len(self.findings)} checks hold", *self.notes])
        table = [_HEADINGS, *(_cells(finding) for finding in self.moved)]
        widths = [max(len(cells[column]) for cells in table) for column in range(4)]
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[4]])
            for cells in table
        ]
        many = f"{len(self.moved)} of {len(self.findings)} checks {'does' if len(self.moved) == 1 else 'do'} not hold"
        return "\n".join([f"{held}: the data has moved, {many}", *lines, *self.notes])

    def as_markdown(self) -> str:
        """Every check, as Prefect's page shows it."""
        outcome = "The data has moved" if self.moved else "All checks hold" if self.findings else "Nothing was checked"
        rows = [
            f"| {' | '.join(_escaped(cell) for cell in ('holds' if f.holds else '**does not hold**', *_cells(f)))} |"
            for f in self.findings
        ]
        return "\n".join(
            [
                f"# {outcome}: {_escaped(self.source)}",
                "",
                f"Against release {self.champion}; {self.rows}.",
                "",
                f"| | {' | '.join(heading.lower() for heading in _HEADINGS)} |",
                "|" + "---|" * (len(_HEADINGS) + 1),
                *rows,
                *(f"\n{_escaped(note)}." for note in self.notes),
            ]
        )


def _cells(finding: Finding) -> tuple[str, ...]:
    return finding.check, finding.came, finding.expected, finding.for_instance, "" if finding.holds else finding.remedy


def _escaped(cell: str) -> str:
    return cell.replace("|", "\\|").replace("<", "&lt;")
