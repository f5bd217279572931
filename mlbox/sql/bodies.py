"""Pieces of plain SQL inside our statements: queries and conditions, kept verbatim."""

from __future__ import annotations

from collections.abc import Callable, Collection

from mlbox.base.command import Query
from mlbox.sql.parser import Cursor, verbatim

_QUERY_STARTS = frozenset("SELECT FROM WITH VALUES TABLE PIVOT UNPIVOT SUMMARIZE DESCRIBE SHOW (".split())


def query_rest(cursor: Cursor, clause: str, clauses_before: Collection[str] = ()) -> Query:
    """``AS SELECT ..``: all that follows. ``clauses_before`` are ours that stand before it, for the hint."""
    if cursor.at_end():
        cursor.fail(f"{clause} needs a query", f"for example {clause} SELECT * FROM t")
    if cursor.token.key not in _QUERY_STARTS:
        cursor.fail(f"{clause} needs a query, found {cursor.found()}", f"for example {clause} SELECT * FROM t")
    _refuse_late_clause(cursor, clauses_before)
    return verbatim(cursor)


def _refuse_late_clause(cursor: Cursor, clauses: Collection[str]) -> None:
    """A clause of ours behind the query reads as a table's alias to DuckDB; tell what it is if DuckDB refuses."""
    words = {clause.split(" ")[0] for clause in clauses} - {"AS", "FROM", "WITH"}
    late, depth = None, 0
    for token in cursor.tokens[cursor.index : cursor.limit]:
        depth += (token.key in ("(", "[", "{")) - (token.key in (")", "]", "}"))
        if depth == 0 and token.key in words:
            late = late or token
    if late is None:
        return
    import duckdb

    start, stop = cursor.token.start, cursor.tokens[cursor.limit - 1].stop
    try:
        duckdb.extract_statements(cursor.scope.source[start:stop])
    except duckdb.ParserException:
        cursor.fail(f"{late.key} stands behind the query", "put all clauses before AS; the query is the last", late)
    except duckdb.Error:
        return


def refuse_bare_query(cursor: Cursor, clause: str) -> None:
    """Raise where a query stands without the parentheses that a clause wants around it."""
    if cursor.token.key in _QUERY_STARTS and cursor.token.key != "(":
        cursor.fail(f"{clause}: a query stands in parentheses", f"write {clause} ({cursor.token.text} ..)")


def parenthesized(cursor: Cursor, what: str, read: Callable[[Cursor], Query] = verbatim) -> Query:
    """``(..)``: what the parentheses hold, which may not be nothing."""
    inner = cursor.enter(what, f"write {what} (..)")
    if inner.at_end():
        inner.fail(f"the parentheses of {what} are empty", f"write {what} (..) with something in it")
    return read(inner)


def condition(cursor: Cursor, what: str) -> Query:
    """``(expr)``."""
    return parenthesized(cursor, what)


def expression_until(cursor: Cursor, what: str, stop: Callable[[Cursor], bool]) -> Query:
    """An expression without parentheses around it, up to the first word of ours."""
    inner = cursor.split(stop)
    if inner.at_end():
        example = "psi > 0.2" if what == "WHEN" else "state = 'error'"
        cursor.fail(f"{what} needs a condition, found {cursor.found()}", f"for example {what} {example}")
    return verbatim(inner)
