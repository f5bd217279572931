"""Completion inside plain SQL: tables behind FROM, columns of the tables that the query names, functions, keywords."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cache

from mlbox.sql.lexer import RESERVED, Token
from mlbox.sql.lookup import Lookup, Named

_TABLE_FOLLOWS = frozenset("FROM JOIN INTO UPDATE TABLE SUMMARIZE DESCRIBE DESC PIVOT UNPIVOT TRUNCATE COPY".split())
_NOT_AN_ALIAS = RESERVED | frozenset("JOIN LEFT RIGHT FULL INNER CROSS ASOF POSITIONAL SEMI ANTI NATURAL SET".split())
_SETTINGS_FOLLOW = frozenset(("SET", "RESET", "PRAGMA", "SESSION", "GLOBAL", "LOCAL"))
CLAUSES = tuple(
    """SELECT,FROM,WHERE,GROUP BY,HAVING,QUALIFY,ORDER BY,LIMIT,OFFSET,WINDOW,JOIN,LEFT JOIN,ASOF JOIN,CROSS JOIN,
    POSITIONAL JOIN,ON,USING,UNION,UNION ALL,UNION BY NAME,EXCEPT,INTERSECT,WITH,RECURSIVE,MATERIALIZED,DISTINCT,AS,
    AND,OR,NOT,IN,IS NULL,IS NOT NULL,BETWEEN,LIKE,ILIKE,CASE,WHEN,THEN,ELSE,END,CAST,EXISTS,OVER,PARTITION BY,
    FILTER,EXCLUDE,REPLACE,RENAME,COLUMNS,ASC,DESC,NULLS LAST,NULLS FIRST,INTERVAL,TIMESTAMP,DATE,TRUE,FALSE,NULL,
    VALUES,RETURNING,SAMPLE,TABLESAMPLE,LATERAL,UNNEST,PIVOT,UNPIVOT,GROUPING SETS,ROLLUP,CUBE,ALL""".replace(
        "\n    ", ""
    ).split(",")
)
"""Words that come up in queries."""


@cache
def plain_starts() -> dict[tuple[str, ...], str]:
    """First words of DuckDB's own statements, and what they do."""
    told = {
        "SELECT": "query rows",
        "FROM": "query rows, FROM first",
        "WITH": "query rows with named subqueries",
        "INSERT INTO": "add rows",
        "UPDATE": "change rows",
        "DELETE FROM": "remove rows",
        "MERGE INTO": "add, change or remove rows by a join",
        "VALUES": "rows as written",
        "COPY": "rows from or to a file",
        "CREATE TABLE": "make a table",
        "CREATE VIEW": "name a query",
        "CREATE INDEX": "speed look-ups up",
        "CREATE SEQUENCE": "make a counter",
        "CREATE TYPE": "make a type",
        "CREATE MACRO": "name an expression or query",
        "ALTER TABLE": "change a table",
        "ALTER VIEW": "change a view",
        "DROP TABLE": "drop a table",
        "DROP VIEW": "drop a view",
        "DROP MACRO": "drop a macro",
        "SHOW TABLES": "tables of the project",
        "DESCRIBE": "columns of a table or query",
        "SUMMARIZE": "statistics of every column",
        "PIVOT": "rows to columns",
        "UNPIVOT": "columns to rows",
        "COMMENT ON": "describe a table or column",
        "EXPLAIN": "the plan of a statement",
    }
    return {tuple(words.split(" ")): detail for words, detail in told.items()}


def plain_candidates(
    tokens: Sequence[Token], after: Sequence[Token], dotted: str, lookup: Lookup
) -> Iterator[tuple[str, Iterable[Named]]]:
    """Candidates by kind between ``tokens`` and ``after``; ``dotted`` is the qualifier right before the place."""
    tables = {**_tables(tokens), **_tables(after)}
    keys = [token.key for token in tokens]
    if dotted:
        yield from _behind_dot(tables, dotted, lookup)
        return
    before = _context(keys)
    if before in _TABLE_FOLLOWS:
        yield "table", [Named(name) for name in _common_tables(tokens)]
        yield "table", lookup.tables()
        yield "object", lookup.objects("project")
        yield "function", [entry for entry in lookup.functions() if entry.detail.startswith("table")]
        if keys[-1:] == ["FROM"]:
            return
    if before in _SETTINGS_FOLLOW and len(keys) <= 2:
        yield "setting", lookup.settings()
        return
    if before not in _TABLE_FOLLOWS:
        for table in dict.fromkeys(tables.values()):
            yield "column", lookup.columns(table)
        yield "table", [Named(alias) for alias in tables]
    yield "keyword", [Named(words) for words in CLAUSES]
    if before not in _TABLE_FOLLOWS:
        yield "function", lookup.functions()


def _context(keys: Sequence[str]) -> str:
    """The word that rules the place: behind ``FROM a, `` it is still FROM."""
    if not keys:
        return ""
    if keys[-1] != ",":
        return keys[-1]
    depth = 0
    for key in reversed(keys):
        depth += (key in (")", "]", "}")) - (key in ("(", "[", "{"))
        if depth < 0:
            return ""
        if depth == 0 and key in ("FROM", "SELECT", "WHERE", "BY", "SET", "VALUES"):
            return key
    return ""


def _tables(tokens: Sequence[Token]) -> dict[str, str]:
    """Tables that the statement names, by alias or name."""
    found: dict[str, str] = {}
    index = 0
    while index < len(tokens) - 1:
        if tokens[index].key not in _TABLE_FOLLOWS or tokens[index + 1].kind not in ("word", "quoted"):
            index += 1
            continue
        index += 1
        name = tokens[index].text
        while index + 2 < len(tokens) and tokens[index + 1].key == ".":
            name += "." + tokens[index + 2].text
            index += 2
        index += 1
        if index < len(tokens) and tokens[index].key == ".":  # the name that is being typed
            continue
        if index < len(tokens) and tokens[index].key == "AS":
            index += 1
        named = index < len(tokens) and tokens[index].kind in ("word", "quoted")
        alias = tokens[index].text if named and tokens[index].key not in _NOT_AN_ALIAS else name.rpartition(".")[2]
        found[alias] = name
    return found


def _common_tables(tokens: Sequence[Token]) -> list[str]:
    """Names that WITH gives to subqueries."""
    return [
        token.text
        for index, token in enumerate(tokens)
        if token.kind in ("word", "quoted")
        and index
        and tokens[index - 1].key in ("WITH", ",", "RECURSIVE")
        and [behind.key for behind in tokens[index + 1 : index + 3]] in (["AS", "("], ["AS", "MATERIALIZED"])
    ]


def _behind_dot(tables: Mapping[str, str], dotted: str, lookup: Lookup) -> Iterator[tuple[str, Iterable[Named]]]:
    table = {alias.lower(): table for alias, table in tables.items()}.get(dotted.lower())
    if table is not None:
        yield "column", lookup.columns(table)
        return
    prefix = f"{dotted}.".lower()
    if prefix == "ml.":
        names = [entry for entry in lookup.functions() if entry.name.startswith("ml.")]
        yield "function", [Named(name.removeprefix("ml."), detail) for name, detail in names]
    yield "table", lookup.tables()
    yield "column", lookup.columns(dotted)
