"""A script on its way through the HTTP door: a thread carries it out, the event loop delivers what comes of it."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

from mlbox.api import render
from mlbox.api.forms import Form, cut
from mlbox.base.clock import now
from mlbox.base.defects import known, told_to
from mlbox.base.errors import Cancelled, MlboxError
from mlbox.base.events import Event
from mlbox.base.ids import new_id
from mlbox.sql.script import split
from mlbox.sql.session import Outcome, Session

if TYPE_CHECKING:
    import pyarrow

    from mlbox.api.context import ApiContext
    from mlbox.base.command import Caller
    from mlbox.base.underway import Underway

AHEAD = 4
"""Pieces of a stream that are computed before the client has taken those before them."""
_json = msgspec.json.Encoder()


@dataclass(frozen=True, slots=True)
class Script:
    """What is to be carried out, for whom, and within which limits (``seconds``, ``row_limit`` a result)."""

    text: str
    caller: Caller
    parameters: Any = None
    row_limit: int | None = None
    seconds: float | None = None
    folder: str | None = None
    query_id: str | None = None


class Sink(Protocol):
    """Takes what the statements give, in the thread that carries them out."""

    streamed: bool
    """Whether the last result may come as rows that are still to be read."""

    def take(self, outcome: Outcome) -> None:
        """One result."""
        ...

    def end(self) -> None:
        """All have been carried out."""
        ...

    def close(self) -> None:
        """The work is over, however it ended."""
        ...


class Bodies:
    """Results as JSON, ready to be put into the envelope."""

    streamed = False

    def __init__(self) -> None:
        self.results: list[msgspec.Raw] = []

    def take(self, outcome: Outcome) -> None:
        """Encoded here, so that the event loop need not."""
        self.results.append(msgspec.Raw(_json.encode(render.result_body(outcome, encoded=True))))

    def end(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Outcomes:
    """Results as they are, for those who ask later."""

    streamed = False

    def __init__(self) -> None:
        self.results: list[Outcome] = []

    def take(self, outcome: Outcome) -> None:
        """Kept."""
        self.results.append(outcome)

    def end(self) -> None:
        """Nothing."""

    def close(self) -> None:
        """Nothing."""


class Channel:
    """The rows of the last result, from the thread to the event loop, a few pieces ahead of the client."""

    streamed = True

    def __init__(self, form: Form) -> None:
        self._form = form
        self._loop = asyncio.get_running_loop()
        self._pieces: asyncio.Queue[bytes | None] = asyncio.Queue(AHEAD)
        self._last: Outcome | None = None
        self._closed = False
        self.begun = asyncio.Event()
        """Set when the first piece is there, or none will be."""

    def take(self, outcome: Outcome) -> None:
        """Only the last one counts."""
        self._last = outcome

    @property
    def told(self) -> dict[str, Any]:
        """What the last result says beside its rows; a message only where they were not left to be read."""
        return render.told(self._last) if self._last is not None else {}

    def end(self) -> None:
        """Deliver the rows; returns when the client has nearly all of them."""
        result = self._last.result if self._last is not None else None
        if result is None or (result.rows is None and result.table is None):
            return
        if result.rows is not None:
            try:
                self._deliver(result.rows.schema, iter(result.rows))
            finally:
                result.rows.close()
        elif result.table is not None:
            self._deliver(result.table.schema, iter(result.table.to_batches()))

    def _deliver(self, schema: pyarrow.Schema, batches: Iterator[pyarrow.RecordBatch]) -> None:
        head = self._form.start(schema)
        for batch in cut(batches):
            self._put(head + self._form.batch(batch))
            head = b""
        self._put(head + self._form.end())

    def _put(self, piece: bytes) -> None:
        if self._closed:
            raise Cancelled("the client went away")
        if piece:
            asyncio.run_coroutine_threadsafe(self._queue(piece), self._loop).result()

    async def _queue(self, piece: bytes | None) -> None:
        await self._pieces.put(piece)
        self.begun.set()

    def close(self) -> None:
        """What was put is all there is."""
        asyncio.run_coroutine_threadsafe(self._queue(None), self._loop)

    async def pieces(self, work: Work) -> AsyncIterator[bytes]:
        """What was put, until the work is done; an error on the way breaks the connection off."""
        try:
            while (piece := await self._pieces.get()) is not None:
                yield piece
            if work.error is not None:
                raise BrokenOff(work.error.message)
        finally:
            self.leave(work)

    def leave(self, work: Work) -> None:
        """Nobody takes anything any more; a thread that waits with a piece goes on, and ends."""
        self._closed = True
        while not self._pieces.empty():
            self._pieces.get_nowait()
        work.cancel("the client went away")


class BrokenOff(Exception):
    """A stream cannot be ended: the server closes the connection without the last chunk, and the client notices."""


class Work:
    """One script: its state, and the thread that carries it out. Made and asked in the event loop."""

    def __init__(self, context: ApiContext, script: Script, sink: Sink) -> None:
        self.id = script.query_id or new_id()
        self.script = script
        self.error: MlboxError | None = None
        self.project = script.caller.project
        self.completed = 0
        self.started_at: datetime = now()
        self.finished_at: datetime | None = None
        self.done = asyncio.Event()
        self.told = False
        """Whether listeners of the event stream know of it."""
        self._context = context
        self._sink = sink
        self._loop = asyncio.get_running_loop()
        self._underway: Underway | None = None
        self._cancelled: str | None = None
        self._lock = threading.Lock()
        threading.Thread(target=self._carry, name=f"sql-{self.id[:12]}", daemon=True).start()

    @property
    def state(self) -> str:
        """running, finished, failed, cancelled"""
        if self.finished_at is None:
            return "running"
        if self.error is None:
            return "finished"
        return "cancelled" if isinstance(self.error, Cancelled) else "failed"

    @property
    def progress(self) -> float | None:
        """Of the statement in hand, from 0 to 1, where somebody knows."""
        return self._underway.progress if self._underway is not None and self.finished_at is None else None

    @property
    def statements(self) -> int:
        """In the script."""
        try:
            return len(split(self.script.text))
        except MlboxError:
            return 0

    def cancel(self, reason: str) -> None:
        """Ask for the end, also when it has not begun; nothing when it is over."""
        if self.finished_at is not None:
            return
        with self._lock:
            self._cancelled = self._cancelled or reason
            underway = self._underway
        if underway is not None:
            underway.cancel(reason)

    def tell(self, kind: str, **more: Any) -> None:
        """``statement.<kind>`` to the event stream."""
        self.told = True
        data = {"user": self.script.caller.user, "door": self.script.caller.door, "state": self.state, **more}
        self._context.bus.publish(Event(f"statement.{kind}", self.project, self.id, data))

    def _carry(self) -> None:
        try:
            self._run()
        except Exception as error:
            self.error = told_to(self.script.caller.user, known(error, f"answering statement {self.id}"))
        finally:
            self.finished_at = now()
            self._sink.close()
            self._loop.call_soon_threadsafe(self._finish)

    def _run(self) -> None:
        context, script = self._context, self.script
        with context.ongoing.begin(script.text, script.caller, id=self.id, seconds=script.seconds) as underway:
            with self._lock:
                self._underway = underway
            if self._cancelled is not None:
                underway.cancel(self._cancelled)
            session = Session(
                context.catalog,
                context.dispatcher,
                script.caller,
                row_limit=script.row_limit,
                base_folder=script.folder,
                streamed=self._sink.streamed,
            )
            try:
                for outcome in session.run(script.text, script.parameters):
                    self._sink.take(outcome)
                    self.completed += 1
                    self.project = session.project
                self._sink.end()
            finally:
                self.project = session.project

    def _finish(self) -> None:
        self.done.set()
        if self.told:
            error = {"error": self.error.to_dict()} if self.error else {}
            self.tell("finished", **error)


async def attend(work: Work, until: asyncio.Event, *, patience: float) -> None:
    """Wait for ``until``; what goes on for longer than ``patience`` seconds is told to the event stream."""
    last: tuple[int, float | None] | None = None
    while True:
        with suppress(TimeoutError):
            await asyncio.wait_for(until.wait(), patience)
            return
        if not work.told:
            work.tell("started", statements=work.statements)
        here = (work.completed, work.progress)
        if here != last:
            last = here
            work.tell("progress", completed=here[0], progress=here[1])
