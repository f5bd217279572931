"""Rows of runs, their attempts and their tokens."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, fields
from datetime import datetime
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.ids import is_id
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.tables import artifact_marks, params, run_memory

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

FINAL = ("completed", "error", "cancelled", "interrupted")
"""States after which nothing follows."""

EXTERNAL = "external"
"""Runtime of a run that its own process began and ends: a script or notebook that only tells us."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunRow:
    """A run, or a trial of a sweep (then ``parent_id`` is the sweep).

    ``params``, ``metrics`` (the latest, numbers only) and ``labels`` are VARIANT objects to search in, and beside them
    JSON to read. ``request`` is what was
    asked for, enough to do it again; ``outcome`` what the user's process said about its end; ``handle`` where the
    executor finds it.
    """

    id: str
    project: str
    name: str | None
    function: str
    function_version: int
    handler: str | None
    runtime: str
    state: str
    created_at: datetime
    parent_id: str | None = None
    attempt: int = 1
    params: Mapping[str, Any] = field(default_factory=dict)
    metrics: Mapping[str, float] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)
    reason: str | None = None
    error_type: str | None = None
    error: str | None = None
    traceback: str | None = None
    progress: float | None = None
    best_trial: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    request: Mapping[str, Any] = field(default_factory=dict)
    outcome: Mapping[str, Any] | None = None
    handle: Mapping[str, Any] | None = None
    experiment: str | None = None
    note: str | None = None
    deleted_at: datetime | None = None
    """Deleted by a client that may want it back; no view shows it."""

    @property
    def label(self) -> str:
        """How people call it: its name, else the first digits of its id."""
        return self.name or self.short_id

    @property
    def short_id(self) -> str:
        """Enough of the id to name the run in a statement: milliseconds and microseconds of its making."""
        return self.id[:16]


@dataclass(frozen=True, slots=True)
class AttemptRow:
    """An attempt that has ended."""

    project: str
    run_id: str
    attempt: int
    state: str
    reason: str | None
    error_type: str | None
    error: str | None
    started_at: datetime | None
    finished_at: datetime


_VARIANTS = frozenset({"params", "metrics", "labels"})
_TEXTS = frozenset({"request", "outcome", "handle"})
_OPTIONAL = {"function": "", "function_version": 0}
"""What stands for NULL: of a run of no function."""
_TIMES = ("started_at", "finished_at")
_DURATION = "date_diff('microsecond', {}, {}) / 1000.0::DOUBLE"
"""``duration_ms`` is kept: were it computed by the view, DuckDB could not read single metrics through it."""
_EMPTY = "JSON '{}'::VARIANT"
_COLUMNS = tuple(entry.name for entry in fields(RunRow))
_READ = ", ".join(f"{name}_json" if name in _VARIANTS else name for name in _COLUMNS)
_SELECT = f"SELECT {_READ} FROM catalog.main.runs"


def _mark(name: str) -> str:
    return "?::JSON::VARIANT" if name in _VARIANTS else "?"


def _texts(given: Mapping[str, Any]) -> dict[str, Any]:
    """``given`` columns, and the texts of those that are VARIANT."""
    return {**given, **{f"{name}_json": value for name, value in given.items() if name in _VARIANTS}}


def _value(name: str, value: Any) -> Any:
    if name in _OPTIONAL:
        return value or None
    if name in _VARIANTS:
        return json.dumps(dict(value), default=str, ensure_ascii=False, sort_keys=True, separators=(",", ":"))
    if name in _TEXTS:
        return None if value is None else json.dumps(dict(value), default=str)
    return value


def _row(values: tuple[Any, ...]) -> RunRow:
    known = dict(zip(_COLUMNS, values, strict=True))
    for name in (*_TEXTS, *_VARIANTS):
        known[name] = None if known[name] is None else json.loads(known[name])
    for name, none in _OPTIONAL.items():
        known[name] = none if known[name] is None else known[name]
    known["metrics"] = {name: float(value) for name, value in known["metrics"].items()}
    return RunRow(**known)


def select(cursor: DuckDBPyConnection, condition: str, parameters: Iterable[Any] = ()) -> list[RunRow]:
    """Runs for which ``condition`` (SQL after WHERE) holds."""
    return [_row(values) for values in cursor.execute(f"{_SELECT} WHERE {condition}", list(parameters)).fetchall()]


def insert(cursor: DuckDBPyConnection, row: RunRow) -> None:
    """Add a run."""
    # VALUES takes half as long again, and each parameter or cast that says nothing its share
    given = _texts({name: _value(name, getattr(row, name)) for name in _COLUMNS})
    marks = {name: _EMPTY if value == "{}" and name in _VARIANTS else _mark(name) for name, value in given.items()}
    marks = {name: mark for name, mark in marks.items() if given[name] is not None}
    values = [given[name] for name, mark in marks.items() if mark is not _EMPTY]
    if row.started_at is not None and row.finished_at is not None:
        marks["duration_ms"] = _DURATION.format("?::TIMESTAMPTZ", "?::TIMESTAMPTZ")
        values += [row.started_at, row.finished_at]
    cursor.execute(f"INSERT INTO catalog.main.runs ({', '.join(marks)}) SELECT {', '.join(marks.values())}", values)
    params.insert(cursor, row.project, row.id, row.params)


def change(cursor: DuckDBPyConnection, run_id: str, changes: Mapping[str, Any], before: RunRow | None = None) -> None:
    """Set some columns of a run; ``before`` is the run as this transaction has read it."""
    unknown = set(changes) - set(_COLUMNS)
    if unknown:
        raise KeyError(f"runs have no column {unknown}")
    run_memory.changed([run_id])
    given = _texts({name: _value(name, value) for name, value in changes.items()})
    settings = [f"{name} = {_mark(name)}" for name in given]
    times = [name for name in _TIMES if name in changes]
    if times:
        duration = _DURATION.format(*("?::TIMESTAMPTZ" if name in changes else name for name in _TIMES))
        settings.append(f"duration_ms = {duration}")
    values = [*given.values(), *(changes[name] for name in times)]
    cursor.execute(f"UPDATE catalog.main.runs SET {', '.join(settings)} WHERE id = ?", [*values, run_id])
    if "params" not in changes:
        return
    wanted: Mapping[str, Any] = changes["params"]
    if before is not None and all(_same(value, wanted.get(name)) for name, value in before.params.items()):
        new = {name: value for name, value in wanted.items() if name not in before.params}
        params.insert(cursor, before.project, run_id, new)
        return
    found = cursor.execute("SELECT project FROM catalog.main.runs WHERE id = ?", [run_id]).fetchall()
    for (project,) in found:
        params.replace(cursor, project, run_id, wanted)


def complete(cursor: DuckDBPyConnection) -> None:
    """Write the texts of rows that have come without."""
    texts = ", ".join(f"{name}_json = {name}::JSON" for name in sorted(_VARIANTS))
    cursor.execute(f"UPDATE catalog.main.runs SET {texts} WHERE params_json IS NULL")


def _same(one: Any, other: Any) -> bool:
    return type(one) is type(other) and bool(one == other)


def get(cursor: DuckDBPyConnection, run_id: str) -> RunRow | None:
    """The run with exactly this id."""
    found = select(cursor, "id = ?", [run_id])
    return found[0] if found else None


def states(cursor: DuckDBPyConnection, run_ids: Sequence[str]) -> dict[str, tuple[str, str]]:
    """Project and state of those of these runs that there are, by id."""
    rows = cursor.execute(
        "SELECT id, project, state FROM catalog.main.runs WHERE id IN (SELECT unnest(?::VARCHAR[]))", [list(run_ids)]
    ).fetchall()
    return {id: (project, state) for id, project, state in rows}


def find(cursor: DuckDBPyConnection, project: str, text: str) -> RunRow:
    """The run that a user calls ``text``: its id, a name (its latest run), or a prefix of an id (8 digits or more).

    Raises ``NotFound`` with the nearest names, ``Invalid`` when a prefix fits several.
    """
    folded = text.lower()
    if is_id(folded):
        exact = select(cursor, "id = ? AND project = ? AND deleted_at IS NULL", [folded, project])
        if exact:
            return exact[0]
    latest = cursor.execute(
        "SELECT max(id) FROM catalog.main.runs WHERE project = ? AND lower(name) = ? AND deleted_at IS NULL",
        [project, folded],
    ).fetchall()[0][0]
    if latest is not None:
        return select(cursor, "id = ?", [latest])[0]
    if is_id(folded):
        # ids ascend, so that a range reads only the part of the table where it lies
        found = select(
            cursor,
            "id >= ? AND id < ? AND project = ? AND deleted_at IS NULL ORDER BY id LIMIT 4",
            [folded, f"{folded}g", project],
        )
        if len(found) > 1:
            listed = ", ".join(f"{row.short_id if len(text) < 16 else row.id} ({row.label})" for row in found[:3])
            more = ", .." if len(found) > 3 else ""
            raise Invalid(f"several runs begin with {text!r}: {listed}{more}", hint="give more digits of the id")
        if found:
            return found[0]
    known = cursor.execute(
        "SELECT DISTINCT name FROM catalog.main.runs WHERE project = ? AND name IS NOT NULL AND parent_id IS NULL",
        [project],
    ).fetchall()
    hint = did_you_mean(text, [row[0] for row in known])
    raise NotFound(f"there is no run {text!r} in project {project}", hint=hint or "SHOW RUNS lists them")


def find_completed(cursor: DuckDBPyConnection, project: str, name: str) -> RunRow | None:
    """The latest completed run of that name."""
    found = select(
        cursor,
        "project = ? AND deleted_at IS NULL AND lower(name) = lower(?) AND state = 'completed' "
        "ORDER BY id DESC LIMIT 1",
        [project, name],
    )
    return found[0] if found else None


def active(cursor: DuckDBPyConnection) -> list[RunRow]:
    """Runs that have not ended and that an executor looks after, oldest first."""
    marks = ", ".join("?" for _ in FINAL)
    return select(cursor, f"state NOT IN ({marks}) AND runtime != '{EXTERNAL}' ORDER BY id", FINAL)


def ids_of(cursor: DuckDBPyConnection, project: str) -> list[str]:
    """Ids of all runs of a project."""
    rows = cursor.execute("SELECT id FROM catalog.main.runs WHERE project = ?", [project]).fetchall()
    return [row[0] for row in rows]


def ended_with_handle(cursor: DuckDBPyConnection, runtimes: Iterable[str]) -> list[RunRow]:
    """Ended runs of these runtimes that still have a handle, oldest first."""
    marks = ", ".join("?" for _ in FINAL)
    condition = f"handle IS NOT NULL AND state IN ({marks}) AND list_contains(?::VARCHAR[], runtime) ORDER BY id"
    return select(cursor, condition, [*FINAL, list(runtimes)])


def ends(cursor: DuckDBPyConnection) -> dict[str, datetime]:
    """Id of each ended run → its end."""
    marks = ", ".join("?" for _ in FINAL)
    rows = cursor.execute(
        f"SELECT id, coalesce(finished_at, created_at) FROM catalog.main.runs WHERE state IN ({marks})", FINAL
    ).fetchall()
    return dict(rows)


def old(cursor: DuckDBPyConnection, before: datetime | None, keep: int | None) -> list[tuple[str, str]]:
    """Project and id of runs (not of trials) that ended before, or are beyond the newest ``keep`` of a project."""
    if before is None and keep is None:
        return []
    marks = ", ".join("?" for _ in FINAL)
    return cursor.execute(
        "SELECT project, id FROM catalog.main.runs "
        f"WHERE parent_id IS NULL AND deleted_at IS NULL AND state IN ({marks}) "
        "QUALIFY coalesce(finished_at, created_at) < ? "
        "OR row_number() OVER (PARTITION BY project ORDER BY id DESC) > ? ORDER BY id",
        [*FINAL, before, keep],
    ).fetchall()


def hide(cursor: DuckDBPyConnection, run_ids: Sequence[str], at: datetime) -> None:
    """They are dropped: no view shows them, and nobody finds them."""
    run_memory.changed(run_ids)
    cursor.execute(
        "UPDATE catalog.main.runs SET deleted_at = ? WHERE list_contains(?::VARCHAR[], id)", [at, list(run_ids)]
    )


def show(cursor: DuckDBPyConnection, run_id: str) -> None:
    """A dropped run is there again, with the trials that went with it."""
    run_memory.changed()
    cursor.execute(
        "UPDATE catalog.main.runs SET deleted_at = NULL WHERE id = ? OR (parent_id = ? AND deleted_at = "
        "(SELECT deleted_at FROM catalog.main.runs WHERE id = ?))",
        [run_id, run_id, run_id],
    )


def deleted(cursor: DuckDBPyConnection, project: str | None, before: datetime | None = None) -> list[RunRow]:
    """Dropped runs of a project or of all, the newest first; those that were dropped before then."""
    return select(
        cursor,
        "deleted_at IS NOT NULL AND (?::VARCHAR IS NULL OR project = ?) AND (?::TIMESTAMPTZ IS NULL OR deleted_at < ?) "
        "ORDER BY deleted_at DESC, id DESC",
        [project, project, before, before],
    )


def children(cursor: DuckDBPyConnection, parent_id: str) -> list[RunRow]:
    """Trials of a sweep, in order."""
    return select(cursor, "parent_id = ? ORDER BY id", [parent_id])


def insert_attempt(cursor: DuckDBPyConnection, row: AttemptRow, new: bool = False) -> None:
    """Keep how an attempt ended; the same again changes nothing. ``new``: it is known not to be there yet."""
    known = "FROM catalog.main.run_attempts WHERE run_id = ? AND attempt = ?"  # OR IGNORE takes three times as long
    if not new and cursor.execute(known, [row.run_id, row.attempt]).fetchall():
        return
    names = [entry.name for entry in fields(AttemptRow)]
    cursor.execute(
        f"INSERT INTO catalog.main.run_attempts ({', '.join(names)}) VALUES ({', '.join('?' for _ in names)})",
        [getattr(row, name) for name in names],
    )


def attempts(cursor: DuckDBPyConnection, run_id: str) -> list[AttemptRow]:
    """Ended attempts of a run, in order."""
    names = [entry.name for entry in fields(AttemptRow)]
    rows = cursor.execute(
        f"SELECT {', '.join(names)} FROM catalog.main.run_attempts WHERE run_id = ? ORDER BY attempt", [run_id]
    ).fetchall()
    return [AttemptRow(*values) for values in rows]


@dataclass(frozen=True, slots=True)
class TokenRow:
    """The hash of the token that opens the run API for a run."""

    project: str
    run_id: str
    digest: str
    created_at: datetime


def set_token(cursor: DuckDBPyConnection, row: TokenRow, new: bool = False) -> None:
    """The only token of this run; the one before is worthless from now on. ``new``: the run is known to have none."""
    if not new and token(cursor, row.run_id) is not None:  # asked first: OR REPLACE takes twice as long
        change = "UPDATE catalog.main.run_tokens SET digest = ?, created_at = ? WHERE run_id = ?"
        cursor.execute(change, [row.digest, row.created_at, row.run_id])
        return
    cursor.execute(
        "INSERT INTO catalog.main.run_tokens (project, run_id, digest, created_at) VALUES (?, ?, ?, ?)",
        [row.project, row.run_id, row.digest, row.created_at],
    )


def token(cursor: DuckDBPyConnection, run_id: str) -> str | None:
    """The hash of the run's token."""
    found = cursor.execute("SELECT digest FROM catalog.main.run_tokens WHERE run_id = ?", [run_id]).fetchall()
    return found[0][0] if found else None


def delete_token(cursor: DuckDBPyConnection, run_id: str) -> None:
    """No token opens the run API for this run."""
    cursor.execute("DELETE FROM catalog.main.run_tokens WHERE run_id = ?", [run_id])


def delete(cursor: DuckDBPyConnection, run_ids: Sequence[str]) -> None:
    """Delete runs with their parameters, metrics, artifacts (not the bytes), attempts, batches and tokens."""
    run_memory.changed(run_ids)
    of = cursor.execute(
        "SELECT DISTINCT project FROM catalog.main.artifacts WHERE list_contains(?::VARCHAR[], run_id)", [list(run_ids)]
    ).fetchall()
    for table in ("params", "metrics", "artifacts", "run_attempts", "run_batches", "run_tokens", "run_inputs"):
        cursor.execute(f"DELETE FROM catalog.main.{table} WHERE list_contains(?::VARCHAR[], run_id)", [list(run_ids)])
    cursor.execute("DELETE FROM catalog.main.runs WHERE list_contains(?::VARCHAR[], id)", [list(run_ids)])
    if of:
        artifact_marks.forget(cursor, [row[0] for row in of])
