"""A dataset on disk, opened."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from flows.steps.datasets.record import RECORD_FILE, SPLITS, DatasetRecord, Split
from flows.steps.errors import DatasetError
from service.release.integrity import sha256_of


@dataclass(frozen=True)
class Dataset:
    """A prepared dataset.

    `reused` says that nothing was decoded, as nothing had changed; `notes` are lines for the user, such as
    which dataset `auto` settled on and why.
    """

    folder: Path
    record: DatasetRecord
    reused: bool = False
    notes: tuple[str, ...] = ()

    def rows(self, split: Split) -> NDArray[Any]:
        """The rows of one split, (n, *record.shape), in the data's own units and `record.dtype`.

        Memory-mapped and copy-on-write: nothing is read until it is looked at, and writing changes no file.

        Raises:
            DatasetError: the file is missing, truncated, or holds something else than the record says.
        """
        shape = (self.record.rows[split], *self.record.shape)
        return _map(self.folder / f"{split}.npy", shape, np.dtype(self.record.dtype))

    def labels(self, split: Split) -> NDArray[np.int64] | None:
        """The labels of one split, (n,) int64 indices into `record.label_names`; None without labels.

        Raises:
            DatasetError: as for `rows`.
        """
        if self.record.label_names is None:
            return None
        return _map(self.folder / f"labels_{split}.npy", (self.record.rows[split],), np.dtype(np.int64))


def open_dataset(folder: Path, *, verify: bool = False) -> Dataset:
    """Open a prepared dataset, checking that every file has the size and shape that its record states.

    Arguments:
        folder: where `dataset.json` lies.
        verify: also hash every file, which reads all of it.

    Raises:
        DatasetError: there is no dataset, or a file of it is missing, truncated or changed; it is named.
    """
    record = _read_record(folder / RECORD_FILE)
    for name, stated in record.files.items():
        path = folder / name
        if not path.is_file():
            raise DatasetError(f"{path}: missing; run prepare again")
        size = path.stat().st_size
        if size != stated.size:
            fault = "truncated" if size < stated.size else "too long"
            raise DatasetError(f"{path}: {fault}: {size:,} bytes, expected {stated.size:,}; run prepare again")
        if verify and (found := sha256_of(path)) != stated.sha256:
            raise DatasetError(f"{path}: changed: sha256 {found}, expected {stated.sha256}; run prepare again")
    dataset = Dataset(folder, record)
    for split in SPLITS:
        dataset.rows(split)
        dataset.labels(split)
    return dataset


def _read_record(path: Path) -> DatasetRecord:
    try:
        record = DatasetRecord.model_validate_json(path.read_bytes())
    except OSError as error:
        raise DatasetError(f"{path.parent}: no dataset here ({error.strerror}); run prepare") from error
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(str(part) for part in first["loc"]) or "the file"
        raise DatasetError(f"{path}: {place}: {first['msg']}; run prepare again") from error
    expected = {f"{split}.npy" for split in SPLITS}
    if record.label_names is not None:
        expected |= {f"labels_{split}.npy" for split in SPLITS}
    if set(record.files) != expected or set(record.rows) != set(SPLITS):
        raise DatasetError(f"{path}: it does not list each split once; run prepare again")
    return record


def _map(path: Path, shape: tuple[int, ...], dtype: np.dtype[Any]) -> NDArray[Any]:
    try:
        array: NDArray[Any] = np.load(path, mmap_mode="c", allow_pickle=False)
    except OSError as error:
        raise DatasetError(f"{path}: {error.strerror or error}; run prepare again") from error
    except (ValueError, EOFError) as error:
        raise DatasetError(f"{path}: not a whole .npy file; run prepare again") from error
    if array.shape != shape or array.dtype != dtype:
        raise DatasetError(f"{path}: holds {array.dtype} {array.shape}, expected {dtype} {shape}; run prepare again")
    return array
