"""Points of metrics, and the batches that they came in."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.engine.catalog.incoming import registered

if TYPE_CHECKING:
    import numpy
    import pyarrow
    from duckdb import DuckDBPyConnection

_ARROW_ROWS = 500  # below this many a Python list is the quicker way in

_INSERT = (
    "INSERT INTO catalog.main.metrics (project, run_id, batch, ordinal, name, step, value, logged_at) "
    "SELECT $project, $run_id, $batch, {columns}"
)


@dataclass(frozen=True, slots=True)
class Points:
    """Points of one batch of a run, column by column."""

    project: str
    run_id: str
    batch: str
    ordinals: Sequence[int]
    names: Sequence[str]
    steps: Sequence[int | None]
    values: Sequence[float]
    times: Sequence[datetime]
    packed: Sequence[Packed] = ()
    """Behind the others."""


@dataclass(frozen=True, slots=True)
class Packed:
    """Many points of one metric in their order: ``steps`` and ``times`` (microseconds since 1970) of int64, ``values``
    of float64."""

    name: str
    steps: numpy.ndarray | None
    values: numpy.ndarray
    times: numpy.ndarray


@dataclass(frozen=True, slots=True)
class Point:
    """One point of a metric."""

    step: int | None
    value: float
    logged_at: datetime


def history(cursor: DuckDBPyConnection, run_id: str, name: str, offset: int, limit: int) -> list[Point]:
    """Points of a metric of a run, in the order of arrival."""
    rows = cursor.execute(
        "SELECT step, value, logged_at FROM catalog.main.metrics WHERE run_id = ? AND name = ? ORDER BY rowid "
        "LIMIT ? OFFSET ?",
        [run_id, name, limit, offset],
    ).fetchall()
    return [Point(*row) for row in rows]


def points_of(cursor: DuckDBPyConnection, run_id: str, names: Sequence[str]) -> list[tuple[str, Point]]:
    """All points of some metrics of a run, with their names."""
    rows = cursor.execute(
        "SELECT name, step, value, logged_at FROM catalog.main.metrics "
        "WHERE run_id = ? AND name IN (SELECT unnest(?::VARCHAR[]))",
        [run_id, list(names)],
    ).fetchall()
    return [(name, Point(*row)) for name, *row in rows]


def latest(cursor: DuckDBPyConnection, run_ids: Sequence[str]) -> dict[str, dict[str, Point]]:
    """The last point of each metric (highest step, then time), by run and name."""
    rows = cursor.execute(
        "SELECT run_id, name, last.step, last.value, last.logged_at FROM ("
        "SELECT run_id, name, max_by({'step': step, 'value': value, 'logged_at': logged_at}, "
        "{'step': coalesce(step, 0), 'time': logged_at, 'row': rowid}) AS last "
        "FROM catalog.main.metrics WHERE run_id IN (SELECT unnest(?::VARCHAR[])) AND run_id >= ? "
        "GROUP BY run_id, name)",
        [list(run_ids), min(run_ids, default="")],
    ).fetchall()
    found: dict[str, dict[str, Point]] = {}
    for run_id, name, *point in rows:
        found.setdefault(run_id, {})[name] = Point(*point)
    return found


def enter_batches(cursor: DuckDBPyConnection, batches: Sequence[tuple[str, str, str, datetime]]) -> None:
    """Let in batches (project, run, batch, time) that are known to be new."""
    if not batches:
        return
    projects, run_ids, names, times = (list(column) for column in zip(*batches, strict=True))
    cursor.execute(
        "INSERT INTO catalog.main.run_batches (project, run_id, batch, accepted_at) "
        "SELECT unnest($projects), unnest($run_ids), unnest($batches), unnest($times)",
        {"projects": projects, "run_ids": run_ids, "batches": names, "times": times},
    )


def is_known(cursor: DuckDBPyConnection, run_id: str, batch: str) -> bool:
    """Whether a batch was let in."""
    known = "SELECT 1 FROM catalog.main.run_batches WHERE run_id = ? AND batch = ?"
    return bool(cursor.execute(known, [run_id, batch]).fetchall())


def reported(
    cursor: DuckDBPyConnection, run_ids: Sequence[str], name: str
) -> dict[str, list[tuple[int | None, float]]]:
    """Step and value of a metric, by run, in the order of arrival."""
    rows = cursor.execute(
        "SELECT run_id, step, value FROM catalog.main.metrics "
        "WHERE run_id IN (SELECT unnest(?::VARCHAR[])) AND run_id >= ? AND name = ? ORDER BY rowid",
        [list(run_ids), min(run_ids), name],
    ).fetchall()
    found: dict[str, list[tuple[int | None, float]]] = {}
    for run_id, step, value in rows:
        found.setdefault(run_id, []).append((step, value))
    return found


def insert(cursor: DuckDBPyConnection, points: Points) -> None:
    """Add points; nothing when there are none."""
    keys = {"project": points.project, "run_id": points.run_id, "batch": points.batch}
    if points.names and not points.packed and len(points.names) < _ARROW_ROWS:
        columns = "unnest($ordinals), unnest($names), unnest($steps)::BIGINT, unnest($values), unnest($times)"
        lists = {
            "ordinals": list(points.ordinals),
            "names": list(points.names),
            "steps": list(points.steps),
            "values": list(points.values),
            "times": list(points.times),
        }
        cursor.execute(_INSERT.format(columns=columns), {**keys, **lists})
    elif points.names or points.packed:
        with registered(cursor, "incoming_points", _table(points)):
            columns = "ordinal, name, step, value, logged_at FROM incoming_points"
            cursor.execute(_INSERT.format(columns=columns), keys)


def insert_all(cursor: DuckDBPyConnection, several: Sequence[Points]) -> None:
    """As ``insert`` of each, with one statement for all; none of them has packed ones."""
    if sum(len(points.names) for points in several) >= _ARROW_ROWS or len(several) < 2:
        for points in several:
            insert(cursor, points)
        return
    columns: dict[str, list[Any]] = {
        "projects": [points.project for points in several for _ in points.names],
        "run_ids": [points.run_id for points in several for _ in points.names],
        "batches": [points.batch for points in several for _ in points.names],
        "ordinals": [ordinal for points in several for ordinal in points.ordinals],
        "names": [name for points in several for name in points.names],
        "steps": [step for points in several for step in points.steps],
        "values": [value for points in several for value in points.values],
        "times": [time for points in several for time in points.times],
    }
    listed = ", ".join(f"unnest(${name}){'::BIGINT' if name == 'steps' else ''}" for name in columns)
    cursor.execute(
        "INSERT INTO catalog.main.metrics (project, run_id, batch, ordinal, name, step, value, logged_at) "
        f"SELECT {listed}",
        columns,
    )


def _table(points: Points) -> pyarrow.Table:
    """All points as Arrow. Ordinals of packed ones go on behind the last of the others."""
    import pyarrow

    moment = pyarrow.timestamp("us", tz="UTC")
    tables = [
        pyarrow.table(
            {
                "ordinal": pyarrow.array(points.ordinals, pyarrow.int32()),
                "name": pyarrow.array(points.names, pyarrow.string()),
                "step": pyarrow.array(points.steps, pyarrow.int64()),
                "value": pyarrow.array(points.values, pyarrow.float64()),
                "logged_at": pyarrow.array(points.times, moment),
            }
        )
    ]
    first = max(points.ordinals, default=-1) + 1
    for packed in points.packed:
        count = len(packed.values)
        tables.append(
            pyarrow.table(
                {
                    "ordinal": pyarrow.array(range(first, first + count), pyarrow.int32()),
                    "name": pyarrow.repeat(packed.name, count),
                    "step": pyarrow.nulls(count, pyarrow.int64())
                    if packed.steps is None
                    else pyarrow.array(packed.steps, pyarrow.int64()),
                    "value": pyarrow.array(packed.values, pyarrow.float64()),
                    "logged_at": pyarrow.array(packed.times, pyarrow.int64()).cast(moment),
                }
            )
        )
        first += count
    return pyarrow.concat_tables(tables)
