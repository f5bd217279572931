"""EXPLAIN of plain CREATE, ALTER and DROP: what would be done, where the plan that DuckDB has is empty."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

from mlbox.base.command import Query, Result
from mlbox.base.counted import counted
from mlbox.base.errors import AlreadyExists, StatementError

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_PART = r'(?:"(?:[^"]|"")+"|[^\W\d]\w*)'
_HEAD = re.compile(
    r"\s*EXPLAIN\s+(?P<verb>CREATE|ALTER|DROP)\s+(?P<replace>OR\s+REPLACE\s+)?(?:(?:TEMP|TEMPORARY|UNIQUE)\s+)?"
    r"(?P<kind>TABLE|VIEW|MACRO(?:\s+TABLE)?|FUNCTION|TYPE|SEQUENCE|INDEX|SCHEMA)\s+"
    rf"(?P<unless>IF\s+(?:NOT\s+)?EXISTS\s+)?(?P<name>{_PART}(?:\s*\.\s*{_PART}){{0,2}})(?P<rest>.*)",
    re.I | re.S,
)
_EMPTY = re.compile(r"\s*╭─[^\n]*╮\s*╰─*╯\s*")
_SHOWN = 200
"""Characters of what follows the name."""
THERE = """
SELECT lower(table_type) AS kind FROM information_schema.tables
WHERE table_catalog = 'data' AND lower(table_schema) = lower(?) AND lower(table_name) = lower(?)
"""


@dataclass(frozen=True, slots=True)
class Definition:
    """A statement that makes, changes or drops one thing; ``path`` ends with its name."""

    verb: str
    kind: str
    path: tuple[str, ...]
    replaces: bool
    unless: bool
    """Whether it says IF EXISTS or IF NOT EXISTS."""
    rest: str
    offset: int


def definition(text: str) -> Definition | None:
    """What ``EXPLAIN text`` is about; None where DuckDB's own plan tells more."""
    found = _HEAD.match(text)
    if found is None:
        return None
    parts = re.findall(_PART, found["name"])
    path = tuple(part[1:-1].replace('""', '"') if part.startswith('"') else part for part in parts)
    verb, kind = found["verb"].lower(), " ".join(found["kind"].lower().split())
    rest = " ".join(found["rest"].split())
    return Definition(verb, kind, path, bool(found["replace"]), bool(found["unless"]), rest, found.start("name"))


def planned(catalog: Catalog, query: Query, project: str, result: Result) -> Result:
    """``result`` of DuckDB's EXPLAIN, with what would be done where its plan is an empty box."""
    import pyarrow

    told, table = definition(query.text), result.table
    if told is None or table is None or table.num_columns != 2 or table.num_rows != 1:
        return result
    if not _EMPTY.fullmatch(str(table.column(1)[0].as_py())):
        return result
    action, detail = _decided(catalog, query, project, told)
    path = told.path if len(told.path) > 1 or told.kind == "schema" else (project, *told.path)
    shown = f"{told.kind} {'.'.join(path)}" + (f": {detail}" if detail else "")
    rows = {"explain_key": pyarrow.array([action]), "explain_value": pyarrow.array([shown])}
    return Result(result.message, pyarrow.table(rows), result.facts)


def _decided(catalog: Catalog, query: Query, project: str, told: Definition) -> tuple[str, str]:
    """Action and detail; raises what the statement itself would raise, where DuckDB's EXPLAIN does not."""
    rest = told.rest if len(told.rest) <= _SHOWN else f"{told.rest[:_SHOWN]} …"
    if told.kind not in ("table", "view"):
        return ("replace" if told.replaces else told.verb), rest
    schema = told.path[-2] if len(told.path) > 1 else project
    found = catalog.rows(THERE, [schema, told.path[-1]])
    there = None if not found else "view" if found[0]["kind"] == "view" else "table"
    name = told.path[-1]
    if there is None:
        return ("keep", "it is not there") if told.unless and told.verb != "create" else (told.verb, rest)
    if there != told.kind and (told.verb == "drop" or told.replaces):
        message, hint = f"{name} is a {there}", f"write DROP {there.upper()} {name}"
        raise StatementError(message, hint=hint, where=query.where(told.offset))
    if told.verb == "create" and not told.replaces:
        if told.unless:
            return "keep", "it is there"
        other = (
            f"CREATE OR REPLACE {told.kind.upper()} takes its place, CREATE {told.kind.upper()} IF NOT EXISTS leaves it"
        )
        raise AlreadyExists(
            f'{told.kind} with name "{name}" already exists', hint=other, where=query.where(told.offset)
        )
    return ("replace" if told.replaces else told.verb), rest or _size(catalog, schema, name)


def _size(catalog: Catalog, schema: str, name: str) -> str:
    """How many rows a table has that is dropped, as DuckDB estimates; nothing of a view."""
    found = catalog.rows(
        "SELECT estimated_size AS rows FROM duckdb_tables() "
        "WHERE database_name = 'data' AND lower(schema_name) = lower(?) AND lower(table_name) = lower(?)",
        [schema, name],
    )
    return counted(int(found[0]["rows"]), "row") if found else ""
