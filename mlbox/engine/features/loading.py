"""What an ingest is to insert: a span of a set's query, or the parts of its source that were not read yet."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.names import RESERVED_COLUMNS, quote
from mlbox.engine.catalog.tables import sources as source_table
from mlbox.engine.features.aggregates import longest
from mlbox.engine.features.bundling import Together, runs_of, together
from mlbox.engine.features.checking import Raw, without_wrong
from mlbox.engine.features.definition import FeatureSet, interval, moment
from mlbox.engine.features.evolution import adapted_sql
from mlbox.engine.features.frames import AXIS
from mlbox.engine.features.offline import rows_sql
from mlbox.engine.features.reading import SourceReader, named, opened
from mlbox.engine.features.sources.base import ROW, Part, Request, Rows, Source
from mlbox.engine.features.streaming.rows import typed_columns

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection


@dataclass(frozen=True, slots=True)
class Range:
    """Times on the set's axis: after ``after`` (exclusive), from ``start`` (inclusive), before ``end`` (exclusive)."""

    after: datetime | None = None
    start: datetime | None = None
    end: datetime | None = None

    def condition(self, axis: str) -> str:
        """As SQL."""
        parts = []
        if self.after is not None:
            parts.append(f"{axis} > {moment(self.after)}")
        if self.start is not None:
            parts.append(f"{axis} >= {moment(self.start)}")
        if self.end is not None:
            parts.append(f"{axis} < {moment(self.end)}")
        return " AND ".join(parts) or "TRUE"

    def reach(self, seconds: float) -> str:
        """What windows of ``seconds`` must read for it."""
        first = max((value for value in (self.after, self.start) if value is not None), default=None)
        parts = [f"{AXIS} >= {moment(first)} - {interval(seconds)}"] if first is not None else []
        if self.end is not None:
            parts.append(f"{AXIS} < {moment(self.end)}")
        return " AND ".join(parts) or "TRUE"


@dataclass(frozen=True, slots=True)
class Piece:
    """Rows of a set as ``rows_sql`` gives them, over what ``rows`` reads; of a part of a source, where it is one.

    ``raw`` are these rows as they come, where each row of the set is one of them; ``rejected`` rows were put aside when
    the piece was made.
    """

    sql: str
    rows: Rows | None = None
    part: Part | None = None
    raw: Raw | None = None
    more: bool = False
    """Whether these are further rows of the part of the piece before."""
    rejected: int = 0
    """Rows that were put aside or left out on the way here."""
    shown: str = ""
    """The part for people, where its rows are not those of the part as it is."""
    numbered: bool = False
    """Whether ``sql`` gives the number of each row, from 1 and without gaps, as ``ROW``."""
    together: Together | None = None
    """The parts that these are the rows of, one behind the other."""


@dataclass(frozen=True, slots=True)
class Load:
    """What an ingest is to do: remove the rows that fit ``gone``, then add ``pieces``. ``anew`` forgets how far the
    source was read."""

    pieces: Iterable[Piece]
    gone: str | None = None
    source: Source | None = None
    anew: bool = False


class Changed(Exception):
    """A part of a source has changed since it was read, and its rows cannot be told from others any more."""


def spanned(feature_set: FeatureSet, span: Range, more: str | None = None) -> str:
    """The rows of a span; rows without a time lie in none, and are errors."""
    read, keep = span.reach(longest(feature_set.windows)), span.condition(AXIS)
    if not feature_set.skip_errors and keep != "TRUE":
        read, keep = (f"({condition} OR {AXIS} IS NULL)" for condition in (read, keep))
    return rows_sql(feature_set, read, keep, more=more)


def queried(
    cursor: DuckDBPyConnection,
    feature_set: FeatureSet,
    span: Range,
    *,
    repeated: bool = False,
    rows: Rows | None = None,
) -> Piece:
    """Rows of the set's query, over ``rows`` where it reads these; with ``repeated`` some were asked for before."""
    raw = Raw(feature_set.body or "", span.condition(quote(feature_set.axis)), repeated=repeated)
    if not feature_set.windows:
        return Piece(spanned(feature_set, span), rows, raw=raw)
    if not feature_set.skip_errors:
        return Piece(spanned(feature_set, span), rows)
    with opened(cursor, rows or Rows("")):
        good, refused = without_wrong(cursor, feature_set, raw, 0)
    return Piece(spanned(replace(feature_set, body=good), span), rejected=refused)


class Through(Protocol):
    """A function that the rows of a source go through."""

    def pieces(self, cursor: DuckDBPyConnection, source: Source, parts: Iterable[Part], span: Range) -> Iterator[Piece]:
        """What it makes of the parts, piece by piece."""
        ...

    def kept(self, cursor: DuckDBPyConnection, source: Source, part: Part, folder: Path) -> tuple[str, int]:
        """A SELECT of what it makes of a part, which can be read several times, out of files in the folder; and how
        many rows were put aside on the way."""
        ...


@dataclass(frozen=True, slots=True)
class Wish:
    """How a source is to be read: ``anew``, as if nothing had been; copies of files go into ``staging``."""

    anew: bool
    staging: Path = Path()
    through: Through | None = None
    singly: bool = False
    """Small files are not read together."""


def load_of_source(
    reader: SourceReader, cursor: DuckDBPyConnection, feature_set: FeatureSet, span: Range, wish: Wish
) -> Load:
    """What was not read yet, whatever its time; of what was read, only what ``span`` asks for."""
    anew = wish.anew
    source = reader.source_of(feature_set)
    positions = {} if anew else _positions(cursor, feature_set)
    gone = "TRUE" if anew else span.condition(quote(feature_set.axis)) if span.start is not None else None
    again = bool(feature_set.windows) or span.start is not None
    request = Request(
        positions, again, lambda sql: cursor.execute(sql).fetchall(), wish.staging, feature_set.skip_errors
    )
    if feature_set.windows:
        parts = list(reader.parts(source, request))
        return _windowed(cursor, feature_set, _Windowed(source, parts, bool(positions), wish), span)
    if wish.through is not None:
        return Load(wish.through.pieces(cursor, source, reader.parts(source, request), span), gone, source, anew)
    unread = reader.parts(source, request)
    alone = wish.singly or feature_set.skip_errors or bool(feature_set.adapted)  # then files may differ
    cut = _pieces if alone else _bundled
    return Load(cut(cursor, feature_set, source, unread, span), gone, source, anew)


def _bundled(
    cursor: DuckDBPyConnection, feature_set: FeatureSet, source: Source, parts: Iterable[Part], span: Range
) -> Iterator[Piece]:
    for run in runs_of(feature_set, parts):
        if len(run) < 2:
            yield from _pieces(cursor, feature_set, source, run, span)
            continue
        check_span(source, run[0], span)
        refuse_reserved(cursor, run[0], run[0].rows.sql if run[0].rows is not None else "")  # all have its columns
        found = together(cursor, feature_set, run)
        over = replace(feature_set, body=found.select)
        yield Piece(spanned(over, Range(), ROW), numbered=True, together=found)


def _pieces(
    cursor: DuckDBPyConnection, feature_set: FeatureSet, source: Source, parts: Iterable[Part], span: Range
) -> Iterator[Piece]:
    for part in parts:
        if part.rows is None:
            yield Piece("", None, part)
            continue
        check_span(source, part, span)
        body = _as_declared(cursor, feature_set, part)
        names = refuse_reserved(cursor, part, body)
        if feature_set.adapted:
            if names is None:
                with opened(cursor, replace(part.rows, copy=None)):
                    names = _names(cursor, body)
            body = adapted_sql(feature_set, body, names)
        over = replace(feature_set, body=body)
        wanted = span if part.again else Range()
        numbered = part.rows.numbered and wanted == Range()
        twice = part.rows.stable and not part.rows.copied
        again = body.replace("store_rejects = TRUE", "ignore_errors = TRUE") if twice else None
        raw = raw_of(feature_set, source, part, body)
        raw = replace(raw, keep=wanted.condition(quote(feature_set.axis)), again=again)
        text = spanned(over, wanted, ROW if numbered else None)
        yield Piece(text, part.rows, part, raw, numbered=numbered)


def refuse_reserved(cursor: DuckDBPyConnection, part: Part, body: str) -> list[str] | None:
    """The columns of a part; None where its rows come as Arrow. ``Invalid`` for one of a name that is used inside: it
    may have come since the set was made, which refuses it too."""
    import duckdb

    if part.rows is None or part.rows.arrow is not None:
        return None
    try:
        with opened(cursor, replace(part.rows, copy=None)):
            names = _names(cursor, body)
    except duckdb.Error as error:
        raise named(error, part) from None
    own = {ROW} if part.rows.numbered else set()
    for name in names:
        if name.lower().startswith(RESERVED_COLUMNS) and name not in own:
            raise Invalid(
                f"{part.name or 'the source'}: a column may not be called {name}",
                hint=f"rename it there: names that begin with {RESERVED_COLUMNS} are used inside",
                details={"part": part.name},
            )
    return names


def _names(cursor: DuckDBPyConnection, body: str) -> list[str]:
    return [row[0] for row in cursor.execute(f"DESCRIBE {body}").fetchall()]


def raw_of(feature_set: FeatureSet, source: Source, part: Part, body: str) -> Raw:
    """Rows of a part as they come. Of a table that is read again, rows may be wrong that were not there before."""
    tell = not part.again or (feature_set.quarantine and not part.name)
    return Raw(body, part=part.name, source=str(source.ref), tell=tell, repeated=part.again)


def _as_declared(cursor: DuckDBPyConnection, feature_set: FeatureSet, part: Part) -> str:
    """What is declared as a text is read as it stands: ``007`` is not a number first."""
    import duckdb

    assert part.rows is not None
    texts = {name.lower() for name, kind in typed_columns(feature_set) if kind == "VARCHAR"}
    if part.rows.retyped is None or not texts:
        return part.rows.sql
    try:
        names = _names(cursor, part.rows.sql)
    except duckdb.Error as error:
        raise named(error, part) from None
    types = {name: "VARCHAR" for name in names if name.lower() in texts}
    return part.rows.retyped(types) if types else part.rows.sql


def check_span(source: Source, part: Part, span: Range) -> None:
    """A part that was not read yet is read whole."""
    if not part.again and span.end is not None and span.start is None:
        raise Invalid(
            f"source {source.ref} is read part by part, and {part.name or 'it'} is new",
            hint="leave TO away, or give FROM too",
        )


@dataclass(frozen=True, slots=True)
class _Windowed:
    """All parts of a source; ``before`` tells whether some were read before."""

    source: Source
    parts: list[Part]
    before: bool
    wish: Wish

    @property
    def anew(self) -> bool:
        """Whether all is read as if nothing had been."""
        return self.wish.anew


def _windowed(cursor: DuckDBPyConnection, feature_set: FeatureSet, given: _Windowed, span: Range) -> Load:
    """Windows see rows of all parts: from the first new row on, everything is computed anew."""
    if given.before and any(part.replaces for part in given.parts):
        raise Changed
    refused, through = 0, given.wish.through
    texts: dict[int, str] = {}
    for n, part in enumerate(given.parts):
        if part.rows is not None and through is not None:
            texts[n], failed = through.kept(cursor, given.source, part, given.wish.staging / f"through-{n}")
            refused += failed
        elif part.rows is not None:
            texts[n] = _kept(cursor, feature_set, part, n)
    if feature_set.skip_errors:
        for n, text in texts.items():
            part = given.parts[n]
            texts[n], wrong = without_wrong(cursor, feature_set, raw_of(feature_set, given.source, part, text), n)
            refused += wrong
    fresh = [text for n, text in texts.items() if not given.parts[n].again]
    over = replace(feature_set, body=_UNION.join(texts.values()))
    if fresh and given.before and not given.anew:
        first: datetime | None = cursor.execute(
            f"SELECT min({quote(feature_set.axis)}::TIMESTAMPTZ) FROM ({_UNION.join(fresh)})"
        ).fetchall()[0][0]
        span = Range(start=min((value for value in (first, span.start) if value is not None), default=None))
    gone = "TRUE" if given.anew else span.condition(quote(feature_set.axis)) if span.start is not None else None
    positions = [Piece("", None, replace(part, rows=None)) for part in given.parts if not part.again]
    untimed = not fresh and not gone and all(part.position for part in given.parts)  # nothing new, nothing asked for
    pieces = [Piece(spanned(over, span), rejected=refused)] if texts and not untimed else []
    return Load([*pieces, *positions], gone, given.source, given.anew)


_UNION = "\nUNION ALL BY NAME\n"


def _positions(cursor: DuckDBPyConnection, feature_set: FeatureSet) -> dict[str, dict[str, object]]:
    return {row.part: json.loads(row.position) for row in source_table.positions(cursor, feature_set.id)}


def _kept(cursor: DuckDBPyConnection, feature_set: FeatureSet, part: Part, number: int) -> str:
    """A SELECT of a part's rows that can be read several times."""
    text = _as_declared(cursor, feature_set, part)
    names = refuse_reserved(cursor, part, text)
    if part.rows is not None and part.rows.arrow is not None:
        name = f"_part_{number}"
        with opened(cursor, part.rows):
            cursor.execute(f"CREATE OR REPLACE TEMP TABLE {name} AS {text}")
        text = f"SELECT * FROM temp.{name}"
    if not feature_set.adapted:
        return text
    return adapted_sql(feature_set, text, _names(cursor, text) if names is None else names)
