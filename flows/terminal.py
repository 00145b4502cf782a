"""What a person at a terminal sees of a run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rich.console import Console
from rich.progress import BarColumn, Progress, TaskID, TextColumn, TimeElapsedColumn

from flows.listening import listening

console = Console(highlight=False, soft_wrap=True)


@contextmanager
def progress_bars() -> Iterator[None]:
    """One bar a step, kept when the step is done; plain lines where the output is no terminal."""
    if not console.is_terminal:
        with listening(_print_when_done):
            yield
        return
    columns = (
        TextColumn("{task.description:<28}"),
        BarColumn(bar_width=30),
        TextColumn("{task.completed:>4}/{task.total:<4}"),
        TimeElapsedColumn(),
        TextColumn("{task.fields[note]}", style="dim"),
    )
    with Progress(*columns, console=console) as progress:
        bars: dict[str, TaskID] = {}

        def show(step: str, done: int, total: int, note: str) -> None:
            if step not in bars:
                bars[step] = progress.add_task(step, total=total, note=note)
            progress.update(bars[step], completed=done, total=total, note=note)

        with listening(show):
            yield


def _print_when_done(step: str, done: int, total: int, note: str) -> None:
    if done == total:
        console.print(f"{step}: {note}")
