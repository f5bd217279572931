"""Carries events of one feed: a slice is answered, and its answers, its dead letters and the offsets are committed in
one transaction; only then the next one is taken. So a feed never runs ahead of what is durable, and what was taken and
not committed is taken again, under the same names.
"""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Callable, Coroutine, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.errors import Conflict, MlboxError, Unavailable
from mlbox.base.events import Bus
from mlbox.base.events import Event as BusEvent
from mlbox.engine.catalog.tables import feeds as table
from mlbox.engine.catalog.tables import sources as position_table
from mlbox.engine.catalog.tables import streams
from mlbox.engine.catalog.tables.feeds import Counts, FeedRow
from mlbox.engine.catalog.tables.sources import PositionRow
from mlbox.engine.features.sinks.base import EVENT
from mlbox.serve.feeds.events import Chunk, Event, Positions, slices
from mlbox.serve.feeds.inlets import CLOCK, Inlet
from mlbox.serve.feeds.outlets import Outlet
from mlbox.serve.graph.outgoing import let_go

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.serve.feeds.asking import Outcome

T = TypeVar("T")
log = logging.getLogger("mlbox")
FIRST_PAUSE, LONGEST_PAUSE = 0.5, 30.0
"""Seconds before something that failed is tried again; doubled each time."""
LONGEST_STOP = 5.0
"""Seconds that the end of a feed is waited for."""


class _Stopped(Exception):
    """The feed is to end; what is under way is given up."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Way:
    """From where to where a feed goes, and how."""

    inlet: Inlet
    outlet: Outlet
    ask: Callable[[Sequence[Event]], Coroutine[Any, Any, list[Outcome]]]
    allowed: Callable[[], None]
    """Raises when the owner of the feed may not have it any more."""
    size: int
    """Events that are committed together."""
    retries: int
    """Times that an event is tried again whose failure may pass."""
    inputs: bool
    """Whether an answer has the fields of its event too."""


class Worker:
    """One feed, in a thread of its own. ``way`` opens what it needs, again after each failure."""

    def __init__(self, catalog: Catalog, bus: Bus, feed: FeedRow, way: Callable[[threading.Event], Way]) -> None:
        self.feed = feed
        self._catalog = catalog
        self._bus = bus
        self._way = way
        self._stopping = threading.Event()
        self._known: dict[str, str] = {}
        self._told = ""
        self._lag: int | None = -1
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread = threading.Thread(target=self._work, name=f"feed-{feed.name}", daemon=True)

    def start(self) -> None:
        """Begin."""
        self._thread.start()

    def stop(self, *, wait: bool = True) -> None:
        """Take nothing more; what is under way and not committed comes again. Harmless a second time."""
        self._stopping.set()
        if wait and self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(LONGEST_STOP)

    def _work(self) -> None:
        self._loop = asyncio.new_event_loop()
        name = f"feed-{self.feed.name}-loop"  # turns while nothing is asked too: steps behind an answer go on
        threading.Thread(target=_turn, args=(self._loop,), name=name, daemon=True).start()
        try:
            self._carry()
        finally:
            self._loop.call_soon_threadsafe(self._loop.stop)

    def _carry(self) -> None:
        pause = FIRST_PAUSE
        while not self._stopping.is_set():
            try:
                way = self._way(self._stopping)
                with closing(way.outlet), closing(way.inlet.chunks(self._positions())) as chunks:
                    for chunk in chunks:
                        if self._stopping.is_set():
                            return
                        self._take(way, chunk)
                        pause = FIRST_PAUSE
            except _Stopped:
                return
            except Exception as error:
                if self._stopping.is_set():
                    return
                if not isinstance(error, (MlboxError, OSError)):
                    log.exception("feed %s.%s failed", self.feed.project, self.feed.name)
                self._fail(error)
                self._stopping.wait(pause)
                pause = min(pause * 2, LONGEST_PAUSE)

    def _positions(self) -> Positions:
        with self._catalog.read() as cursor:
            rows = position_table.positions(cursor, self.feed.id)
        self._known = {row.part: row.position for row in rows if row.part != CLOCK}
        return dict(self._known)

    def _take(self, way: Way, chunk: Chunk) -> None:
        if not chunk.events and not chunk.positions:
            if chunk.lag != self._lag or self._told:
                self._progress(chunk.lag)
            return
        for piece in slices(chunk, way.size):
            way.allowed()
            dead = [(str(event.wrong), event.text) for event in piece.events if event.wrong]
            rows, failed = self._answers(way, [event for event in piece.events if not event.wrong])
            self._commit(way, piece, rows, dead + failed)

    def _answers(self, way: Way, events: Sequence[Event]) -> tuple[list[Mapping[str, object]], list[tuple[str, str]]]:
        """Rows that the outlet takes, and (reason, text) of events that have none."""
        rows: list[Mapping[str, object]] = []
        dead: list[tuple[str, str]] = []
        origins: list[Event] = []
        for event, outcome in self._ask(way, events):
            if outcome.error is not None:
                dead.append((outcome.error.public.with_hint, event.text))
                continue
            for number, row in enumerate(outcome.rows):
                name = event.id if len(outcome.rows) == 1 else f"{event.id}/{number}"
                given = dict(event.body or {}) if way.inputs else {}
                rows.append({EVENT: name, **{k: v for k, v in {**given, **row}.items() if k != EVENT}})
                origins.append(event)
        refused = self._again(lambda: way.outlet.send(rows))
        dead += [(reason, origins[place].text) for place, reason in sorted(refused.items())]
        return [row for place, row in enumerate(rows) if place not in refused], dead

    def _ask(self, way: Way, events: Sequence[Event]) -> list[tuple[Event, Outcome]]:
        """Each with its outcome, in order; failures that may pass are tried again, for so long as the feed allows."""
        found: dict[int, Outcome] = {}
        left = list(range(len(events)))
        for attempt in range(way.retries + 1):
            asked = [events[place] for place in left]
            outcomes = self._again(partial(self._asked, way, asked))
            found.update(zip(left, outcomes, strict=True))
            left = [place for place in left if (error := found[place].error) is not None and error.transient]
            if not left:
                break
            first = found[left[0]].error
            assert first is not None
            if attempt < way.retries:
                self._fail(first)
                self._pause(attempt)
        return [(event, found[place]) for place, event in enumerate(events)]

    def _asked(self, way: Way, events: Sequence[Event]) -> list[Outcome]:
        assert self._loop is not None
        return asyncio.run_coroutine_threadsafe(way.ask(events), self._loop).result() if events else []

    def _again(self, act: Callable[[], T]) -> T:
        """What ``act`` gives, however long the other side is away."""
        attempt = 0
        while True:
            if self._stopping.is_set():
                raise _Stopped
            try:
                return act()
            except Unavailable as error:
                self._fail(error)
                self._pause(attempt)
                attempt += 1

    def _pause(self, attempt: int) -> None:
        if self._stopping.wait(min(FIRST_PAUSE * 2**attempt, LONGEST_PAUSE)):
            raise _Stopped

    def _commit(
        self, way: Way, piece: Chunk, rows: Sequence[Mapping[str, object]], dead: Sequence[tuple[str, str]]
    ) -> None:
        feed, moment = self.feed, now()
        counts = Counts(len(piece.events), len(rows), len(dead))

        def commit(cursor: DuckDBPyConnection) -> None:
            stored = {row.part: row.position for row in position_table.positions(cursor, feed.id)}
            stored.pop(CLOCK, None)
            if stored != self._known:
                raise Conflict(f"feed {feed.project}.{feed.name} is carried on by another thread")
            way.outlet.commit(cursor, rows)
            read = [PositionRow(part, text, None, None) for part, text in piece.positions.items()]
            position_table.put_positions(cursor, feed.project, feed.id, "", read, moment)
            if feed.kind in ("push", "schedule"):
                for text in piece.positions.values():
                    table.remove(cursor, feed.id, int(text))
            if dead:
                table.insert_dead_letters(cursor, feed, dead, moment)
                streams.trim_dead_letters(cursor, feed.id)
            if piece.events:
                table.count(cursor, feed, counts, moment)
            streams.put_progress(cursor, feed.project, feed.id, piece.lag, None, moment)

        if self._stopping.is_set():
            raise _Stopped
        self._catalog.write_data(commit)
        self._known.update(piece.positions)
        self._lag = piece.lag
        self._recovered()

    def _progress(self, lag: int | None) -> None:
        feed, moment = self.feed, now()
        self._catalog.write_data(lambda cursor: streams.put_progress(cursor, feed.project, feed.id, lag, None, moment))
        self._lag = lag
        self._recovered()

    def _fail(self, error: Exception) -> None:
        """Say it once, and where the lag is shown."""
        told = error.with_hint if isinstance(error, MlboxError) else f"{type(error).__name__}: {error}"
        if told == self._told:
            return
        feed, moment, lag = self.feed, now(), self._lag if self._lag != -1 else None
        try:
            self._catalog.write_data(
                lambda cursor: streams.put_progress(cursor, feed.project, feed.id, lag, told, moment)
            )
        except Exception:  # the disk may be what failed; the thread has to go on all the same
            log.exception("feed %s.%s failed, which cannot be written: %s", feed.project, feed.name, told)
            return
        self._told = told
        self._bus.publish(BusEvent("feed.failed", feed.project, feed.name, {"error": told}))

    def _recovered(self) -> None:
        if self._told:
            self._told = ""
            self._bus.publish(BusEvent("feed.recovered", self.feed.project, self.feed.name, {}))


def _turn(loop: asyncio.AbstractEventLoop) -> None:
    """Until it is stopped; then nothing of it stays open."""
    loop.run_forever()
    try:
        loop.run_until_complete(_leave())
    finally:
        loop.close()


async def _leave() -> None:
    left = asyncio.all_tasks() - {asyncio.current_task()}
    for task in left:
        task.cancel()
    await asyncio.gather(*left, return_exceptions=True)
    await let_go()
