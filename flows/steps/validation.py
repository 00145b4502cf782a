"""Everything that is wrong with somebody's data, gathered first and told at once, in one table."""

from __future__ import annotations

from dataclasses import dataclass, field

_EXAMPLES = 3
_EXAMPLE_WIDTH = 48


@dataclass(frozen=True)
class ProblemKind:
    """One sort of problem: its name, what is counted, what to do about it, whether --skip-bad may drop it."""

    name: str
    unit: str
    remedy: str
    droppable: bool = True


CORRUPT_IMAGES = ProblemKind("corrupt or unreadable images", "images", "replace or delete them")
MIXED_SIZES = ProblemKind("images of another size", "images", "resize them to the size that most images have")
MIXED_COLOUR = ProblemKind("grey and colour mixed", "images", "convert them to the form that most images have")
MISSING_LABELS = ProblemKind("rows without a label", "rows", "label them, or put each image in a sub-folder")
RAGGED_ROWS = ProblemKind("rows with too many or too few cells", "rows", "mend these lines")
NOT_NUMERIC = ProblemKind(
    "non-numeric columns",
    "columns",
    "encode them as numbers, remove them, or name the labels as label_column",
)
CONSTANT_COLUMNS = ProblemKind(
    "constant columns",
    "columns",
    "remove them; pixels are better given as images: shape (rows, height, width)",
)
NOT_A_NUMBER = ProblemKind("rows with NaN or empty cells", "rows", "fill or remove them")
INFINITE = ProblemKind("rows with infinite values", "rows", "replace them with finite float32 values")
TOO_FEW_ROWS = ProblemKind("too few rows", "good rows", "add data, or lower minimum_rows", droppable=False)
EMPTY_FOLDER = ProblemKind("empty folder", "files", "put images, .parquet or .csv files in it", droppable=False)


@dataclass(frozen=True)
class Problem:
    """One row of the report: what is wrong, how often, where for instance, and what to do."""

    kind: ProblemKind
    count: int
    examples: tuple[str, ...]

    @property
    def how_many(self) -> str:
        """The count with its unit: `1,204 rows`."""
        unit = self.kind.unit.removesuffix("s") if self.count == 1 else self.kind.unit
        return f"{self.count:,} {unit}"

    @property
    def what_to_do(self) -> str:
        """The remedy, and --skip-bad where that would help."""
        return f"{self.kind.remedy}; or --skip-bad drops them" if self.kind.droppable else self.kind.remedy

    @property
    def for_instance(self) -> str:
        """The first examples, shortened, with dots where there are more."""
        shown = ", ".join(self.examples)
        return f"{shown}, …" if self.count > len(self.examples) > 0 else shown


@dataclass(frozen=True)
class ValidationReport:
    """All problems of one source. Nothing is wrong when `problems` is empty."""

    source: str
    problems: tuple[Problem, ...]

    def as_text(self) -> str:
        """The report as one aligned plain-text table, ready for a terminal or a log."""
        if not self.problems:
            return f"{self.source}: no problems found"
        table = [("PROBLEM", "HOW MANY", "FOR INSTANCE", "WHAT TO DO")]
        table += [(p.kind.name, p.how_many, p.for_instance, p.what_to_do) for p in self.problems]
        widths = [max(len(cells[column]) for cells in table) for column in range(3)]
        lines = [
            "  ".join([*(cell.ljust(width) for cell, width in zip(cells, widths, strict=False)), cells[3]])
            for cells in table
        ]
        many = "1 problem" if len(self.problems) == 1 else f"{len(self.problems)} problems"
        return "\n".join([f"{self.source}: cannot be trained on as it is, {many} found", *lines])


@dataclass
class Findings:
    """Where readers and checks write down what they meet; `report` then tells it all together."""

    _examples: dict[ProblemKind, list[str]] = field(default_factory=dict)
    _counts: dict[ProblemKind, int] = field(default_factory=dict)

    def add(self, kind: ProblemKind, *examples: str, count: int | None = None) -> None:
        """Note `count` things of one kind (by default as many as there are examples)."""
        kept = self._examples.setdefault(kind, [])
        kept.extend(shortened(example) for example in examples[: _EXAMPLES - len(kept)])
        self._counts[kind] = self._counts.get(kind, 0) + (len(examples) if count is None else count)

    def problems(self) -> tuple[Problem, ...]:
        """What was found so far, in the order in which it was met."""
        return tuple(Problem(kind, count, tuple(self._examples[kind])) for kind, count in self._counts.items())

    def report(self, source: str) -> ValidationReport:
        """The report of everything that was found in `source`."""
        return ValidationReport(source, self.problems())


def shortened(example: str) -> str:
    """An example as a table may show it: one short printable line."""
    # File names may hold newlines or terminal codes: they must not be able to draw in somebody's table.
    printable = "".join(letter if letter.isprintable() else "?" for letter in example)
    return printable if len(printable) <= _EXAMPLE_WIDTH else "…" + printable[1 - _EXAMPLE_WIDTH :]
