"""Plain statements that are ours after all. This is the whole list; a test holds it.

- ``[EXPLAIN [ANALYZE]] INSERT INTO <feature set> …``: rows are validated, counted and go to the stores of the set.
- ``FROM ml.exec('…')``: the statement inside, when that is all of it; for clients that let only queries through.
- ``USE``, ``SET search_path``, ``SET schema``: the parser takes them (``sql/statements``).
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from mlbox.base.command import Command, Query, RunSql
from mlbox.base.errors import StatementError, Where
from mlbox.base.names import Ref
from mlbox.engine.catalog.commands import Explain
from mlbox.engine.features.commands import InsertFeatures
from mlbox.sql.parameters import Parameters
from mlbox.sql.parser import Cursor, Scope, verbatim
from mlbox.sql.script import Statement, split

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_NAME = r'(?:"(?:[^"]|"")+"|[A-Za-z_][A-Za-z0-9_]*)'
_INSERT = re.compile(
    rf"\s*(?:(EXPLAIN)\s+(?:(ANALYZE)\s+)?)?INSERT\s+INTO\s+(?:({_NAME})\s*\.\s*)?({_NAME})\s*(\(\s*{_NAME}(?:\s*,\s*{_NAME})*\s*\))?\s*",
    re.I,
)


def _plain(name: str) -> str:
    return name[1:-1].replace('""', '"') if name.startswith('"') else name


def _bound(body: Query, command: RunSql) -> Query:
    """The rows with the values of parameters in them."""
    scope = Scope(body.source or body.text, command.project, Parameters(command.parameters))
    return verbatim(Cursor.over(scope, body.text, body.offset)) if body.text.strip() else body


def feature_set_insert(catalog: Catalog, command: RunSql) -> Command | None:
    """The command when the statement inserts into a feature set; None leaves it to DuckDB."""
    found = _INSERT.match(command.query.text)
    if not found:
        return None
    project = _plain(found[3]) if found[3] else command.project
    name = _plain(found[4])
    known = catalog.rows(
        "SELECT 1 FROM catalog.ml.feature_sets WHERE lower(project) = ? AND lower(name) = ?",
        [project.lower(), name.lower()],
    )
    if not known:
        return None
    columns = re.findall(_NAME, found[5]) if found[5] else []
    start = found.end()
    body = _bound(Query(command.query.text[start:], command.query.offset + start, command.query.source), command)
    insert = InsertFeatures(
        ref=Ref(project.lower(), name), query=body, columns=tuple(_plain(column) for column in columns)
    )
    return Explain(command=insert, analyze=bool(found[2])) if found[1] else insert


_EXEC = re.compile(r"\s*(?:SELECT\s+\*\s+)?FROM\s+ml\s*\.\s*exec\s*\(\s*'((?:[^']|'')*)'\s*\)\s*", re.IGNORECASE)


def executed(statement: Statement) -> Statement | None:
    """The statement inside ``FROM ml.exec('…')``; None when it is something else. Places of errors are inside."""
    found = None if statement.ours else _EXEC.fullmatch(statement.text)
    if found is None:
        return None
    inner = split(found[1].replace("''", "'"))
    if len(inner) != 1:
        where = Where.at(statement.source, statement.offset + found.start(1))
        raise StatementError("ml.exec carries out one statement", where=where)
    return inner[0]
