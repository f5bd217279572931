"""The fence around members' plain SQL: what a statement names is compared with what its sender may use.

It stands before the statement is bound. The statement itself then runs read-only, or behind the claim row that keeps
it out of the catalog (``sql/plain.py``); what DuckDB may reach at all is locked when the home is opened.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlbox.base.access import Access
from mlbox.base.command import Query
from mlbox.base.errors import Forbidden
from mlbox.engine.catalog.views.base import all_views
from mlbox.engine.security import allowed
from mlbox.engine.security.definitions import read_definition, words_and_calls
from mlbox.engine.security.syntax import Names, Path, change_names, read_names

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_PLAIN_NAME = re.compile(r"\w+\Z")
_WIDTH = re.compile(r"\d{5,}")
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(?!ANALY[SZ]E\b)(?!\()", re.I)


@dataclass(frozen=True, slots=True)
class Statement:
    """A member's SQL and where it runs."""

    query: Query
    project: str
    access: Access

    def refuse(self, message: str, hint: str | None = None, at: int = -1) -> Forbidden:
        """The error, pointing at character ``at``."""
        return Forbidden(message, hint=hint, where=self.query.where(max(at, 0)))


class Fence:
    """Judges statements; changes nothing."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog

    @cached_property
    def _views(self) -> frozenset[str]:
        return frozenset(view.name for view in all_views())

    @cached_property
    def _builtin(self) -> frozenset[str]:
        rows = self._catalog.rows(
            "SELECT DISTINCT lower(function_name) AS name FROM duckdb_functions() "
            "WHERE internal AND function_type IN ('scalar', 'aggregate', 'macro')"
        )
        return frozenset(row["name"] for row in rows) | _WINDOWS

    def check(self, query: Query, kind: str, project: str, access: Access) -> None:
        """A whole statement of ``kind`` (DuckDB's word for it); raises ``Forbidden``."""
        statement = Statement(query, project.lower(), access)
        self._own_project(statement)
        if kind == "EXPLAIN":
            found = _EXPLAIN.match(query.text)
            if not found:
                raise statement.refuse("EXPLAIN ANALYZE carries the statement out", "EXPLAIN alone shows its plan")
            rest = Query(query.text[found.end() :], query.offset + found.end(), query.source)
            self._reading(Statement(rest, statement.project, access))
        elif kind in ("SELECT", "RELATION"):
            self._reading(statement)
        elif kind not in allowed.CHANGING:
            raise statement.refuse(
                f"members may not send {kind.replace('_', ' ')}", "docs/how-to/share-a-server.md lists what they may"
            )
        else:
            self._changing(statement, kind)

    def check_piece(self, query: Query, project: str, access: Access) -> None:
        """SQL inside a statement of ours: a query, an expression, or several."""
        statement = Statement(query, project.lower(), access)
        self._own_project(statement)
        with self._catalog.read() as cursor:
            forms = (query.text, f"SELECT (\n{query.text}\n)", f"SELECT\n{query.text}")  # the last: several, with names
            names = next((found for form in forms if (found := read_names(cursor, form))), None)
        if names is None:
            raise statement.refuse("this is neither a query nor an expression that can be checked")
        self._judge(statement, names)
        self._no_change(statement, names)

    def check_table(self, path: Path, project: str, access: Access) -> None:
        """The name of a table that an argument holds."""
        self._table(Statement(Query(".".join(path)), project.lower(), access), path, -1, set())

    def _own_project(self, statement: Statement) -> None:
        if not statement.access.sees(statement.project):
            raise unseen(statement.project)

    def _reading(self, statement: Statement) -> None:
        with self._catalog.read() as cursor:
            names = read_names(cursor, statement.query.text)
        if names is None:
            raise statement.refuse(
                "this form of query cannot be checked, so members may not send it",
                "PIVOT takes its values as IN (..); parameters are all ? or all $name",
            )
        self._judge(statement, names)
        self._no_change(statement, names)

    def _no_change(self, statement: Statement, names: Names) -> None:
        if names.changes:
            raise statement.refuse(f"{names.changes[0][0]} may not stand inside a query", "send it as a statement")

    def _changing(self, statement: Statement, kind: str) -> None:
        text = statement.query.text
        if kind in ("INSERT", "UPDATE", "DELETE"):
            with self._catalog.read() as cursor:
                names = change_names(cursor, text)
            if names is None or len(names.changes) != 1:
                raise statement.refuse(f"this form of {kind} cannot be checked, so members may not send it")
            self._target(statement, names.changes[0][1])
            self._judge(statement, names)
            return
        definition = read_definition(text)
        if definition is None:
            raise statement.refuse(
                f"members may send {kind} for one table or view only",
                "for example CREATE TABLE t AS SELECT .., CREATE VIEW v AS SELECT .., DROP TABLE t, ALTER TABLE t ..",
            )
        self._target(statement, definition.target)
        if definition.is_query:
            offset = statement.query.offset + definition.start
            body = Query(definition.rest, offset, statement.query.source)
            self._reading(Statement(body, statement.project, statement.access))
        elif definition.rest:
            self._plain_definition(statement, definition.rest)

    def _plain_definition(self, statement: Statement, rest: str) -> None:
        found = words_and_calls(rest)
        if found is None:
            raise statement.refuse("definitions of members hold plain columns, types and expressions only")
        words, calls = found
        for word in sorted(words & allowed.DEFINITION_WORDS_REFUSED):
            raise statement.refuse(f"{word} may not stand in a definition of a member")
        for name in sorted(calls):
            if name in allowed.GROWING or self._is_refused(name):
                raise statement.refuse(f"members may not call {name}()")

    def _target(self, statement: Statement, path: Path) -> None:
        project = project_of(path, statement.project)
        if project is None or not statement.access.allows("editor", project):
            shown = ".".join(path)
            raise statement.refuse(
                f"{statement.access.user} may not change {shown}", "it takes the role editor in its project"
            )

    def _judge(self, statement: Statement, names: Names) -> None:
        if names.strange is not None:
            raise statement.refuse(f"members may not send {names.strange}")
        for name in names.ctes:
            if not _PLAIN_NAME.match(name) or name.startswith(allowed.SYSTEM_RELATIONS):
                raise statement.refuse(f"a query may not be called {name!r}", "use letters, digits and _")
        for path, at in names.tables:
            self._table(statement, path, at, names.ctes)
        for path, at in names.table_functions:
            self._table_function(statement, path, at)
        for path, at in names.functions:
            self._function(statement, path, at)
        for path, at in names.others:
            if len(path) > 1 and project_of(path, statement.project) not in statement.access.roles:
                raise statement.refuse(f"{statement.access.user} may not use {'.'.join(path)}", at=at)
        for call in names.calls:
            self._growth(statement, call)

    def _table(self, statement: Statement, path: Path, at: int, ctes: Iterable[str]) -> None:
        folded = tuple(part.lower() for part in path)
        if folded == ("show", '"tables"'):
            return
        if folded[-2:-1] == ("ml",) and folded[:-2] in ((), ("catalog",)):
            if folded[-1] in self._views:
                return
        elif len(folded) == 1:
            name = folded[0]
            if name in ctes:
                return
            if not name.startswith(allowed.SYSTEM_RELATIONS) and (
                _PLAIN_NAME.match(name) or self._stands_in(statement.project, name)
            ):
                return
        else:
            project = project_of(path, statement.project)
            if project is not None and statement.access.sees(project):
                return
        raise statement.refuse(
            f"there is no table {'.'.join(path)} that {statement.access.user} may read",
            "SHOW TABLES lists those of the project, SHOW PROJECTS the projects; views of ml list everything else",
            at,
        )

    def _stands_in(self, project: str, name: str) -> bool:
        return bool(
            self._catalog.rows(
                "SELECT 1 FROM (SELECT schema_name, table_name AS name FROM duckdb_tables() WHERE database_name = "
                "'data' UNION ALL SELECT schema_name, view_name FROM duckdb_views() WHERE database_name = 'data') "
                "WHERE schema_name = ? AND lower(name) = ?",
                [project, name],
            )
        )

    def _table_function(self, statement: Statement, path: Path, at: int) -> None:
        folded = tuple(part.lower() for part in path)
        ours = folded[-2:-1] == ("ml",) and folded[:-2] in ((), ("catalog",))
        if (ours or len(folded) == 1) and folded[-1] in allowed.OUR_TABLE_FUNCTIONS:
            return
        if len(folded) == 1:
            if folded[0] in allowed.TABLE_FUNCTIONS:
                return
        elif not ours:
            project = project_of(path, statement.project)
            if project is not None and statement.access.sees(project):
                return
        raise statement.refuse(
            f"members may not call {'.'.join(path)}() for rows",
            "files are loaded into a table by the owner of the server",
            at,
        )

    def _function(self, statement: Statement, path: Path, at: int) -> None:
        folded = tuple(part.lower() for part in path)
        name = folded[-1] if folded else ""
        if len(folded) == 1 and not self._is_refused(name) and self._is_known(statement.project, name):
            return
        if len(folded) > 1:
            if folded[-2] == "ml" and folded[:-2] in ((), ("catalog",)):
                if name in allowed.OUR_FUNCTIONS:
                    return
            elif (project_of(path, statement.project) or "") in statement.access.roles:
                return
        raise statement.refuse(f"members may not call {'.'.join(path)}()", at=at)

    def _is_refused(self, name: str) -> bool:
        return name in allowed.REFUSED_FUNCTIONS or name.startswith(allowed.SYSTEM_RELATIONS)

    def _is_known(self, project: str, name: str) -> bool:
        if name in self._builtin or name in allowed.OUR_FUNCTIONS or not _PLAIN_NAME.match(name):
            return True
        return bool(
            self._catalog.rows(
                "SELECT 1 FROM duckdb_functions() WHERE database_name = 'data' AND schema_name = ? "
                "AND lower(function_name) = ?",
                [project, name],
            )
        )

    def _growth(self, statement: Statement, call: dict[str, Any]) -> None:
        name = str(call.get("function_name", "")).lower()
        arguments = [argument.get("expression") or {} for argument in call.get("arguments", ())]
        if name in allowed.GROWING:
            wanted = arguments[allowed.GROWING[name] :][:1]
            number = _number(wanted[0]) if wanted else None
            if number is None or number > allowed.LONGEST:
                raise statement.refuse(
                    f"how much {name}() makes must be a number of at most {allowed.LONGEST:,} for a member",
                    at=call.get("query_location", -1),
                )
        if name in allowed.PATTERNED and arguments:
            pattern = _text(arguments[0]) if name != "bar" else ""
            widths = [number for number in map(_number, arguments[3:]) if number is None or number > 1000]
            if pattern is None or _WIDTH.search(pattern) or "*" in pattern or (name == "bar" and widths):
                raise statement.refuse(f"the pattern of {name}() must be a constant of modest width for a member")


def project_of(path: Path, project: str) -> str | None:
    """The project that a name points into, in lower case; None when it points elsewhere."""
    folded = [part.lower() for part in path]
    if len(folded) == 1:
        return project
    if len(folded) == 2:
        return folded[0]
    return folded[1] if len(folded) == 3 and folded[0] == "data" else None


def unseen(project: str) -> Forbidden:
    """The one answer for a project that is not there and for one that the member may not see."""
    return Forbidden(f"there is no project {project!r} that you may see", hint="SHOW PROJECTS lists yours")


def _number(expression: dict[str, Any]) -> float | None:
    found = expression.get("literal") or {}
    try:
        return float(found["text"]) if found.get("kind") in ("INTEGER", "DECIMAL", "FLOAT", "DOUBLE") else None
    except (KeyError, ValueError):
        return None


def _text(expression: dict[str, Any]) -> str | None:
    found = expression.get("literal") or {}
    return str(found["text"]) if found.get("kind") == "STRING" and "text" in found else None


_WINDOWS = frozenset(
    "row_number rank rank_dense dense_rank percent_rank cume_dist ntile lead lag first_value last_value nth_value fill "
    "first last any_value count_star".split()
)
