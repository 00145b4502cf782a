"""The order of an epoch's rows, in memory and on disk."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from jaxtyping import Float32

import models.batches
from models.batches import gather, read_ahead, shuffled

ROWS = np.arange(1070 * 25, dtype=np.float32).reshape(1070, 25)  # 100 bytes a row


@pytest.fixture
def large(monkeypatch: pytest.MonkeyPatch) -> None:
    """Rows that count as too many for memory: pieces of 4 rows, windows of 3 pieces."""
    monkeypatch.setattr(models.batches, "_WHOLE_BYTES", 1)
    monkeypatch.setattr(models.batches, "_PIECE_BYTES", 400)
    monkeypatch.setattr(models.batches, "_PIECES", 3)


def order_of(rows: Float32[np.ndarray, "rows features"], seed: int = 1) -> list[int]:
    return [int(row) for row in shuffled(rows, torch.Generator().manual_seed(seed))]


def test_few_rows_come_in_any_order() -> None:
    expected = torch.randperm(1070, generator=torch.Generator().manual_seed(1)).tolist()
    assert order_of(ROWS) == expected


@pytest.mark.usefixtures("large")
def test_many_rows_come_once_each_in_pieces_that_are_read_whole() -> None:
    order = order_of(ROWS)
    assert sorted(order) == list(range(1070))
    pieces = [len({row // 4 for row in order[start : start + 12]}) for start in range(0, 1070 - 12, 12)]
    # The last piece is short: the windows behind it begin within a piece.
    assert max(pieces) <= 4
    assert order != order_of(ROWS, seed=2)
    assert order == order_of(ROWS)


@pytest.mark.usefixtures("large")
def test_rows_on_disk_are_asked_for_once_each_before_they_are_needed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    np.save(tmp_path / "rows.npy", ROWS)
    rows = np.load(tmp_path / "rows.npy", mmap_mode="r")
    order = shuffled(rows, torch.Generator().manual_seed(1))
    asked: list[int] = []
    monkeypatch.setattr(models.batches, "_fetch", lambda _rows, _file, chosen: asked.extend(chosen.tolist()))
    buffer = np.empty((10, 25), dtype=np.float32)
    for start in range(0, len(order), 10):
        read_ahead(rows, order, start, start + 10)
        assert set(order[start : start + 10].tolist()) <= set(asked)
    assert sorted(asked) == list(range(1070))
    monkeypatch.undo()
    chosen = np.sort(order[:10])
    read_ahead(rows, order, 0, 10)
    np.testing.assert_array_equal(gather(rows, chosen, buffer), ROWS[chosen])
