"""Tells people of a move that nobody asked for, or that went live: one call, one message."""

from __future__ import annotations

import logging

from service.release.journal import PROBATION, Move

# Below BentoML's own logger, whose handlers and format a served process has.
logger = logging.getLogger("bentoml.manifold")


def tell(move: Move, log: logging.Logger | logging.LoggerAdapter[logging.Logger] = logger) -> None:
    """Tell of a move. All ways of notice start here; a way that may fail must not hold the others up.

    Args:
        move: as the journal has it.
        log: a flow run's own, where there is one.
    """
    level = logging.WARNING if move.who == PROBATION or move.action == "undo" else logging.INFO
    log.log(level, "%s", move_line(move))


def move_line(move: Move) -> str:
    """One line that says all of it."""
    instead = f" instead of {move.replaces}" if move.replaces not in (None, move.release) else ""
    return f"{move.action} of {move.release}{instead} by {move.who}: {move.why} ({move.verdict})"
