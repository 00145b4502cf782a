"""Work for a batcher that lasts until a test lets it go."""

from __future__ import annotations

import threading
from typing import Any


class Held:
    """Work that lasts until it is let go."""

    batch_rows = 128

    def __init__(self) -> None:
        self.go = threading.Event()

    def __call__(self, rows: Any, /) -> Any:
        assert self.go.wait(20)
        return rows
