"""Entities that were deleted, in the data file, and what their deletion reaches there."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from typing import TYPE_CHECKING, Any

from mlbox.base.names import literal, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

STATISTICS = "data._mlbox.feature_stats"
PREDICTIONS = "data._mlbox.predictions"
REFUSED = "data._mlbox.dead_letters"
WAITING = "data._mlbox.inbox"
"""Tables that have rows of entities; those of a dropped project are kept elsewhere."""


@dataclass(frozen=True, slots=True)
class ErasureRow:
    """A deletion; ``pending`` are online keys, which are told nobody and forgotten once they have gone."""

    id: str
    project: str
    feature_set: str | None
    entities: Sequence[str]
    digest: str
    requested_by: str
    requested_at: datetime
    offline_rows: int
    refused_rows: int
    predictions: int
    pending: Sequence[bytes]
    documents: int = 0
    feed_rows: int = 0


@dataclass(frozen=True, slots=True)
class Named:
    """An entity: its values, and the types of its columns by lower-case name."""

    values: Mapping[str, Any]
    types: Mapping[str, str]

    def in_json(self, text: str) -> str:
        """Whether a JSON text (SQL) has the values under the names (SQL)."""
        return " AND ".join(_under(text, name, self._same) for name in self.values)

    def in_text(self, text: str) -> str:
        """As :meth:`in_json`, for rows that may be garbled: the values are words under the names, or anywhere in a text
        that does not say whose it is."""
        parsed = f"TRY_CAST({text} AS JSON)"
        found = []
        for name, value in self.values.items():
            words = rf"(^|[^\pL\pN_]){re.escape(str(value))}([^\pL\pN_]|$)"
            has = f"len(list_filter(json_keys({parsed}), lambda k: lower(k) = {literal(name.lower())})) > 0"
            has = f"coalesce(json_type({parsed}) = 'OBJECT' AND {has}, FALSE)"
            under = _under(parsed, name, partial(self._same, words=words))
            spread = f"regexp_matches({text}, {literal(words)})"
            found.append(f"CASE WHEN {has} THEN {under} ELSE {spread} END")
        return " AND ".join(f"coalesce({part}, FALSE)" for part in found)

    def in_columns(self, columns: Sequence[tuple[str, str]]) -> str | None:
        """The same for a table whose columns are (name, type); None when it has not all of them."""
        own = {name.lower(): name for name, _ in columns}
        if not {name.lower() for name in self.values} <= own.keys():
            return None
        same = (self._same(name, f"{quote(own[name.lower()])}::VARCHAR") for name in self.values)
        return " AND ".join(f"coalesce({part}, FALSE)" for part in same)

    def _same(self, name: str, found: str, words: str | None = None) -> str:
        """Whether a text is the value: as a text, as the column's type has it, or as a number (7, 7.0 and "7"). With
        ``words`` (a pattern) also whether it has it."""
        value, kind = self.values[name], self.types.get(name.lower(), "VARCHAR")
        same = f"{found} = {literal(str(value))}"
        if kind != "VARCHAR":
            same += f" OR TRY_CAST({found} AS {kind}) = TRY_CAST({literal(str(value))} AS {kind})"
        if isinstance(value, int | float) and not isinstance(value, bool):
            same += f" OR TRY_CAST({found} AS DOUBLE) = {value}"
        if words is not None:
            same += f" OR regexp_matches({found}, {literal(words)})"
        return f"({same})"


def insert(cursor: DuckDBPyConnection, row: ErasureRow) -> None:
    """With the rows that go, in one transaction."""
    values: list[Any] = [row.id, row.project, row.feature_set, list(row.entities), row.digest, row.requested_by]
    values += [row.requested_at, row.offline_rows, row.refused_rows, row.predictions]
    keys = json.dumps([key.hex() for key in row.pending])
    cursor.execute(
        "INSERT INTO data._mlbox.erasures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?, ?)",
        [*values, keys, row.documents, row.feed_rows],
    )


def happened(cursor: DuckDBPyConnection, project: str, since: datetime) -> bool:
    """Whether somebody was deleted from a project since then."""
    found = "SELECT 1 FROM data._mlbox.erasures WHERE project = ? AND requested_at >= ? LIMIT 1"
    return bool(cursor.execute(found, [project, since]).fetchall())


def pending(cursor: DuckDBPyConnection) -> list[tuple[str, list[bytes]]]:
    """(id, online keys) of the deletions that are not complete."""
    rows = cursor.execute("SELECT id, pending FROM data._mlbox.erasures WHERE pending IS NOT NULL").fetchall()
    return [(row[0], [bytes.fromhex(key) for key in json.loads(row[1])]) for row in rows]


def complete(cursor: DuckDBPyConnection, erasure_id: str, online_rows: int) -> None:
    """The online keys have gone, and are forgotten."""
    cursor.execute(
        "UPDATE data._mlbox.erasures SET pending = NULL, online_rows = ?, completed_at = now() "
        "WHERE id = ? AND pending IS NOT NULL",
        [online_rows, erasure_id],
    )


def delete_rows(cursor: DuckDBPyConnection, table: str, condition: str) -> int:
    """Of a table of a set (SQL)."""
    found: int = cursor.execute(f"DELETE FROM {table} WHERE {condition}").fetchall()[0][0]
    return found


def delete_predictions(
    cursor: DuckDBPyConnection,
    project: str,
    entity: Named,
    endpoints: Iterable[str] | None,
    table: str = PREDICTIONS,
) -> int:
    """Predictions whose inputs name the entity; of ``endpoints`` only, where they are given."""
    condition = entity.in_json("inputs::JSON")
    if endpoints is not None:
        names = ", ".join(literal(name) for name in endpoints)
        condition += f" AND endpoint IN ({names})" if names else " AND FALSE"
    return delete_rows(cursor, table, f"project = {literal(project)} AND {condition}")


def forget_statistics(
    cursor: DuckDBPyConnection, set_ids: Iterable[str], entity: Mapping[str, Any], statistics: str = STATISTICS
) -> None:
    """The entity's values: among the frequent ones of its columns, and where they bound the others."""
    ids = ", ".join(literal(set_id) for set_id in set_ids)
    for name, value in entity.items() if ids else ():
        of = f"set_id IN ({ids}) AND lower(column_name) = {literal(name.lower())}"
        cursor.execute(
            f"UPDATE {statistics} SET top = list_filter(top, lambda t: t != {literal(str(value))}) WHERE {of}"
        )
        number = f"TRY_CAST({literal(str(value))} AS DOUBLE)"
        cursor.execute(
            f"UPDATE {statistics} SET min = NULL, max = NULL, quantiles = NULL, histogram_edges = NULL, "
            f"histogram_counts = NULL WHERE {of} AND (min = {number} OR max = {number} "
            f"OR list_contains(quantiles, {number}))"
        )


def own_texts(
    cursor: DuckDBPyConnection, set_id: str, table: str, condition: str, statistics: str = STATISTICS
) -> dict[str, list[str]]:
    """By column: the texts of the rows of a condition that stand among the frequent ones of the statistics."""
    kept = cursor.execute(
        "SELECT column_name, list(DISTINCT value) FROM (SELECT column_name, unnest(top) AS value "
        f"FROM {statistics} WHERE set_id = ?) GROUP BY column_name",
        [set_id],
    ).fetchall()
    found = {}
    for name, texts in kept:
        asked = f"SELECT DISTINCT {quote(name)} FROM {table} WHERE {condition} AND list_contains(?, {quote(name)})"
        found[name] = [row[0] for row in cursor.execute(asked, [texts]).fetchall()]
    return {name: texts for name, texts in found.items() if texts}


def forget_texts(
    cursor: DuckDBPyConnection,
    set_id: str,
    table: str,
    texts: Mapping[str, Sequence[str]],
    statistics: str = STATISTICS,
) -> None:
    """Those that no row has any more: they were of the entity alone."""
    for name, given in texts.items():
        kept = {
            row[0]
            for row in cursor.execute(
                f"SELECT DISTINCT {quote(name)} FROM {table} WHERE list_contains(?, {quote(name)})", [list(given)]
            ).fetchall()
        }
        gone = ", ".join(literal(text) for text in given if text not in kept)
        if gone:
            cursor.execute(
                f"UPDATE {statistics} SET top = list_filter(top, lambda t: t NOT IN ({gone})) "
                "WHERE set_id = ? AND column_name = ?",
                [set_id, name],
            )


def delete_refused(
    cursor: DuckDBPyConnection, project: str, owners: Iterable[str] | None, entity: Named, table: str = REFUSED
) -> int:
    """Rows that sets and feeds have refused: of all of a project, or of those with the ids ``owners``."""
    of = f"project = {literal(project)}" if owners is None else f"set_id IN ({_listed(owners)})"
    return delete_rows(cursor, table, f"{of} AND {entity.in_text(_ROW)}")


def delete_waiting(
    cursor: DuckDBPyConnection, project: str, feeds: Iterable[str] | None, entity: Named, table: str = WAITING
) -> int:
    """Rows that wait for the endpoint of a feed: of all feeds of a project, or of those with the ids ``feeds``."""
    of = f"project = {literal(project)}" if feeds is None else f"feed_id IN ({_listed(feeds)})"
    return delete_rows(cursor, table, f"{of} AND {entity.in_text(_ROW)}")


def delete_answers(cursor: DuckDBPyConnection, project: str, tables: Iterable[str], entity: Named) -> int:
    """Rows of the tables into which feeds write; those without the entity's columns are left alone."""
    count = 0
    for name in tables:
        columns = cursor.execute(
            "SELECT column_name, data_type FROM duckdb_columns() WHERE database_name = 'data' "
            "AND schema_name = ? AND lower(table_name) = lower(?)",
            [project, name],
        ).fetchall()
        condition = entity.in_columns(columns)
        if condition is not None:
            count += delete_rows(cursor, f"data.{quote(project)}.{quote(name)}", condition)
    return count


_ROW = '"row"'


def _listed(ids: Iterable[str]) -> str:
    return ", ".join(map(literal, ids)) or "NULL"


def _under(json_text: str, name: str, same: Callable[[str, str], str]) -> str:
    """Whether a JSON object has the value under the name, whichever its case."""
    key = f"list_filter(json_keys({json_text}), lambda k: lower(k) = {literal(name.lower())})[1]"
    found = f"json_extract_string({json_text}, '$.' || '\"' || {key} || '\"')"
    return f"coalesce({same(name, found)}, FALSE)"


def datasets_of(
    cursor: DuckDBPyConnection, sets: Iterable[tuple[str, str]], vectors: Iterable[tuple[str, str]]
) -> list[str]:
    """Datasets (``project.name@version``) that were made from sets or vectors, and are kept."""
    origins = [("feature set", f"{project}.{name}") for project, name in sets]
    origins += [("feature vector", f"{project}.{name}") for project, name in vectors]
    found: set[str] = set()
    for kind, ref in origins:
        rows = cursor.execute(
            "SELECT DISTINCT to_ref FROM catalog.main.lineage l JOIN catalog.main.artifacts a "
            "ON l.to_ref = a.project || '.' || a.name || '@' || a.version "
            "WHERE to_kind = 'artifact' AND detail = 'CREATE DATASET' AND from_kind = ? "
            "AND lower(split_part(from_ref, '@', 1)) = lower(?)",
            [kind, ref],
        ).fetchall()
        found |= {row[0] for row in rows}
    return sorted(found)


def endpoints_reading(cursor: DuckDBPyConnection, vectors: Iterable[tuple[str, str]], project: str) -> list[str]:
    """Endpoints of a project that are enriched with one of the vectors."""
    found = []
    for vector_project, vector in vectors:
        rows = cursor.execute(
            "SELECT name FROM catalog.main.endpoints WHERE project = ? AND vector_project = ? AND vector_name = ?",
            [project, vector_project, vector],
        ).fetchall()
        found += [row[0] for row in rows]
    return found


def feeds_asking(cursor: DuckDBPyConnection, project: str, endpoints: Sequence[str]) -> list[str]:
    """Feeds of a project that ask one of the endpoints."""
    of = f"project = {literal(project)} AND endpoint IN ({_listed(endpoints)})"
    return [row[0] for row in cursor.execute(f"SELECT name FROM catalog.main.feeds WHERE {of}").fetchall()]


def matching(entities: Sequence[tuple[str, str]], entity: Mapping[str, Any]) -> str:
    """The condition on a set's table (SQL); ``entities`` are (column, type)."""
    types = {name.lower(): (name, kind) for name, kind in entities}
    parts = []
    for name, value in entity.items():
        column, kind = types[name.lower()]
        parts.append(f"{quote(column)} = TRY_CAST({literal(str(value))} AS {kind})")
    return " AND ".join(parts)


def is_of_type(cursor: DuckDBPyConnection, value: Any, kind: str) -> bool:
    """Whether a value is one of a type (SQL)."""
    ((found,),) = cursor.execute(f"SELECT TRY_CAST({literal(str(value))} AS {kind}) IS NOT NULL").fetchall()
    return bool(found)
