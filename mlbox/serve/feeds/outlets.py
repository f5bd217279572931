"""Where answers go. What cannot be taken is told answer by answer, so that the others go on."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.names import JSON_COLUMN, Ref, literal, quote
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables import feeds as table
from mlbox.engine.features.sinks.base import EVENT

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.sinks.base import Sink

Row = Mapping[str, Any]
EXACT = 2**53
"""Up to it a DOUBLE holds every whole number."""
TYPES = {"FP64": "DOUBLE", "FP32": "DOUBLE", "FP16": "DOUBLE", "BOOL": "BOOLEAN", "BYTES": "VARCHAR"}
_NESTED = ("STRUCT", "MAP", "UNION", "VARIANT", "JSON")


class Outlet(Protocol):
    """Takes answers of one feed."""

    def send(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """Before the commit; reasons by place of those that will never be taken. ``Unavailable``: try again."""
        ...

    def commit(self, cursor: DuckDBPyConnection, rows: Sequence[Row]) -> None:
        """Inside the transaction of the offsets."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class NoOutlet:
    """Answers stand in the prediction log alone."""

    def send(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """Nothing."""
        return {}

    def commit(self, cursor: DuckDBPyConnection, rows: Sequence[Row]) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


@dataclass(frozen=True, slots=True)
class SinkOutlet:
    """A stream or webhook: it has the answers before the offsets are committed, and after a crash perhaps twice."""

    sink: Sink

    def send(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """Together; when that is refused, in halves."""
        return _refused(self._write, rows)

    def _write(self, rows: Sequence[Row]) -> None:
        if rows:
            self.sink.write(rows)

    def commit(self, cursor: DuckDBPyConnection, rows: Sequence[Row]) -> None:
        """Nothing: they have gone."""

    def close(self) -> None:
        """Close the sink."""
        self.sink.close()


@dataclass(slots=True)
class _Known:
    """What is looked up once: whether the feed has made the table, and whether the table may refuse rows."""

    there: bool = False
    made: bool = False
    rules: bool = False


@dataclass(frozen=True, slots=True)
class TableOutlet:
    """A table of the project, in the transaction of the offsets, so that each answer is there once.

    A table that is there is filled as it is: fields without a column are left out. One that is not is made of the
    first answers, and grows: fields that come later become columns, whole numbers become DOUBLE when fractions come
    (but where a DOUBLE would round one of them).
    """

    catalog: Catalog
    project: str
    name: str
    made_by: str
    """The comment of a table that the feed has made."""
    types: Mapping[str, str]
    """Types of columns that are known before there is a value, by name in lower case."""
    known: _Known = field(default_factory=lambda: _Known())

    def send(self, rows: Sequence[Row]) -> Mapping[int, str]:
        """Make the table fit, then try the rows; nothing is written."""
        if not rows:
            return {}
        self._fit(rows)
        with self.catalog.read() as cursor:
            refused = _misfits(cursor, table.columns_of(cursor, self.project, self.name), rows)
        if not self.known.rules:
            return refused
        left = [place for place in range(len(rows)) if place not in refused]
        broken = _refused(self._try, [rows[place] for place in left])
        return {**refused, **{left[place]: reason for place, reason in broken.items()}}

    def commit(self, cursor: DuckDBPyConnection, rows: Sequence[Row]) -> None:
        """Insert by name."""
        if not rows:
            return
        names = _names(rows)
        columns = table.columns_of(cursor, self.project, self.name)
        known = [(name, kind) for name, kind in columns if name.lower() in names]
        if not known:
            raise Invalid(
                f"table {self.project}.{self.name} has no column of the answers",
                hint=f"the answers have {', '.join(dict.fromkeys(name for row in rows for name in row))}",
            )
        with _given(cursor, rows) as given:
            cursor.execute(
                f"INSERT INTO {self._table} ({', '.join(quote(name) for name, _ in known)}) "
                f"SELECT {', '.join(_cast(name, kind) for name, kind in known)} FROM {given} ORDER BY _n"
            )

    def close(self) -> None:
        """Nothing is open."""

    @property
    def _table(self) -> str:
        return f"data.{quote(self.project)}.{quote(self.name)}"

    def _try(self, rows: Sequence[Row]) -> None:
        """Raise ``Invalid`` where a rule of the table refuses one of them."""
        import duckdb

        with self.catalog.read() as cursor:
            cursor.execute("BEGIN TRANSACTION")
            try:
                self.commit(cursor, rows)
            except duckdb.Error as error:
                raise Invalid(translate(error).message) from None
            finally:
                cursor.execute("ROLLBACK")

    def _fit(self, rows: Sequence[Row]) -> None:
        if not self.known.there:
            self._look()
        if self.known.there and not self.known.made:
            return
        wanted = {name: kind for name in _names(rows).values() if (kind := self._type(name, rows)) is not None}
        if not self.known.there:
            declared = ", ".join(f"{quote(name)} {kind}" for name, kind in wanted.items())
            self._change(
                f"CREATE TABLE IF NOT EXISTS {self._table} ({declared})",
                f"COMMENT ON TABLE {self._table} IS {literal(self.made_by)}",
            )
            self._look()
        with self.catalog.read() as cursor:
            known = {name.lower(): kind for name, kind in table.columns_of(cursor, self.project, self.name)}
        for name, kind in wanted.items():
            if name.lower() not in known:
                self._change(f"ALTER TABLE {self._table} ADD COLUMN {quote(name)} {kind}")
            elif (known[name.lower()], kind) == ("BIGINT", "DOUBLE") and self._may_round(name, rows):
                self._change(f"ALTER TABLE {self._table} ALTER COLUMN {quote(name)} TYPE DOUBLE")

    def _may_round(self, name: str, rows: Sequence[Row]) -> bool:
        """Whether fractions come, and no digits of whole numbers that are there are lost for them."""
        if not any(isinstance(row.get(name), float) for row in rows):
            return False
        with self.catalog.read() as cursor:
            return not table.exceeds(cursor, Ref(self.project, self.name), name, EXACT)

    def _look(self) -> None:
        with self.catalog.read() as cursor:
            comment, columns = table.table_shape(cursor, self.project, self.name)
            self.known.there, self.known.made = bool(columns), comment == self.made_by
            self.known.rules = table.has_rules(cursor, self.project, self.name)

    def _change(self, *statements: str) -> None:
        def change(cursor: DuckDBPyConnection) -> None:
            for text in statements:
                cursor.execute(text)

        self.catalog.write_data(change)

    def _type(self, name: str, rows: Sequence[Row]) -> str | None:
        """Of the values that a field has; None while it has none."""
        values = [row[name] for row in rows if row.get(name) is not None]
        kinds = {type(value) for value in values}
        if name == EVENT:
            return "VARCHAR"
        declared = self.types.get(name.lower())
        if declared is not None:
            keys = declared == "DOUBLE" and kinds == {int} and any(abs(value) > EXACT for value in values)
            return "BIGINT" if keys else declared  # a DOUBLE would round them
        if not kinds:
            return None
        if kinds == {bool}:
            return "BOOLEAN"
        if kinds <= {int, float}:
            return "BIGINT" if kinds == {int} else "DOUBLE"
        return "VARCHAR" if kinds == {str} else "JSON"


def _refused(write: Any, rows: Sequence[Row], first: int = 0) -> dict[int, str]:
    """Reasons by place of the rows that ``write`` refuses with ``Invalid``; it is asked for halves to find them."""
    try:
        write(rows)
    except Invalid as error:
        if len(rows) == 1:
            return {first: error.message}
        middle = len(rows) // 2
        return {**_refused(write, rows[:middle], first), **_refused(write, rows[middle:], first + middle)}
    return {}


def _names(rows: Sequence[Row]) -> dict[str, str]:
    """Fields by name in lower case, in order."""
    found: dict[str, str] = {}
    for row in rows:
        for name in row:
            found.setdefault(name.lower(), name)
    return found


def _holds(kind: str, values: Sequence[Any]) -> bool:
    """Whether a column surely takes the values as they are."""
    kinds = {type(value) for value in values} - {type(None)}
    if kind in ("VARCHAR", "JSON"):
        return True
    if kind == "DOUBLE":
        return kinds <= {int, float} and not any(type(value) is int and abs(value) > EXACT for value in values)
    if kind == "BIGINT":
        return kinds <= {int} and all(-(2**63) <= value < 2**63 for value in values if value is not None)
    return kind == "BOOLEAN" and kinds <= {bool}


@contextmanager
def _given(cursor: DuckDBPyConnection, rows: Sequence[Row]) -> Iterator[str]:
    """Rows as JSON objects with names in lower case, under the name of a relation."""
    import pyarrow

    texts = [json.dumps({name.lower(): value for name, value in row.items()}, default=str) for row in rows]
    cursor.register("_answers", pyarrow.table({"_n": range(len(rows)), JSON_COLUMN: pyarrow.array(texts, "string")}))
    try:
        yield "_answers"
    finally:
        with suppress(Exception):  # in a transaction that has failed; its end takes the name away too
            cursor.unregister("_answers")


def _raw(name: str, kind: str) -> str:
    path = literal('$."' + name.lower().replace('"', '\\"') + '"')
    nested = kind.upper().startswith(_NESTED) or kind.endswith("]")
    return f"{'json_extract' if nested else 'json_extract_string'}({JSON_COLUMN}, {path})"


def _cast(name: str, kind: str) -> str:
    return f"TRY_CAST({_raw(name, kind)} AS {kind})"


def _misfits(cursor: DuckDBPyConnection, columns: Sequence[tuple[str, str]], rows: Sequence[Row]) -> dict[int, str]:
    """Reasons by place of the rows with a value that its column cannot hold."""
    told = []
    values: dict[str, list[Any]] = {}
    for row in rows:
        for name, value in row.items():
            values.setdefault(name.lower(), []).append(value)
    for name, kind in columns:
        sent = values.get(name.lower())
        if sent is None or _holds(kind, sent):
            continue
        raw, value = _raw(name, kind), _cast(name, kind)
        wrong = f"{raw} IS NOT NULL AND {raw}::VARCHAR <> 'null' AND {value} IS NULL"
        if kind in ("TINYINT", "SMALLINT", "INTEGER", "BIGINT", "HUGEINT"):  # a cast would round
            wrong = f"({wrong}) OR TRY_CAST({raw} AS DOUBLE) % 1 <> 0"
        if kind == "DOUBLE":
            whole = f"TRY_CAST({raw} AS HUGEINT) <> TRY_CAST({value} AS HUGEINT)"
            wrong = f"({wrong}) OR (regexp_full_match({raw}, '-?[0-9]+') AND {whole})"
        told.append(
            f"WHEN {wrong} THEN {literal(f'{name} does not fit its column of type {kind}: ')} "
            f"|| left({raw}::VARCHAR, 100)"
        )
    if not told:
        return {}
    with _given(cursor, rows) as given:
        found = cursor.execute(
            f"SELECT _n, reason FROM (SELECT _n, CASE {' '.join(told)} END AS reason FROM {given}) "
            "WHERE reason IS NOT NULL"
        ).fetchall()
    return {int(place): str(reason) for place, reason in found}
