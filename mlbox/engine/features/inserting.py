"""Pieces of an ingest into the table of a set, in its transaction; how far the source was read goes with them."""

from __future__ import annotations

import json
from collections.abc import Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import Invalid, MlboxError
from mlbox.base.names import quote
from mlbox.engine.catalog.tables import sources as source_table
from mlbox.engine.catalog.tables.sources import PositionRow
from mlbox.engine.features.bundling import OneByOne
from mlbox.engine.features.checking import first_wrong, take_good
from mlbox.engine.features.copying import copied
from mlbox.engine.features.definition import SEQUENCE, FeatureSet
from mlbox.engine.features.loading import Changed, Load, Piece
from mlbox.engine.features.reading import named, opened
from mlbox.engine.features.rules import Place
from mlbox.engine.features.sources.base import ROW, Part, Rows

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

MIXED = -1
"""In place of a part's last sequence: a backfill has given its rows new ones, among those of other parts."""


class WrongRow(Exception):
    """DuckDB could not convert a row of a piece; which one is found out when the transaction has ended."""

    def __init__(self, feature_set: FeatureSet, piece: Piece, error: MlboxError) -> None:
        super().__init__(error.message)
        self._feature_set = feature_set
        self._piece = piece
        self._error = error

    def located(self, cursor: DuckDBPyConnection) -> MlboxError:
        """The error with the number of the row and the reason; as it was where that cannot be found."""
        raw = self._piece.raw
        if raw is None:
            return self._error
        try:
            with opened(cursor, self._piece.rows or Rows("")):
                wrong = first_wrong(cursor, self._feature_set, raw.body)
        except Exception:  # a query that fails by itself, or a source that is away by now
            return self._error
        if wrong is None:
            return self._error
        number, reason = wrong
        number += raw.before
        shown = raw.shown or raw.part
        place = f"row {number:,} of {shown}" if shown else f"row {number:,}"
        return Invalid(
            f"{place}: {reason}; nothing was stored",
            hint="mend the row, or put such ones aside: ON ERROR QUARANTINE",
            details={"row": number, "part": raw.part, "reason": reason},
        )


@dataclass(slots=True)
class Inserted:
    """Where the rows of the parts are; rows that changed parts had before, and that were put aside or left out."""

    places: list[Place] = field(default_factory=list)
    removed: int = 0
    rejected: int = 0
    last: int = 0
    """The last sequence that is taken; also when its row is not."""


def insert_pieces(
    cursor: DuckDBPyConnection, feature_set: FeatureSet, load: Load, sequence: int, ingest: str
) -> Inserted:
    """Every piece, with sequences that go on behind ``sequence``."""
    if load.anew:
        source_table.forget_positions(cursor, feature_set.id)
    kept = {row.part: row for row in source_table.positions(cursor, feature_set.id)} if load.source else {}
    done = Inserted()
    read: list[PositionRow] = []
    for piece in load.pieces:
        part, count = piece.part, 0
        if part is not None and part.replaces and not piece.more:
            done.removed += _remove(cursor, feature_set, kept.get(part.name))
        if piece.sql:
            count, rejected = _insert(cursor, feature_set, piece, sequence)
            done.rejected += rejected
        done.rejected += piece.rejected
        if piece.together is not None:
            after = sequence
            for one, rows in zip(piece.together.parts, piece.together.counts, strict=True):
                read.append(_position(one, kept.get(one.name), after, rows))
                done.places.append(Place(one.name, after + 1, after + rows))
                after += rows
        if part is not None and not part.again:
            if piece.more:
                read[-1] = _position(replace(part, replaces=False), read[-1], sequence, count)
                done.places[-1] = replace(done.places[-1], last=sequence + count)
            else:
                read.append(_position(part, kept.get(part.name), sequence, count))
                done.places.append(Place(piece.shown or part.name, sequence + 1, sequence + count))
        sequence += count
    done.last = sequence
    if load.source is not None and load.gone and not load.anew:
        names_read = {row.part for row in read}
        read += [replace(row, last_sequence=MIXED) for row in kept.values() if row.part not in names_read]
    if load.source is not None:
        source_table.put_positions(cursor, feature_set.project, feature_set.id, ingest, read, now())
    return done


def _insert(cursor: DuckDBPyConnection, feature_set: FeatureSet, piece: Piece, sequence: int) -> tuple[int, int]:
    """By how much the sequence has grown, and how many rows were rejected."""
    names = ", ".join(quote(name) for name in feature_set.columns)
    with _naming(feature_set, piece), opened(cursor, piece.rows or Rows("")):
        if feature_set.skip_errors and piece.raw is not None:
            lines = "store_rejects" in piece.raw.body
            last, rejected = take_good(cursor, feature_set, piece.raw, sequence, lines=lines)
            return last - sequence, rejected
        copy = piece.rows is not None and piece.rows.copied
        with copied(cursor, piece.sql) if copy else nullcontext(piece.sql) as select:
            number = ROW if piece.numbered or copy else "row_number() OVER ()"
            insert = (
                f"INSERT INTO {feature_set.table} ({names}, {SEQUENCE}) "
                f"SELECT {names}, {sequence} + {number} FROM ({select})"
            )
            # DuckDB tells how many rows there were, but not of a PIVOT, which is several statements.
            rows = (
                cursor.execute(insert).fetchall()
                or cursor.execute(f"SELECT count(*) FROM {feature_set.table} WHERE {SEQUENCE} > {sequence}").fetchall()
            )
        return int(rows[0][0]), 0


def _position(part: Part, known: PositionRow | None, before: int, count: int) -> PositionRow:
    """How far the part was read, and where its rows are: behind those that it had, unless it replaces them."""
    text = json.dumps({**part.position, **(part.settle() if part.settle is not None else {})})
    first, last = (before + 1, before + count) if count else (None, None)
    if known is not None and known.first_sequence is not None and not part.replaces:
        first, last = known.first_sequence, known.last_sequence if known.last_sequence == MIXED or not count else last
    return PositionRow(part.name, text, first, last)


def _remove(cursor: DuckDBPyConnection, feature_set: FeatureSet, known: PositionRow | None) -> int:
    """The rows that a changed part gave before, by their sequences; ``Changed`` when these are not known any more."""
    if known is None or known.first_sequence is None:
        return 0
    if known.last_sequence == MIXED:
        raise Changed
    deleted: int = cursor.execute(
        f"DELETE FROM {feature_set.table} WHERE {SEQUENCE} BETWEEN {known.first_sequence} AND {known.last_sequence}"
    ).fetchall()[0][0]
    return deleted


@contextmanager
def _naming(feature_set: FeatureSet, piece: Piece) -> Iterator[None]:
    """Errors of DuckDB say in which part they came; the row of a value that does not convert is looked for."""
    import duckdb

    try:
        yield
    except duckdb.Error as error:
        if piece.together is not None:
            raise OneByOne from error
        told = named(error, piece.part)
        if isinstance(error, (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException)):
            raise WrongRow(feature_set, piece, told) from None
        raise told from None
