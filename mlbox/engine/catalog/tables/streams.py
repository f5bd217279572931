"""What stands beside a stream's rows: refused rows, and the keys of pushes that were taken."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Protocol

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

KEYS_FOR = timedelta(days=7)
"""A push that is repeated within this time is known."""
DEAD_LETTERS = 100_000
"""The newest refused rows that are kept of a set."""


class Owner(Protocol):
    """The set whose rows they would have been."""

    @property
    def project(self) -> str:
        """Its project."""

    @property
    def name(self) -> str:
        """Its name."""

    @property
    def id(self) -> str:
        """The id of its version."""


def insert_dead_letters(
    cursor: DuckDBPyConnection, owner: Owner, source: str | None, rows: Sequence[tuple[str, str | None]], at: datetime
) -> None:
    """(reason, row as text) of rows that were refused."""
    reasons, texts = [reason for reason, _ in rows], [text for _, text in rows]
    cursor.execute(
        'INSERT INTO data._mlbox.dead_letters (project, feature_set, set_id, source, reason, "row", refused_at) '
        "SELECT ?, ?, ?, ?, unnest(?::VARCHAR[]), unnest(?::VARCHAR[]), ?",
        [owner.project, owner.name, owner.id, source, reasons, texts, at],
    )


def trim_dead_letters(cursor: DuckDBPyConnection, set_id: str) -> None:
    """Keep the newest."""
    cursor.execute(
        "DELETE FROM data._mlbox.dead_letters WHERE set_id = ? AND refused_at < ("
        "SELECT min(refused_at) FROM (SELECT refused_at FROM data._mlbox.dead_letters WHERE set_id = ? "
        f"ORDER BY refused_at DESC LIMIT {DEAD_LETTERS}))",
        [set_id, set_id],
    )


def put_progress(
    cursor: DuckDBPyConnection, project: str, set_id: str, lag: int | None, error: str | None, at: datetime
) -> None:
    """How far a set is behind its stream (rows), and why it is not read, if it is not."""
    cursor.execute(
        "INSERT INTO data._mlbox.stream_progress VALUES (?, ?, ?, ?, ?) ON CONFLICT (set_id) DO UPDATE SET "
        "lag = excluded.lag, error = excluded.error, updated_at = excluded.updated_at",
        [project, set_id, lag, error, at],
    )


def known_keys(cursor: DuckDBPyConnection, set_id: str, keys: Sequence[str]) -> set[str]:
    """Which of the keys were taken already."""
    rows = cursor.execute(
        "SELECT key FROM data._mlbox.push_keys WHERE set_id = ? AND key IN (SELECT unnest(?::VARCHAR[]))",
        [set_id, list(keys)],
    ).fetchall()
    return {row[0] for row in rows}


def insert_keys(cursor: DuckDBPyConnection, project: str, set_id: str, keys: Sequence[str], at: datetime) -> None:
    """In the transaction of the rows."""
    cursor.execute(
        "INSERT INTO data._mlbox.push_keys SELECT ?, ?, unnest(?::VARCHAR[]), ?", [project, set_id, list(keys), at]
    )


def forget_keys(cursor: DuckDBPyConnection, set_id: str, now: datetime) -> None:
    """Those that no repeat is expected of."""
    cursor.execute("DELETE FROM data._mlbox.push_keys WHERE set_id = ? AND taken_at < ?", [set_id, now - KEYS_FOR])
