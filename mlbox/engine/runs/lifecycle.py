"""The states of a run, as a pure machine: what may follow what."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from mlbox.base.errors import Conflict

PENDING = "pending"
"""Asked for; waits for its turn."""
PREPARING = "preparing"
"""Inputs are written, the environment is built."""
RUNNING = "running"
"""The user's code runs (for a sweep: its trials)."""
COMPLETED = "completed"
ERROR = "error"
"""The user's code, or the preparation, failed."""
CANCELLED = "cancelled"
INTERRUPTED = "interrupted"
"""Nobody saw the end: the machine or the server stopped."""

FINAL = frozenset({COMPLETED, ERROR, CANCELLED, INTERRUPTED})

TRANSITIONS: Mapping[str, frozenset[str]] = MappingProxyType(
    {
        # a sweep has nothing to prepare; a run may fail or be cancelled before its turn comes
        PENDING: frozenset({PREPARING, RUNNING, ERROR, CANCELLED, INTERRUPTED}),
        # quick code may have ended before its start was recorded; pending again: the next attempt waits
        PREPARING: frozenset({RUNNING, COMPLETED, PENDING, ERROR, CANCELLED, INTERRUPTED}),
        RUNNING: frozenset({COMPLETED, PENDING, ERROR, CANCELLED, INTERRUPTED}),
        **{state: frozenset() for state in FINAL},
    }
)

STATES = tuple(TRANSITIONS)


def is_final(state: str) -> bool:
    """Whether nothing follows."""
    return state in FINAL


def may_follow(before: str, after: str) -> bool:
    """Whether a run may go from ``before`` to ``after``; staying is always allowed unless it has ended."""
    return after in TRANSITIONS[before] or (before == after and before not in FINAL)


def check(before: str, after: str, label: str) -> None:
    """Raise ``Conflict`` unless ``after`` may follow; ``label`` names the run in the message."""
    if not may_follow(before, after):
        raise Conflict(f"run {label} is {before}: it cannot become {after}")
