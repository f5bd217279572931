"""Entities that were deleted, in the data file, and what their deletion reaches there."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.names import literal, quote

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


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


def insert(cursor: DuckDBPyConnection, row: ErasureRow) -> None:
    """With the rows that go, in one transaction."""
    values: list[Any] = [row.id, row.project, row.feature_set, list(row.entities), row.digest, row.requested_by]
    values += [row.requested_at, row.offline_rows, row.refused_rows, row.predictions]
    keys = json.dumps([key.hex() for key in row.pending])
    cursor.execute(
        "INSERT INTO data._mlbox.erasures VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, NULL, NULL, ?, ?)",
        [*values, keys, row.documents],
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
    cursor: DuckDBPyConnection, project: str, entity: Mapping[str, Any], endpoints: Iterable[str] | None
) -> int:
    """Predictions whose inputs name the entity; of ``endpoints`` only, where they are given."""
    condition = " AND ".join(_names("inputs::JSON", name, value) for name, value in entity.items())
    if endpoints is not None:
        names = ", ".join(literal(name) for name in endpoints)
        condition += f" AND endpoint IN ({names})" if names else " AND FALSE"
    text = f"DELETE FROM data._mlbox.predictions WHERE project = {literal(project)} AND {condition}"
    found: int = cursor.execute(text).fetchall()[0][0]
    return found


def forget_statistics(cursor: DuckDBPyConnection, set_ids: Iterable[str], entity: Mapping[str, Any]) -> None:
    """The entity's values among the frequent ones of its columns."""
    ids = ", ".join(literal(set_id) for set_id in set_ids)
    for name, value in entity.items() if ids else ():
        cursor.execute(
            f"UPDATE data._mlbox.feature_stats SET top = list_filter(top, lambda t: t != {literal(str(value))}) "
            f"WHERE set_id IN ({ids}) AND lower(column_name) = {literal(name.lower())}"
        )


def delete_refused(cursor: DuckDBPyConnection, set_ids: Iterable[str], entity: Mapping[str, Any]) -> int:
    """Rows of streams that were refused."""
    ids = ", ".join(literal(set_id) for set_id in set_ids)
    if not ids:
        return 0
    condition = " AND ".join(_names('TRY_CAST("row" AS JSON)', name, value) for name, value in entity.items())
    found: int = cursor.execute(
        f"DELETE FROM data._mlbox.dead_letters WHERE set_id IN ({ids}) AND {condition}"
    ).fetchall()[0][0]
    return found


def _names(json_text: str, name: str, value: Any) -> str:
    """Whether a JSON object has the value under the name, whichever its case; 7, 7.0 and "7" are one."""
    key = f"list_filter(json_keys({json_text}), lambda k: lower(k) = {literal(name.lower())})[1]"
    found = f"json_extract_string({json_text}, '$.' || '\"' || {key} || '\"')"
    same = f"{found} = {literal(str(value))}"
    if isinstance(value, int | float) and not isinstance(value, bool):
        same = f"({same} OR TRY_CAST({found} AS DOUBLE) = {value})"
    return f"coalesce({same}, FALSE)"


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


def matching(entities: Sequence[tuple[str, str]], entity: Mapping[str, Any]) -> str:
    """The condition on a set's table (SQL); ``entities`` are (column, type)."""
    types = {name.lower(): (name, kind) for name, kind in entities}
    parts = []
    for name, value in entity.items():
        column, kind = types[name.lower()]
        parts.append(f"{quote(column)} = CAST({literal(str(value))} AS {kind})")
    return " AND ".join(parts)
