"""Where the rows of a training lie, on its device where they fit, else on the host, and how batches come from there."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple, Protocol, runtime_checkable

import numpy as np
import torch
from jaxtyping import Int64
from torch import Tensor

from models.batches import chunks, gather, places, read_ahead
from models.learning import Examples

# Of the memory that is free on a device once the model lies there; gradients, the optimiser and what a step computes
# need the rest.
_SHARE = 0.5

Order = Int64[np.ndarray, " rows"]


class Batch(NamedTuple):
    """Some rows on the training device, (batch, *shape), and their labels, (batch,), where there are any."""

    x: Tensor
    labels: Tensor | None


@runtime_checkable
class Placed(Protocol):
    """Examples that have a place."""

    def batches(self, order: Order, size: int, first: int = 0) -> Iterator[Batch]:
        """The batches of one epoch from number `first` on; within a batch rows come ascending. A batch may be spoilt
        when the next is asked for."""
        ...

    def in_order(self) -> Iterator[Batch]:
        """All rows, some thousands at a time."""
        ...


def place(examples: Examples, device: torch.device) -> Placed:
    """Examples on a device if that is not the host and they fit there, else batch by batch from where they are.

    Both give the same batches.
    """
    labels = 0 if examples.labels is None else examples.labels.nbytes
    if fits(4 * examples.rows.size + labels, free_bytes(device)):
        return OnDevice(examples, device)
    return OnHost(examples, device)


def fits(needed: int, free: int) -> bool:
    """Whether so many bytes may be kept of so many that are free: at most half of them."""
    return needed <= _SHARE * free


def free_bytes(device: torch.device) -> int:
    """What is free on a device beside the host; 0 where there is none: rows of a CPU are where they are needed."""
    if device.type != "cuda":
        return 0
    free, _ = torch.cuda.mem_get_info(device)
    # Torch keeps what it has freed, and gives it out again.
    return free + torch.cuda.memory_reserved(device) - torch.cuda.memory_allocated(device)


class OnDevice:
    """Examples that were copied to the training device once, and are gathered there."""

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self._rows = torch.empty(examples.rows.shape, device=device)
        for where, chunk in chunks(examples.rows):
            self._rows[where] = torch.from_numpy(chunk).to(device)
        self._labels = None if examples.labels is None else torch.from_numpy(np.array(examples.labels)).to(device)

    def batches(self, order: Order, size: int, first: int = 0) -> Iterator[Batch]:
        # The whole order at once: no step waits for the host.
        starts = range(0, len(order), size)
        ascending = np.concatenate([np.sort(order[start : start + size]) for start in starts])
        every = torch.from_numpy(ascending).to(self._rows.device)
        for start in starts[first:]:
            chosen = every[start : start + size]
            labels = None if self._labels is None else self._labels.index_select(0, chosen)
            yield Batch(self._rows.index_select(0, chosen), labels)

    def in_order(self) -> Iterator[Batch]:
        for where in places(self._rows.shape):
            yield Batch(self._rows[where], None if self._labels is None else self._labels[where])


class OnHost:
    """Examples that stay in memory or on disk; each batch is gathered there, and copied where the device is another."""

    def __init__(self, examples: Examples, device: torch.device) -> None:
        self._examples, self._device = examples, device

    def batches(self, order: Order, size: int, first: int = 0) -> Iterator[Batch]:
        rows = self._examples.rows
        buffers = _buffers((min(size, len(rows)), *rows.shape[1:]), self._device)
        for number in range(first, -(-len(rows) // size)):
            start = number * size
            # Within a batch the order is free; ascending, a file on disk is read forwards.
            chosen = np.sort(order[start : start + size])
            read_ahead(rows, order, start, start + size)
            buffer = buffers[number % len(buffers)]
            gather(rows, chosen, buffer.free())
            yield Batch(buffer.on_device(len(chosen), self._device), self._labels(chosen))

    def in_order(self) -> Iterator[Batch]:
        for where, chunk in chunks(self._examples.rows):
            x = torch.from_numpy(chunk).to(self._device)
            yield Batch(x, self._labels(np.arange(where.start, where.stop)))

    def _labels(self, chosen: Order) -> Tensor | None:
        labels = self._examples.labels
        return None if labels is None else torch.from_numpy(np.asarray(labels[chosen])).to(self._device)


class _Buffer:
    """Rows on the host on their way to the device; on the CPU they are there already."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._rows = torch.empty(shape)

    def free(self) -> np.ndarray:
        return self._rows.numpy()

    def on_device(self, rows: int, device: torch.device) -> Tensor:
        return self._rows[:rows].to(device)


class _PinnedBuffer(_Buffer):
    """Copied while the host goes on: it is filled again only when its last copy is over."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._rows = torch.empty(shape, pin_memory=True)
        self._copied = torch.cuda.Event()  # type: ignore[no-untyped-call]  # torch's own lacks types

    def free(self) -> np.ndarray:
        self._copied.synchronize()
        return self._rows.numpy()

    def on_device(self, rows: int, device: torch.device) -> Tensor:
        batch = self._rows[:rows].to(device, non_blocking=True)
        self._copied.record(torch.cuda.current_stream(device))
        return batch


def _buffers(shape: tuple[int, ...], device: torch.device) -> list[_Buffer]:
    # Two, so that one is filled while the other is copied.
    return [_PinnedBuffer(shape), _PinnedBuffer(shape)] if device.type == "cuda" else [_Buffer(shape)]
