"""Rows of a query while it is computed, and as a table."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from mlbox.base.underway import current
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.views.base import View, all_views
from mlbox.sql.script import REMEMBERED, REMEMBERED_CHARACTERS

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.base.command import Query

MARKED = frozenset({"JSON", "UUID", "UUID[]"})
"""Types that come as text and are told in the metadata of their columns (``mlbox:type``)."""
BATCH_ROWS = 8_192
"""Rows of a batch at most: what is held of a result that is streamed."""


class QueryRows:
    """``base.command.Rows`` over a DuckDB relation, up to ``limit`` rows. Closing it calls ``release``.

    The first batch is computed at once, so that what is wrong with the query is told before anything is delivered.
    """

    def __init__(self, rows: Shown, query: Query, *, limit: int | None) -> None:
        self._query = query
        self._limit = limit
        self._underway = current()
        self._open = True
        self.release: Callable[[], object] = lambda: None
        """Ends the transaction that the rows are read in."""
        self.truncated = False
        """Whether there were more than ``limit`` rows; known at the end."""
        self._reader = rows.relation.to_arrow_reader(BATCH_ROWS)
        self._schema = _marked(self._reader.schema, rows.marks)
        self._first = self._next()

    @property
    def schema(self) -> pyarrow.Schema:
        """Columns; text that is JSON is marked, so that renderers can show it as a value."""
        return self._schema

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        """Batch by batch, once; closes itself at the end."""
        try:
            yield from self._batches()
        finally:
            self.close()

    def _batches(self) -> Iterator[pyarrow.RecordBatch]:
        batch, self._first, count = self._first, None, 0
        while batch is not None:
            left = None if self._limit is None else self._limit - count
            if left is not None and batch.num_rows > left:
                self.truncated = True
                if left:
                    yield batch.slice(0, left)
                return
            count += batch.num_rows
            yield batch
            batch = self._next()

    def _next(self) -> pyarrow.RecordBatch | None:
        import pyarrow

        try:
            if self._underway is not None:
                self._underway.check()
            batch = next(self._reader, None)
        except (OSError, pyarrow.ArrowException) as error:  # so Arrow tells of DuckDB's errors
            if self._underway is not None:
                self._underway.check()
            raise _told(error, self._query) from None
        if batch is None:
            return None
        return pyarrow.RecordBatch.from_arrays(batch.columns, schema=self._schema)

    def close(self) -> None:
        """End the query and its transaction; harmless a second time."""
        if not self._open:
            return
        self._open = False
        self._first = None
        with suppress(Exception):
            self._reader.close()
        self.release()

    def table(self) -> pyarrow.Table:
        """All rows at once."""
        import pyarrow

        return pyarrow.Table.from_batches(list(self), schema=self._schema)


def whole_table(rows: Shown) -> pyarrow.Table:
    """All rows, however many."""
    import pyarrow

    table: pyarrow.Table = rows.relation.to_arrow_table()
    if not rows.marks:
        return table
    return pyarrow.Table.from_arrays(table.columns, schema=_marked(table.schema, rows.marks))


def _told(error: Exception, query: Query) -> Exception:
    """Interrupted, read-only and the like are for whoever holds the transaction."""
    import duckdb

    text = str(error)
    if "read-only" in text:
        return duckdb.TransactionException(text)
    return translate(error, query)


@dataclass(frozen=True, slots=True)
class Shown:
    """A relation that Arrow can take, and by position the types that Arrow has no name for."""

    relation: Any
    marks: dict[int, str]


def shown(
    cursor: DuckDBPyConnection, query: Query, parameters: Any, notes: dict[str, Shown] | None = None
) -> Shown | None:
    """The rows of a statement with VARIANT columns as JSON; None when there are none to be read.

    DuckDB binds a text to tell its columns, and once more around the casts. Of a text that names nothing but a public
    view and its columns, which stay what they are, the casts are remembered, and in ``notes`` of the cursor's session,
    which only the owner's have, the relation, which can be read again and again.
    """
    import duckdb

    owner = notes is not None
    if notes is not None and not parameters and query.text in notes:
        return notes[query.text]
    known = _known.get((query.text, owner))
    if known is not None:
        with suppress(duckdb.BinderException, duckdb.CatalogException):  # it is told below, in the user's own text
            found = Shown(cursor.sql(known[0], params=parameters), known[1])
            if notes is not None and not parameters:
                _note(notes, query.text, found)
            return found
    relation = cursor.sql(query.text, params=parameters)
    if relation is None:
        return None
    types = [str(kind) for kind in relation.types]
    variants = {place for place, kind in enumerate(types) if "VARIANT" in kind}
    marks = {place: kind for place, kind in enumerate(types) if kind in MARKED}
    steady = _reads_a_view(query.text)
    text = query.text
    if variants:
        names = ['"' + name.replace('"', '""') + '"' for name in relation.columns]
        columns = [f"#{place + 1}{'::JSON' if place in variants else ''} AS {name}" for place, name in enumerate(names)]
        relation = relation.project(", ".join(columns))
        marks.update(dict.fromkeys(variants, "JSON"))
        if steady:
            among = [names[place].strip('"') for place in sorted(variants)]
            text = _cast_inside(query.text, among) or f"SELECT {', '.join(columns)} FROM ({query.text}\n)"
            kept = _with_texts(query.text, among, owner)
            if kept is not None:
                with suppress(duckdb.BinderException):  # where a name is written with its schema
                    text, relation = kept, cursor.sql(kept, params=parameters)
    if steady:
        _note(_known, (query.text, owner), (text, marks))
    return Shown(relation, marks)


_known: dict[tuple[str, bool], tuple[str, dict[int, str]]] = {}
"""Texts with the casts around or in them, and the marks; by the text and whether it is the owner's."""


def _note(notes: dict[Any, Any], key: Any, what: Any) -> None:
    if len(notes) >= REMEMBERED:
        notes.clear()
    notes[key] = what


_OF_A_VIEW = re.compile(
    r"(?:select\b[^()]*?\b)?from\s+(?:catalog\s*\.\s*)?ml\s*\.\s*\w+(?:\s+(?:where|order|limit)\b[^()]*)?",
    re.IGNORECASE,
)
_OF_MORE = re.compile(r"\b(?:from|join|union|intersect|except|table|values)\b", re.IGNORECASE)
_ALL_COLUMNS = re.compile(r"\s*(?:select\s+\*\s+)?(?=from\b)", re.IGNORECASE)
_COLUMNS = re.compile(
    r"\s*(?:select\s+(\*|[a-z_]\w*(?:\s*,\s*[a-z_]\w*)*)\s+)?from\s+(?:catalog\s*\.\s*)?ml\s*\.\s*(\w+)", re.IGNORECASE
)
_BY_PLACE = re.compile(r"(?:\bby|,)\s*(?:\d|all\b)", re.IGNORECASE)


def _reads_a_view(text: str) -> bool:
    """Whether ``text`` surely reads one view of ``ml`` and calls nothing, so that its columns are always the same."""
    return (
        len(text) <= REMEMBERED_CHARACTERS
        and _OF_A_VIEW.fullmatch(text) is not None
        and len(_OF_MORE.findall(text)) == 1
    )


def _with_texts(text: str, variants: Sequence[str], owner: bool) -> str | None:
    """``text`` over the view with the texts of its VARIANT columns, where it has them: DuckDB then puts no object
    together. Only where nothing behind the list can mean a column that is text instead."""
    head = _COLUMNS.match(text)
    view = _views().get(head[2].lower()) if head else None
    if head is None or view is None or not set(variants) <= view.texts.keys():
        return None
    rest = text[head.end() :]
    if _means_one(rest, variants):
        return None
    if head[1] in (None, "*"):
        hidden = ", ".join(view.texts.values())
        instead = ", ".join(f"{kept} AS {name}" for name, kept in view.texts.items())
        columns = f"* EXCLUDE ({hidden}) REPLACE ({instead})"
    else:
        listed = [name.strip() for name in head[1].split(",")]
        columns = ", ".join(f"{view.texts[name]} AS {name}" if name in view.texts else name for name in listed)
    return f"SELECT {columns} FROM ({view.with_texts(whole=owner)}) AS {view.name}{rest}"


def _cast_inside(text: str, variants: Sequence[str]) -> str | None:
    """``text`` with the casts in its list, so that DuckDB orders text and not VARIANT, which takes half as long again.
    Only of all columns, and where nothing else in the text can mean a column that was cast."""
    head = _ALL_COLUMNS.match(text)
    if head is None or _means_one(text, variants):
        return None
    casts = ", ".join(f'"{name}"::JSON AS "{name}"' for name in variants)
    return f"SELECT * REPLACE ({casts}) {text[head.end() :]}"


def _means_one(text: str, columns: Sequence[str]) -> bool:
    """Whether ``text`` may name one of ``columns``, or a place in the list; a field (``metrics.auc``) is neither."""
    names = "|".join(map(re.escape, columns))
    return bool(re.search(rf"\b(?:{names})\b(?!\s*\.)", text, re.IGNORECASE) or _BY_PLACE.search(text))


@cache
def _views() -> dict[str, View]:
    return {view.name: view for view in all_views() if view.texts}


def _marked(schema: pyarrow.Schema, marks: dict[int, str]) -> pyarrow.Schema:
    for place, kind in marks.items():
        schema = schema.set(place, schema.field(place).with_metadata({b"mlbox:type": kind.encode()}))
    return schema
