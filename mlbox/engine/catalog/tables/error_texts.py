"""Texts of errors in histories: what DuckDB or a user's code says of a row may have the values of the row in it.

Texts are taken out, changed here and put back as values: they may be anything, and nothing fails because of one.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from mlbox.base.names import literal
from mlbox.engine.catalog.tables import kept_projects

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

_TEXTS = {
    "audit": ("error",),
    "runs": ("error", "reason", "traceback"),
    "run_attempts": ("error", "reason"),
    "workflow_runs": ("reason",),
    "steps": ("error", "message"),
    "schedules": ("last_error",),
    "notifications": ("error",),
    "alert_activations": ("reason",),
}
"""Columns of tables of the catalog. Those of the data file: ``_mlbox.stream_progress.error``."""
_EVENTS = "catalog.main.events"
_EVENT = "json_extract_string(data::JSON, '$.error')"
_COMMON = re.compile(r"-?\d{1,4}", re.ASCII)
"""Numbers that stand in many a text for something else."""


@dataclass(frozen=True)
class _Value:
    """A value of an entity, as texts may have it."""

    name: str
    forms: Sequence[str]
    common: bool

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """It as a word; a common one is no number of a line or column."""
        place = r"(?<!line )(?<!lines )(?<!column )" if self.common else ""
        return re.compile(rf"(?<!\w){place}(?:{'|'.join(map(re.escape, self.forms))})(?!\w)")

    def stands_in(self, text: str) -> bool:
        """Whether a text has it; a common one is meant only where the entity is named."""
        named = not self.common or re.search(rf"(?<!\w){re.escape(self.name)}(?!\w)", text, re.IGNORECASE)
        return bool(named and self.pattern.search(text))


class Redaction:
    """Takes the values of an entity out of the texts that have all of them. ``types`` are those that its columns have,
    by lower-case name."""

    def __init__(
        self, cursor: DuckDBPyConnection, entity: Mapping[str, Any], types: Mapping[str, Iterable[str]]
    ) -> None:
        values = (_value(cursor, name, value, types.get(name.lower(), ())) for name, value in entity.items())
        self._values = [value for value in values if value.forms]

    def of_project(self, cursor: DuckDBPyConnection, project: str) -> None:
        """From the texts of a project in the catalog, and of dropped ones of its name."""
        for table, columns in _TEXTS.items():
            of = f"project = {literal(project)}"
            if table == "audit":  # by whom who stood in another project
                of = f"({of} OR starts_with(object, {literal(project + '.')}))"
            for column in columns:
                for place in (f"catalog.main.{table}", *kept_projects.places(cursor, table)):
                    self._change(cursor, place, column, of)
        for place in (_EVENTS, *kept_projects.places(cursor, "events")):
            self._change_events(cursor, place, f"project = {literal(project)}")

    def of_objects(self, cursor: DuckDBPyConnection, objects: Iterable[tuple[str, str]]) -> None:
        """From what the audit and the events tell of some objects (project, name)."""
        names = ", ".join(literal(f"{project}.{name}".lower()) for project, name in objects)
        self._change(cursor, "catalog.main.audit", "error", f"lower(split_part(object, '@', 1)) IN ({names})")
        self._change_events(cursor, _EVENTS, f"lower(project || '.' || split_part(object, '@', 1)) IN ({names})")

    def of_streams(self, cursor: DuckDBPyConnection, project: str, ids: Sequence[str] | None) -> None:
        """From what the data file tells of streams into sets and feeds of a project: of ``ids``, or all."""
        of = f"project = {literal(project)}"
        if ids is not None:
            of += f" AND set_id IN ({', '.join(map(literal, ids)) or 'NULL'})"
        self._change(cursor, "data._mlbox.stream_progress", "error", of)

    def _change(self, cursor: DuckDBPyConnection, place: str, column: str, of: str) -> None:
        self._put(cursor, place, column, of, f"{column} = ?")

    def _change_events(self, cursor: DuckDBPyConnection, place: str, of: str) -> None:
        """Their ``error``, where it is a text."""
        put = "data = json_merge_patch(data::JSON, json_object('error', ?::VARCHAR))::VARIANT"
        is_text = "json_type(data::JSON, '$.error') = 'VARCHAR'"
        self._put(cursor, place, _EVENT, f"{of} AND {is_text}", put)

    def _put(self, cursor: DuckDBPyConnection, place: str, text: str, of: str, put: str) -> None:
        if not self._values:
            return
        forms = (value.forms for value in self._values)
        may = " AND ".join(f"({' OR '.join(f'contains({text}, {literal(one)})' for one in each)})" for each in forms)
        rows = cursor.execute(f"SELECT rowid, {text} FROM {place} WHERE {of} AND {may}").fetchall()
        for row, told in rows:
            changed = self._without(told)
            if changed != told:
                cursor.execute(f"UPDATE {place} SET {put} WHERE rowid = ?", [changed, row])

    def _without(self, text: str) -> str:
        if all(value.stands_in(text) for value in self._values):
            for value in self._values:
                text = value.pattern.sub("***", text)
        return text


def _value(cursor: DuckDBPyConnection, name: str, value: Any, kinds: Iterable[str]) -> _Value:
    """As it was given, as JSON and as DuckDB have it; the longest first, of which others may be a part."""
    forms = {str(value)}
    if isinstance(value, bool):
        forms.add(str(value).lower())
    for kind in kinds:
        cast = f"SELECT TRY_CAST(TRY_CAST({literal(str(value))} AS {kind}) AS VARCHAR)"
        forms |= {found for (found,) in cursor.execute(cast).fetchall() if found is not None}
    told = sorted((form for form in forms if form.strip("* \t\n")), key=lambda form: (-len(form), form))
    common = isinstance(value, bool) or any(_COMMON.fullmatch(form) for form in told)
    return _Value(name, told, common)
