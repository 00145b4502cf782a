"""Which reader a source string means."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

from flows.steps.datasets.arrays import ArraySource
from flows.steps.datasets.digits import DigitsSource
from flows.steps.datasets.images import ImageFolderSource, is_image
from flows.steps.datasets.mnist import MnistSource, PublicName, fetch_mnist, lies_in
from flows.steps.datasets.source import Progress, Source
from flows.steps.datasets.tables import TableSource, is_table
from flows.steps.errors import SourceError

_PUBLIC: dict[str, PublicName] = {"mnist": "MNIST", "fashion-mnist": "FashionMNIST"}
_NAMES = {"auto", "digits", *_PUBLIC}
_EXPECTED = (
    "auto, mnist, fashion-mnist, digits, a folder of images, a .npy, .npz, .parquet or .csv file, "
    "or a folder of .parquet or .csv parts"
)


@dataclass(frozen=True)
class Chosen:
    """A reader, and what the user should hear about the choice."""

    source: Source
    notes: tuple[str, ...] = ()


def choose_source(source: str, data_folder: Path, label_column: str | None, on_progress: Progress) -> Chosen:
    """Find the reader for a source string; the four names win over files that are called like them.

    A public dataset that is not in `data_folder` is downloaded into it; `auto` settles for the bundled digits
    where that cannot be done.

    Raises:
        SourceError: nothing is there, it is of a kind that is not read, or a public dataset cannot be had.
    """
    chosen = _named_or_path(source, data_folder, label_column, on_progress)
    _demand_table_for_column(source, chosen.source, label_column)
    return chosen


def demand_source(source: str, label_column: str | None) -> None:
    """Refuse what cannot be a source, with nothing of its content read and nothing downloaded.

    Args:
        source: as for `choose_source`.
        label_column: likewise.

    Raises:
        SourceError: nothing is there, it is of a kind that is not read, or it is no table and has a label column.
    """
    _demand_table_for_column(source, source_at(source, label_column), label_column)


def source_at(source: str, label_column: str | None) -> Source | None:
    """The reader of a path, with nothing of its content read; None for the four names, which always have labels.

    Raises:
        SourceError: nothing is there, or it is of a kind that is not read.
    """
    return None if source in _NAMES else _from_path(source, label_column)


def _demand_table_for_column(source: str, reader: Source | None, label_column: str | None) -> None:
    if label_column is not None and not isinstance(reader, TableSource):
        raise SourceError(f"label_column: {label_column!r} was given, and {source!r} is no table, expected none")


def _named_or_path(source: str, data_folder: Path, label_column: str | None, on_progress: Progress) -> Chosen:
    if source == "digits":
        return Chosen(DigitsSource())
    if source in _PUBLIC:
        fetch_mnist(_PUBLIC[source], data_folder, on_progress)
        return Chosen(MnistSource(_PUBLIC[source], data_folder))
    if source == "auto":
        return _automatic(data_folder, on_progress)
    return Chosen(_from_path(source, label_column))


def _automatic(data_folder: Path, on_progress: Progress) -> Chosen:
    if not lies_in(data_folder, "MNIST"):
        try:
            fetch_mnist("MNIST", data_folder, on_progress)
        except SourceError as error:
            note = f"MNIST cannot be had ({error}): the bundled handwritten digits are used instead"
            return Chosen(DigitsSource(), (note,))
    return Chosen(MnistSource("MNIST", data_folder))


def _from_path(source: str, label_column: str | None) -> Source:
    try:
        return _at_path(source, label_column)
    except OSError as error:
        # No permission, a network folder that has gone stale, a name that is too long.
        raise SourceError(f"source: {source!r} cannot be read: {error.strerror or error}") from error
    except RuntimeError as error:
        # ~somebody whom this machine does not know.
        raise SourceError(f"source: {source!r} cannot be read: {error}") from error


def _at_path(source: str, label_column: str | None) -> Source:
    path = Path(source).expanduser()
    if not source or not path.exists():
        raise SourceError(f"source: {source!r} is neither there nor a known name, expected {_EXPECTED}")
    if path.is_dir():
        return _from_folder(source, path, label_column)
    if path.is_file() and path.suffix.lower() in {".npy", ".npz"}:
        return ArraySource(source, path)
    if path.is_file() and is_table(path):
        return TableSource(source, [path], label_column)
    raise SourceError(f"source: {source!r} is of a kind that is not read, expected {_EXPECTED}")


def _from_folder(source: str, folder: Path, label_column: str | None) -> Source:
    files = _files_below(source, folder)
    tables = [path for path in files if is_table(path)]
    images = [path for path in files if is_image(path)]
    if tables and images:
        raise SourceError(
            f"source: {source!r} holds both images ({images[0].name}) and tables ({tables[0].name}), expected one kind"
        )
    if tables and len({path.suffix.lower() for path in tables}) > 1:
        raise SourceError(f"source: {source!r} holds both .parquet and .csv parts, expected one kind")
    if tables:
        return TableSource(source, tables, label_column)
    return ImageFolderSource(source, folder, images)


def _files_below(source: str, folder: Path) -> list[Path]:
    """Files below a folder in a fixed order, without hidden ones: those are other programs' notes."""

    def refuse(error: OSError) -> None:
        raise SourceError(f"source: {source!r} cannot be read: {error.filename}: {error.strerror}") from error

    found: list[Path] = []
    for parent, folders, names in os.walk(folder, onerror=refuse):
        folders[:] = [name for name in folders if not name.startswith((".", "__"))]
        found.extend(Path(parent, name) for name in names if not name.startswith("."))
    # A pipe or a socket would be waited for without end; a dangling link is kept, to be reported.
    return sorted(path for path in found if path.is_file() or not path.exists())
