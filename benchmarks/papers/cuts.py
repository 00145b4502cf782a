"""The rows that each number is measured on: MNIST as Vincent et al. 2010 cut it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from flows.steps.datasets import Dataset, PrepareSettings, Split, open_dataset, prepare_dataset
from flows.steps.datasets.record import RECORD_FILE, SPLITS, FileRecord
from service.release.atomic import folder_in_one_step
from service.release.integrity import sha256_of

Cut = Literal["full", "most", "basic", "small"]

# "basic" of Larochelle et al. 2007 is 10,000 / 2,000 / 50,000 of MNIST's 70,000; which ones is not told, so these
# are drawn once. "small" is for --quick.
_SIZES: dict[Cut, dict[Split, int]] = {
    "basic": {"train": 10_000, "validation": 2_000, "test": 50_000},
    "small": {"train": 5_000, "validation": 1_000, "test": 5_000},
}
_CUT_SEED = 2010
TEST_ROWS: dict[Cut, int] = {"full": 10_000, "most": 10_000, **{cut: sizes["test"] for cut, sizes in _SIZES.items()}}


def open_cut(cut: Cut, home: Path, data_folder: Path) -> Dataset:
    """The dataset of a cut, prepared on first use.

    full: 50,000 / 10,000 / 10,000, the official test images; most: 57,000 / 3,000 / 10,000, the same test images.
    basic: 10,000 / 2,000 / 50,000 of all 70,000.

    Raises:
        SourceError: MNIST is not in `data_folder` and cannot be downloaded.
    """
    settings = PrepareSettings(validation_fraction=1 / 20 if cut == "most" else 1 / 6)
    full = prepare_dataset("mnist", home=home, data_folder=data_folder, settings=settings)
    if cut in {"full", "most"}:
        return full
    folder = home / "datasets" / f"{full.record.fingerprint}-{cut}"
    if not folder.is_dir():
        with folder_in_one_step(folder) as draft:
            _write_cut(full, _SIZES[cut], folder.name, draft)
    return open_dataset(folder)


def _write_cut(full: Dataset, sizes: dict[Split, int], fingerprint: str, draft: Path) -> None:
    rows = np.concatenate([full.rows(split) for split in SPLITS])
    labels = np.concatenate([found for split in SPLITS if (found := full.labels(split)) is not None])
    drawn = np.random.default_rng(_CUT_SEED).permutation(len(rows))
    files: dict[str, FileRecord] = {}
    start = 0
    for split, size in sizes.items():
        chosen = np.sort(drawn[start : start + size])
        start += size
        for name, array in ((f"{split}.npy", rows), (f"labels_{split}.npy", labels)):
            np.save(draft / name, array[chosen])
            files[name] = FileRecord(size=(draft / name).stat().st_size, sha256=sha256_of(draft / name))
    record = full.record.model_copy(update={"rows": sizes, "files": files, "fingerprint": fingerprint})
    (draft / RECORD_FILE).write_text(record.model_dump_json(indent=2) + "\n", encoding="utf-8")
