"""Settings that torch has once a process, among trainings that may overlap in its threads."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch.utils import deterministic


@dataclass(frozen=True)
class Wish:
    """What one block of code needs while it runs.

    deterministic: algorithms that give the same numbers every time.
    tf32: whether float32 products on a GPU may round their factors to TF32; they do where every block allows it.
    """

    deterministic: bool
    tf32: bool


@dataclass(frozen=True)
class _Settings:
    """Torch's own, as they stand."""

    algorithms: bool
    warn_only: bool
    fills: bool
    choice_held: bool
    searches: bool
    tf32_products: bool
    tf32_convolutions: bool

    @classmethod
    def now(cls) -> _Settings:
        return cls(
            torch.are_deterministic_algorithms_enabled(),
            torch.is_deterministic_algorithms_warn_only_enabled(),
            deterministic.fill_uninitialized_memory,  # type: ignore[attr-defined]  # a module that is a class
            torch.backends.cudnn.deterministic,
            torch.backends.cudnn.benchmark,
            torch.backends.cuda.matmul.allow_tf32,
            torch.backends.cudnn.allow_tf32,
        )

    def apply(self) -> None:
        torch.use_deterministic_algorithms(self.algorithms, warn_only=self.warn_only)
        deterministic.fill_uninitialized_memory = self.fills  # type: ignore[attr-defined]
        torch.backends.cudnn.deterministic = self.choice_held
        torch.backends.cudnn.benchmark = self.searches
        torch.backends.cuda.matmul.allow_tf32 = self.tf32_products
        torch.backends.cudnn.allow_tf32 = self.tf32_convolutions

    def under(self, wishes: list[Wish]) -> _Settings:
        tf32 = all(wish.tf32 for wish in wishes)
        return _Settings(
            self.algorithms or any(wish.deterministic for wish in wishes),
            self.warn_only,
            # Torch would also write NaN over each new tensor before it is computed, which is for debugging.
            fills=False,
            choice_held=True,
            searches=False,
            tf32_products=tf32,
            tf32_convolutions=tf32,
        )


_lock = threading.Lock()
_wishes: list[Wish] = []
_before: list[_Settings] = []


@contextmanager
def shared_settings(wish: Wish) -> Iterator[None]:
    """Torch's settings as all blocks that are running wish them; the last to end puts back what the first found."""
    with _lock:
        if not _wishes:
            _before[:] = [_Settings.now()]
        _wishes.append(wish)
        _before[0].under(_wishes).apply()
    try:
        yield
    finally:
        with _lock:
            _wishes.remove(wish)
            (_before[0].under(_wishes) if _wishes else _before[0]).apply()
