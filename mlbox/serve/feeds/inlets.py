"""Where events of a feed come from: each gives chunks behind the positions that are committed, as they come."""

from __future__ import annotations

import json
import time
from collections.abc import Generator, Mapping
from contextlib import closing
from dataclasses import dataclass
from threading import Event as Signal
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Conflict
from mlbox.base.names import literal, quote
from mlbox.engine.catalog.tables import feeds as table
from mlbox.serve.feeds.events import WHOLE, Chunk, Positions, of_batch, read

if TYPE_CHECKING:
    from collections.abc import Callable

    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.feeds import FeedRow
    from mlbox.engine.features.reading import SourceReader
    from mlbox.engine.features.sources.base import Source

MOST = 2000
"""Rows that are read of a table or an inbox at once."""
PERIOD, LONGEST = 0.5, 5.0
"""Seconds between two looks at a table: the more the longer a look computes."""


class Inlet(Protocol):
    """Chunks of one feed."""

    def chunks(self, positions: Positions) -> Generator[Chunk]:
        """Behind ``positions``, one after the other; an empty one after a while without any."""
        ...


@dataclass(frozen=True, slots=True)
class StreamInlet:
    """A stream that is read."""

    reader: SourceReader
    source: Callable[[], Source]
    """Raises ``Conflict`` while it is suspended or gone."""

    def chunks(self, positions: Positions) -> Generator[Chunk]:
        """As the source gives them."""
        source = self.source()
        with closing(self.reader.stream(source, {part: json.loads(text) for part, text in positions.items()})) as found:
            for batch in found:
                if self.source() != source:  # changed or suspended: it is opened anew
                    return
                yield of_batch(batch)


@dataclass(frozen=True, slots=True)
class InboxInlet:
    """Rows that were pushed, or chosen by the clock."""

    catalog: Catalog
    feed: FeedRow
    brought: Signal

    def chunks(self, positions: Positions) -> Generator[Chunk]:
        """In the order in which they came."""
        behind = int(json.loads(positions.get(WHOLE, "0")))
        while True:
            self.brought.clear()
            with self.catalog.read() as cursor:
                rows = table.next_of(cursor, self.feed.id, behind, MOST)
                waiting = table.waiting(cursor, self.feed.id) if len(rows) == MOST else len(rows)
            if not rows:
                yield Chunk((), {}, 0)
                self.brought.wait(PERIOD)
                continue
            events = [read(f"{number}", text, WHOLE, str(number)) for number, text in rows]
            behind = rows[-1][0]
            yield Chunk(events, {WHOLE: str(behind)}, waiting - len(rows))


@dataclass(frozen=True, slots=True)
class TableInlet:
    """Rows as they are added to a table, told by their place (``rowid``: DuckDB gives it in the order of commits)."""

    catalog: Catalog
    feed: FeedRow
    stopping: Signal

    def chunks(self, positions: Positions) -> Generator[Chunk]:
        """The position is the place of the last row and a hash of it, so that it is seen when places mean others."""
        place: dict[str, Any] = json.loads(positions.get(WHOLE, '{"rowid": -1}'))
        while not self.stopping.is_set():
            began = time.thread_time()
            with self.catalog.read() as cursor:
                place, chunk = self._look(cursor, place)
            yield chunk
            if len(chunk.events) < MOST:
                self.stopping.wait(max(PERIOD, min(20 * (time.thread_time() - began), LONGEST)))

    def _look(self, cursor: DuckDBPyConnection, place: dict[str, Any]) -> tuple[dict[str, Any], Chunk]:
        relation = relation_of(str(self.feed.source))
        ((last,),) = cursor.execute(f"SELECT max(rowid) FROM {relation}").fetchall()
        if last is None or last < place["rowid"]:  # it was emptied, and places begin anew
            place = {"rowid": -1}
        if last is None or last == place["rowid"]:
            return place, Chunk((), {}, 0)
        if place.get("hash") and self._hash(cursor, place) not in (place["hash"], None):
            raise Conflict(
                f"the row of {self.feed.source} that was read last has changed, so new rows cannot be told by their "
                "place",
                hint="DROP FEED and CREATE FEED begin anew; FROM TABLE t BY column is for rows that change or go",
            )
        rows = cursor.execute(
            f"SELECT rowid, to_json(t)::VARCHAR FROM {relation} t WHERE rowid > ? ORDER BY rowid LIMIT {MOST}",
            [place["rowid"]],
        ).fetchall()
        if not rows:
            return place, Chunk((), {}, 0)
        events = [read(str(number), text, WHOLE, json.dumps({"rowid": number})) for number, text in rows]
        project, _, name = str(self.feed.source).partition(".")
        _, columns = table.table_shape(cursor, project, name)
        place = {"rowid": rows[-1][0], "columns": [column for column, _ in columns]}
        place["hash"] = self._hash(cursor, place)
        return place, Chunk(events, {WHOLE: json.dumps(place)}, last - place["rowid"])

    def _hash(self, cursor: DuckDBPyConnection, place: Mapping[str, Any]) -> str | None:
        """Of the row at a place, by the columns that it had when it was read; None when it cannot be told."""
        import duckdb

        values = ", ".join(quote(column) for column in place["columns"])
        try:
            rows = cursor.execute(
                f"SELECT md5(to_json(struct_pack({values}))::VARCHAR) FROM {relation_of(str(self.feed.source))} "
                "WHERE rowid = ?",
                [place["rowid"]],
            ).fetchall()
        except duckdb.BinderException:  # a column has gone
            return None
        return str(rows[0][0]) if rows else None


@dataclass(frozen=True, slots=True)
class ColumnInlet:
    """Rows of a table or view whose column is above the highest that was read. Rows of one value come together."""

    catalog: Catalog
    feed: FeedRow
    stopping: Signal

    def chunks(self, positions: Positions) -> Generator[Chunk]:
        """The position is the value, as text."""
        value: str | None = json.loads(positions.get(WHOLE, "null"))
        while not self.stopping.is_set():
            began = time.thread_time()
            with self.catalog.read() as cursor:
                value, chunk = self._look(cursor, value)
            yield chunk
            if len(chunk.events) < MOST:
                self.stopping.wait(max(PERIOD, min(20 * (time.thread_time() - began), LONGEST)))

    def _look(self, cursor: DuckDBPyConnection, value: str | None) -> tuple[str | None, Chunk]:
        relation, column = relation_of(str(self.feed.source)), quote(str(self.feed.column))
        above = "TRUE" if value is None else f"{column} > {literal(value)}"
        rows = cursor.execute(
            f"WITH found AS (SELECT {column} AS _by, to_json(t)::VARCHAR AS _text FROM {relation} t "
            f"WHERE {above} AND {column} IS NOT NULL), "
            f"last AS (SELECT max(_by) AS _by FROM (SELECT _by FROM found ORDER BY _by LIMIT {MOST})) "
            "SELECT found._by::VARCHAR, _text FROM found, last WHERE found._by <= last._by ORDER BY found._by, _text"
        ).fetchall()
        if not rows:
            return value, Chunk((), {}, 0)
        events, places = [], _places(rows)
        for (text, body), place in zip(rows, places, strict=True):
            events.append(read(f"{text}/{place}" if place else text, body))
        ((left,),) = cursor.execute(
            f"SELECT count(*) FROM {relation} t WHERE {column} > {literal(rows[-1][0])}"
        ).fetchall()
        return rows[-1][0], Chunk(events, {WHOLE: json.dumps(rows[-1][0])}, left)


def _places(rows: list[tuple[str, str]]) -> list[int]:
    """The place of each row among those of its value."""
    seen: dict[str, int] = {}
    found = []
    for value, _ in rows:
        found.append(seen.get(value, 0))
        seen[value] = found[-1] + 1
    return found


def end_of(catalog: Catalog, feed: FeedRow) -> str | None:
    """The position behind all rows that a table has now; None: it has none."""
    relation = relation_of(str(feed.source))
    with catalog.read() as cursor:
        if feed.column is None:
            ((last,),) = cursor.execute(f"SELECT max(rowid) FROM {relation}").fetchall()
            return None if last is None else json.dumps({"rowid": last})
        ((text,),) = cursor.execute(f"SELECT max({quote(feed.column)})::VARCHAR FROM {relation}").fetchall()
        return None if text is None else json.dumps(text)


def relation_of(ref: str) -> str:
    """``project.name`` as SQL."""
    project, _, name = ref.partition(".")
    return f"data.{quote(project)}.{quote(name)}"


CLOCK = "clock"
"""The part whose position says when a query was carried out last."""
