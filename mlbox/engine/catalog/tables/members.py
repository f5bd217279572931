"""Rows of members and of their tokens. Of a token only its hash is kept."""

from __future__ import annotations

from dataclasses import astuple, dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class MemberRow:
    """A role of a user in a project."""

    project: str
    user: str
    role: str
    granted_at: datetime
    granted_by: str


@dataclass(frozen=True, slots=True)
class TokenRow:
    """A token: ``digest`` is the SHA-256 of its text, in hex."""

    id: str
    user: str
    digest: str
    created_at: datetime
    created_by: str
    expires_at: datetime | None
    comment: str | None


def members(cursor: DuckDBPyConnection) -> list[MemberRow]:
    """All."""
    rows = cursor.execute(
        'SELECT project, "user", role, granted_at, granted_by FROM catalog.main.members ORDER BY ALL'
    ).fetchall()
    return [MemberRow(*row) for row in rows]


def tokens(cursor: DuckDBPyConnection) -> list[TokenRow]:
    """All."""
    rows = cursor.execute(
        'SELECT id, "user", digest, created_at, created_by, expires_at, comment FROM catalog.main.tokens'
    ).fetchall()
    return [TokenRow(*row) for row in rows]


def grant(cursor: DuckDBPyConnection, row: MemberRow) -> None:
    """Insert, or replace the role that the user had in the project."""
    cursor.execute("INSERT OR REPLACE INTO catalog.main.members VALUES (?, ?, ?, ?, ?)", _values(row))


def revoke(cursor: DuckDBPyConnection, project: str, user: str) -> None:
    """Take the role away."""
    cursor.execute('DELETE FROM catalog.main.members WHERE project = ? AND "user" = ?', [project, user])


def add_token(cursor: DuckDBPyConnection, row: TokenRow) -> None:
    """Insert."""
    cursor.execute("INSERT INTO catalog.main.tokens VALUES (?, ?, ?, ?, ?, ?, ?)", _values(row))


def drop_token(cursor: DuckDBPyConnection, id: str) -> None:
    """Delete."""
    cursor.execute("DELETE FROM catalog.main.tokens WHERE id = ?", [id])


def _values(row: Any) -> list[Any]:
    return list(astuple(row))
