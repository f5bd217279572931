"""Command tags: the words by which PostgreSQL's clients learn what a statement did."""

from __future__ import annotations

from mlbox.base.command import Result
from mlbox.sql.lexer import tokenize
from mlbox.sql.script import Statement

_HEAD_CHARACTERS = 200
_FILLERS = frozenset({"OR", "REPLACE", "TEMP", "TEMPORARY", "UNIQUE", "RECURSIVE", "PERSISTENT"})
COUNTED = ("INSERT", "UPDATE", "DELETE", "MERGE", "COPY", "SELECT", "FETCH")
"""Tags that end with a number of rows."""


def tag_of(statement: Statement, result: Result) -> str:
    """The tag of a plain statement; where rows follow, without their number."""
    words = [token.key for token in tokenize(statement.text[:_HEAD_CHARACTERS]) if token.kind == "word"] or ["SELECT"]
    first = words[0]
    if result.rows is not None:
        return "SELECT"
    count = result.facts.get("rows") if result.table is None else None
    if first == "WITH" or first not in ("CREATE", "DROP", "ALTER", *COUNTED):
        first = _verb(result) or ("SELECT" if result.table is not None else first)
    if first in COUNTED:
        head = "INSERT 0" if first == "INSERT" else first
        return head if result.table is not None else f"{head} {count or 0}"
    if first == "CREATE" and count is not None:
        return f"SELECT {count}"  # CREATE TABLE AS
    if first in ("CREATE", "DROP", "ALTER"):
        kinds = [word for word in words[1:4] if word not in _FILLERS]
        return f"{first} {kinds[0]}" if kinds else first
    return first


def _verb(result: Result) -> str:
    """What a statement that begins with WITH does, from its message (``insert: 3 rows``)."""
    word = result.message.partition(":")[0].upper()
    return word if word in COUNTED else ""


def completed(tag: str, rows: int | None) -> str:
    """The tag with the number of delivered rows; what is not known to end with one is told as SELECT."""
    if rows is None or tag == "SHOW":
        return tag
    return f"{tag if tag in COUNTED or tag == 'INSERT 0' else 'SELECT'} {rows}"
