"""Processes of one piece of user code: requests wait here for a free one, a dead one is replaced."""

from __future__ import annotations

import asyncio
import threading
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future
from contextlib import suppress
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.errors import MlboxError, Unavailable
from mlbox.serve.http import DeadlineExceeded
from mlbox.serve.python.errors import CodeFailed
from mlbox.serve.python.process import Process, Reply, Ticket

if TYPE_CHECKING:
    from mlbox.serve.python.launch import Launch, Places

MOST_WAITING = 1024
"""Requests that wait for a process; more are refused at once."""

ASYNCHRONOUS = 64
"""Requests under way at once in a process whose code is asynchronous."""

CANCEL_SECONDS = 1.0
"""Time that asynchronous code has to give up a request."""

LONGEST_PAUSE = 30.0
"""Longest time between two attempts to start a process that does not start, in seconds."""

TicketT = TypeVar("TicketT", bound=Ticket)

Tell = Callable[[str, "Launch", Mapping[str, Any]], None]
"""Kind of event, of what, and details."""


@dataclass(frozen=True, slots=True)
class Size:
    """How many processes, how many requests in each at once, and the seconds that one has to get ready."""

    processes: int = 1
    threads: int = 1
    start_seconds: float = 120.0


class Pool:
    """Made empty; ``start`` makes it ready."""

    def __init__(self, launch: Launch, size: Size, places: Places, tell: Tell) -> None:
        self.launch = launch
        self._size = size
        self._places = places
        self._tell = tell
        self._lock = threading.Lock()
        self._starting = threading.Lock()
        self._processes: list[Process] = []
        self._waiting: deque[Ticket] = deque()
        self._about: Mapping[str, Any] | None = None
        self._broken: MlboxError | None = None
        self._closed = False

    def start(self) -> Mapping[str, Any]:
        """What the code says about itself, once a process is ready; the others follow. Raises an ``MlboxError``."""
        with self._starting:
            if self._about is None:
                self._add()
                for _ in range(self._size.processes - 1):
                    threading.Thread(target=self._replace, daemon=True).start()
            assert self._about is not None
            return self._about

    def submit(self, head: Mapping[str, Any], buffers: Sequence[Any], seconds: float) -> Ticket:
        """Put a request in line. Raises ``Unavailable`` when too many wait, or when the code does not start."""
        return self.place(Ticket(dict(head), buffers, seconds))

    def place(self, ticket: TicketT) -> TicketT:
        """The same for a ticket that is there already."""
        ticket.future.add_done_callback(self._go_on)
        with self._lock:
            if self._closed:
                raise Unavailable(f"{self.launch.name} is changing", hint="try again")
            if self._broken is not None and not self._processes:
                raise Unavailable(f"{self._broken.message}", hint=self._broken.hint)
            if len(self._waiting) >= MOST_WAITING:
                raise Unavailable(f"{MOST_WAITING} requests wait for {self.launch.name} already", hint="try again")
            self._waiting.append(ticket)
        self._pump()
        return ticket

    async def place_beside(self, ticket: Ticket, large: bool) -> None:
        """The same on an event loop, which does not encode what is large."""
        if large:
            await asyncio.to_thread(self.place, ticket)
        else:
            self.place(ticket)

    async def ask(self, ticket: Ticket, *, kept: float | None = None, large: bool = False) -> Reply:
        """The answer, within the ticket's limit. Raises ``DeadlineExceeded``, ``Unavailable``, and the code's failure.
        The code may keep a request that nobody waits for any more for ``kept`` seconds. A ``large`` one is encoded by
        a thread, which does not wait for its answer: others need it."""
        seconds = ticket.limit
        try:
            await self.place_beside(ticket, large)
            return await asyncio.wait_for(asyncio.wrap_future(ticket.future), seconds)
        except TimeoutError:
            raise self.late(ticket) from None
        except asyncio.CancelledError:
            ticket.future.cancel()
            self.abandoned(ticket, min(seconds, kept or seconds))
            raise

    def wait(self, head: Mapping[str, Any], buffers: Sequence[Any], seconds: float) -> Reply:
        """The same for a thread that may wait."""
        ticket = self.submit(head, buffers, seconds)
        try:
            return ticket.future.result(seconds)
        except TimeoutError:
            ticket.future.cancel()
            raise self.late(ticket) from None

    def pids(self) -> list[int]:
        """Numbers of the processes that are ready."""
        with self._lock:
            return [process.pid for process in self._processes if process.pid is not None]

    def stop(self) -> None:
        """End the processes; what waits fails."""
        with self._lock:
            self._closed = True
            processes, waiting = list(self._processes), list(self._waiting)
            self._waiting.clear()
        for ticket in waiting:
            _fail(ticket, Unavailable(f"{self.launch.name} was stopped", hint="try again"))
        for process in processes:
            process.hang_up()
        for process in processes:
            process.stop()

    def _add(self) -> None:
        process = Process(self.launch, self._places, self._ended, self._pump)
        about = process.start(self._size.start_seconds)
        with self._lock:
            if process.ended:
                told = process.why or "it ended by itself"
                raise CodeFailed(
                    f"the process of {self.launch.name} ended as soon as it was ready: {told}", hint="see ml.logs"
                )
            self._about, self._broken = about, None
            closed = self._closed
            if not closed:
                self._processes.append(process)
        if closed:
            process.stop()
        self._pump()

    def _replace(self) -> None:
        """Start a process, and try again, ever more seldom, when it does not start."""
        pause = 0.5
        while not self._closed:
            try:
                self._add()
                return
            except Exception as failed:  # such as no file descriptor left: none would come without this thread
                told = f"its process cannot be started: {failed}"
                error = failed if isinstance(failed, MlboxError) else Unavailable(told)
                self._tell("serving.process_failed", self.launch, {"error": error.message})
                with self._lock:
                    self._broken = error
                    waiting = [] if self._processes else list(self._waiting)
                    if waiting:
                        self._waiting.clear()
                for ticket in waiting:
                    _fail(ticket, Unavailable(error.message, hint=error.hint))
            until = time.monotonic() + pause
            while time.monotonic() < until and not self._closed:
                time.sleep(0.05)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _ended(self, process: Process) -> None:
        with self._lock:
            known = process in self._processes
            if known:
                self._processes.remove(process)
            closed = self._closed
        if known and not closed:
            self._tell("serving.process_ended", self.launch, {"reason": process.why or "it ended by itself"})
            threading.Thread(target=self._replace, daemon=True).start()

    def _go_on(self, future: Future[Reply]) -> None:
        self._pump()

    def _pump(self) -> None:
        """Hand waiting requests to processes that have room."""
        while True:
            with self._lock:
                alive = [each for each in self._processes if not each.ended]
                process = min(alive, key=lambda each: len(each.busy), default=None)
                if process is None or not self._waiting or len(process.busy) >= self._room():
                    return
                ticket = self._waiting.popleft()
                if ticket.future.cancelled():
                    continue
                try:
                    send = process.take(ticket)
                except Unavailable:  # it has just ended; others may have room
                    self._waiting.appendleft(ticket)
                    continue
            send()

    def taken(self, ticket: Ticket, pieces: int) -> None:
        """So many pieces of a stream are gone: there is room for as many."""
        process = self._holder(ticket)
        if process is not None:
            process.more(ticket, pieces)

    def _holder(self, ticket: Ticket) -> Process | None:
        with self._lock:
            return next((process for process in self._processes if process.has(ticket)), None)

    def _room(self) -> int:
        return ASYNCHRONOUS if self._about and self._about.get("asynchronous") else self._size.threads

    def late(self, ticket: Ticket) -> MlboxError:
        """What to tell who waited in vain. Code that keeps a request too long is ended, and its process with it."""
        limit = f"the time limit of {ticket.limit * 1000:g} ms has passed"
        with self._lock:
            with suppress(ValueError):
                self._waiting.remove(ticket)
            holder = next((process for process in self._processes if process.has(ticket)), None)
            asynchronous = bool(self._about and self._about.get("asynchronous"))
            grace = CANCEL_SECONDS if asynchronous else 0.0
            overdue = [(each, kept) for each in self._processes if (kept := each.overdue(grace)) is not None]
        if holder is not None and asynchronous:
            holder.cancel(ticket)
            self._end_later(holder, ticket, CANCEL_SECONDS, limit)
        else:
            for process, kept in [*overdue, *([(holder, ticket)] if holder else [])]:
                process.end(f"{limit} for a request that was in it", kept)
        if ticket.sent is None:
            hint = "try again, or give the endpoint more processes"
            return Unavailable(f"{limit} before {self.launch.name} was free for it", hint=hint)
        return DeadlineExceeded(
            f"{limit} and {self.launch.name} has not answered", hint="raise timeout_ms, or send less at once"
        )

    def abandoned(self, ticket: Ticket, kept: float) -> None:
        """Nobody waits any more. The code has the rest of the endpoint's own time to give the request back: who calls
        may have had less patience than that, which is no reason to end a process."""
        with self._lock:
            with suppress(ValueError):
                self._waiting.remove(ticket)
            holder = next((process for process in self._processes if process.has(ticket)), None)
        if holder is None or ticket.sent is None:
            return
        asynchronous = bool(self._about and self._about.get("asynchronous"))
        if asynchronous or ticket.head.get("verb") == "stream":
            holder.cancel(ticket)
        left = max(CANCEL_SECONDS if asynchronous else 0.0, kept - ticket.kept())
        limit = f"the time limit of {kept * 1000:g} ms has passed"
        self._end_later(holder, ticket, left, limit)

    @staticmethod
    def _end_later(process: Process, ticket: Ticket, seconds: float, limit: str) -> None:
        """End a process that has a request still by then."""
        why = f"{limit} for a request that was in it"
        ticket.timer = timer = threading.Timer(seconds, process.end, (why, ticket))
        timer.daemon = True
        timer.start()
        if not process.has(ticket):  # it came back just now
            timer.cancel()


def _fail(ticket: Ticket, error: MlboxError) -> None:
    if ticket.future.set_running_or_notify_cancel():
        ticket.future.set_exception(error)
