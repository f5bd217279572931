"""One process of user code, and the requests that are under way in it."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import CancelledError, Future
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError, Unavailable
from mlbox.client.serving import arena, wire
from mlbox.engine.runs.executors.processes import kill_group, signal_name
from mlbox.serve.python.errors import CodeFailed, of_reply

if TYPE_CHECKING:
    from mlbox.serve.python.launch import Launch, Places

Reply = tuple[Mapping[str, Any], memoryview]

STOP_SECONDS = 3.0
"""Time that a process has to end when its socket is closed."""


@dataclass(slots=True, eq=False)
class Ticket:
    """A request on its way, whose answer is waited for ``limit`` seconds; ``sent`` when a process had it, or when its
    code began the piece that it is at, by the monotonic clock."""

    head: dict[str, Any]
    buffers: Iterable[Any]
    limit: float
    future: Future[Reply] = field(default_factory=Future)
    sent: float | None = None
    timer: threading.Timer | None = None
    """Ends the process that keeps it when nobody waits any more."""

    def back(self) -> None:
        """The process has it no more."""
        if self.timer is not None:
            self.timer.cancel()

    def heard(self, body: memoryview) -> None:
        """A piece of the answer, as JSON; told by the thread that reads. Who waits for a whole one hears of none."""

    def kept(self) -> float:
        """Seconds for which the code has kept us waiting."""
        return 0.0 if self.sent is None else time.monotonic() - self.sent


class Process:
    """Started with ``start``; ``on_end`` is called once, from its own thread, when it has ended.

    The thread that starts it reads its answers until it ends: the system ends the process when that thread goes.
    """

    def __init__(
        self, launch: Launch, places: Places, on_end: Callable[[Process], None], on_free: Callable[[], None]
    ) -> None:
        self.launch = launch
        self.about: Mapping[str, Any] = {}
        self.busy: dict[int, Ticket] = {}
        self.ended = False
        self.why: str | None = None
        """Why we have ended it."""
        self._places = places
        self._on_end = on_end
        self._on_free = on_free
        self._lock = threading.Lock()
        self._sending = threading.Lock()
        self._outbox: deque[tuple[Mapping[str, Any], Ticket | None]] = deque()
        """Messages that are to be sent, in order."""
        self._next = 1
        self._child: subprocess.Popen[bytes] | None = None
        self._ready: Future[Mapping[str, Any]] = Future()
        self._arena: arena.Arena | None = None
        self._ours, self._theirs = socket.socketpair()
        self._thread = threading.Thread(target=self._live, name=f"serving {launch.name}", daemon=True)

    def start(self, seconds: float) -> Mapping[str, Any]:
        """Start, and wait until the code is loaded; what it says about itself. Raises an ``MlboxError``."""
        self._thread.start()
        try:
            self.about = self._ready.result(seconds)
        except TimeoutError:
            self.end(f"it was not ready after {seconds:g} s")
            raise Unavailable(
                f"{self.launch.name} was not ready after {seconds:g} s", hint="raise start_seconds of the endpoint"
            ) from None
        return self.about

    def take(self, ticket: Ticket) -> Callable[[], None]:
        """Note that it has the request, and give what sends it. Its future is answered, or fails when the process
        ends before. ``Unavailable`` when the process has ended."""
        with self._lock:
            if self.ended:
                raise Unavailable(f"the process of {self.launch.name} has ended", hint="try again")
            number, self._next = self._next, self._next + 1
            self.busy[number] = ticket
            ticket.sent = time.monotonic()
        return lambda: self._send(number, ticket)

    def _send(self, number: int, ticket: Ticket) -> None:
        self._outbox.append(({**ticket.head, "id": number}, ticket))
        self._flush()

    def _flush(self) -> None:
        """Send what waits, unless somebody sends: he goes on with it. Waits for nothing: it may be an event loop."""
        while self._outbox and self._sending.acquire(blocking=False):
            number, error = 0, None  # no request has that number
            left: list[Any] = []
            try:
                with suppress(IndexError):  # somebody else was quicker
                    message, ticket = self._outbox.popleft()
                    number = message.get("id", number)
                    error, left = self._write(message, ticket)
            finally:
                if not left:
                    self._sending.release()
            if left:
                threading.Thread(target=self._push, args=(left,), name="serving-send", daemon=True).start()
                return
            self._refuse(number, error)

    def _push(self, left: list[Any]) -> None:
        """Send what the process has no room for yet, in the turn of who has begun it."""
        try:
            with suppress(wire.Closed):
                wire.push(self._ours, left)
        finally:
            self._sending.release()
        self._flush()

    def _write(self, message: Mapping[str, Any], ticket: Ticket | None) -> tuple[Exception | None, list[Any]]:
        """Begin to send one; why it cannot be sent, and what is left of it."""
        if ticket is not None and ticket.future.cancelled():
            return CancelledError(), []  # who gave it up has sent that before us
        shared = self._arena if ticket is not None and self.about.get("shares") else None
        try:
            parts = wire.encoded(message, ticket.buffers if ticket is not None else (), shared)
            return None, wire.begin(self._ours, parts)
        except wire.Closed:
            return None, []  # who reads finds the end and tells all that are under way
        except (TypeError, ValueError, RecursionError) as error:
            return error, []

    def _refuse(self, number: int, error: Exception | None) -> None:
        """Tell the request of that number that it cannot be sent."""
        if error is None:
            return
        with self._lock:
            ticket = self.busy.pop(number, None)
        if ticket is not None:
            ticket.back()
        if ticket is not None and ticket.future.set_running_or_notify_cancel():
            ticket.future.set_exception(CodeFailed(f"{self.launch.name} cannot be sent this: {error}"))
        else:
            self._on_free()

    def overdue(self, grace: float) -> Ticket | None:
        """A request that it has had for so many seconds longer than that one's limit."""
        with self._lock:
            return next((ticket for ticket in self.busy.values() if ticket.kept() > ticket.limit + grace), None)

    def cancel(self, ticket: Ticket) -> None:
        """Ask for the end of a request that is in it, where its code is asynchronous or streams."""
        self._tell_of(ticket, "cancel")

    def more(self, ticket: Ticket, pieces: int) -> None:
        """So many pieces of the ticket's stream have been taken."""
        self._tell_of(ticket, "more", pieces=pieces)

    def _tell_of(self, ticket: Ticket, word: str, **details: int) -> None:
        with self._lock:
            number = next((number for number, each in self.busy.items() if each is ticket), None)
        if number is not None:
            self._outbox.append(({word: number, **details}, None))
            self._flush()

    def has(self, ticket: Ticket) -> bool:
        """Whether the request is under way in it."""
        with self._lock:
            return any(each is ticket for each in self.busy.values())

    def end(self, why: str, of: Ticket | None = None) -> None:
        """Kill it; what is under way fails. With ``of`` only while it has that request: it may have the next one."""
        with self._lock:
            if of is not None and not any(each is of for each in self.busy.values()):
                return
            self.why = self.why or why
            if self._child is not None and not self.ended:  # else who buries it kills it, and alone may reap it
                kill_group(self._child.pid, grace=0.0)
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)

    def hang_up(self) -> None:
        """Tell it that nothing more comes."""
        self.why = self.why or "it was stopped"
        with suppress(OSError):
            self._ours.shutdown(socket.SHUT_RDWR)

    def stop(self) -> None:
        """Let it end by itself; killed when it does not."""
        self.hang_up()
        if self._thread.ident is not None:
            self._thread.join(STOP_SECONDS + 2)

    def _live(self) -> None:
        """The life of the process."""
        try:
            self._child = self._spawn()
        except (OSError, MlboxError) as error:
            told = error if isinstance(error, MlboxError) else Unavailable(f"its process cannot be started: {error}")
            self._ready.set_exception(told)
        else:
            self._talk()
        finally:
            self._bury()

    def _spawn(self) -> subprocess.Popen[bytes]:
        launch, log = self.launch, self._places.log(self.launch.log)
        python = self._places.interpreter(launch)
        log.parent.mkdir(parents=True, exist_ok=True)
        folder = Path(launch.spec.get("folder") or self._places.home.cache)
        memory = arena.made()
        passed = [self._theirs.fileno(), *([memory] if memory is not None else [])]
        variables = {**self._places.variables(launch), "MLBOX_SOCKET": str(passed[0])}
        if memory is not None:
            variables["MLBOX_ARENA"] = str(memory)
        try:
            with log.open("ab") as output:
                child = subprocess.Popen(
                    [str(python), "-m", "mlbox.client.serving.process"],
                    cwd=folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                    pass_fds=passed,
                    start_new_session=True,
                )
            self._arena = arena.opened(memory, 0) if memory is not None else None
        finally:
            if memory is not None:
                os.close(memory)
        self._theirs.close()
        return child

    def _talk(self) -> None:
        with suppress(wire.Closed):
            wire.send(self._ours, self.launch.spec)
            while True:
                head, body = wire.receive(self._ours, self._arena)
                if head["id"] == 0:
                    if "error" in head:
                        self._ready.set_exception(of_reply(self.launch.name, head["error"]))
                        return
                    self._ready.set_result(head["ready"])
                    continue
                self._hear(head, body)
                del head, body  # not until the next message comes

    def _hear(self, head: Mapping[str, Any], body: memoryview) -> None:
        """A piece or the end of an answer. A function of its own, since what the thread that waits for the next message
        still held would be this request and, where it has failed, all that it has asked: the process would never end.
        """
        if "piece" in head:
            with self._lock:
                ticket = self.busy.get(head["id"])
            if ticket is not None:
                ticket.heard(body)
            return
        with self._lock:
            ticket = self.busy.pop(head["id"], None)
        if ticket is not None:
            ticket.back()
        if ticket is None or not ticket.future.set_running_or_notify_cancel():
            self._on_free()  # nobody waits for the answer any more, but others for the process
        elif "error" in head:
            ticket.future.set_exception(of_reply(self.launch.name, head["error"]))
        else:
            ticket.future.set_result((head, body))

    def _bury(self) -> None:
        """Reap it, and tell all that wait for it."""
        with self._lock:
            self.ended = True
            left, self.busy = list(self.busy.values()), {}
        self._ours.close()
        self._arena = None  # its memory goes with the last who has it
        with suppress(OSError):
            self._theirs.close()
        told = self._how_it_ended()
        error = Unavailable(
            f"the process of {self.launch.name} ended while the request was in it: {told}",
            hint="another one takes its place; what it wrote is in the endpoint's log: ml.logs",
        )
        if not self._ready.done():
            self._ready.set_exception(
                CodeFailed(f"the process of {self.launch.name} ended while it loaded: {told}", hint="see ml.logs")
            )
        for ticket in left:
            ticket.back()
            if ticket.future.set_running_or_notify_cancel():
                ticket.future.set_exception(error)
        self._on_end(self)

    def _how_it_ended(self) -> str:
        child = self._child
        if child is None:
            return "it was never started"
        until = time.monotonic() + STOP_SECONDS
        # look without reaping: while it is not reaped, its number cannot be given to another group
        while os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
            if time.monotonic() > until:
                break
            time.sleep(0.005)
        kill_group(child.pid, grace=0.0)  # with what it has started itself
        code = child.wait()
        if self.why is not None:
            return self.why
        if code < 0:
            more = ", perhaps for want of memory" if code == -signal.SIGKILL else ""
            return f"killed by {signal_name(-code)}{more}"
        return f"exit status {code}"

    @property
    def pid(self) -> int | None:
        """Its number, once it is there."""
        return self._child.pid if self._child is not None else None
