"""Events on their way to the server. One thread cuts batches and puts them on disk, another delivers them in order, so
that a server that is away neither stops the user's code nor loses what it logs."""

from __future__ import annotations

import os
import sys
import time
from _thread import RLock
from _weakref import ref

from mlbox.client.failures import MlboxClientError, Undelivered
from mlbox.client.points import as_events
from mlbox.client.quick_json import dumps
from mlbox.client.spool import Spool, discard
from mlbox.client.transport import Refused, Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    import threading
    from typing import Any, List, Optional, Union

    from mlbox.client.points import Event, Point

FLUSH_SECONDS = 0.2
_BATCH_EVENTS = 20_000
_BUFFER_EVENTS = 200_000
_ATTEMPT_SECONDS = 5.0
_DELIVERY_SECONDS = 30.0
_NOT_FOR_US = frozenset({401, 403, 404, 409, 429})
"""Another server has our address for the moment, or ours is not ready: wait rather than give the batch up."""


class _Entry:
    """Something to deliver: ``path`` on disk, or ``payload`` where the disk refused it."""

    __slots__ = ("kind", "name", "path", "payload")

    def __init__(self, kind: str, name: str, path: Optional[str], payload: Optional[bytes] = None) -> None:
        self.kind = kind
        self.name = name
        self.path = path
        self.payload = payload

    def read(self) -> bytes:
        if self.payload is not None:
            return self.payload
        assert self.path is not None
        with open(self.path, "rb") as file:
            return file.read()


class Outbox:
    """Events and blobs of one process of one run. ``add`` takes about a microsecond and never waits for the server.
    There are no threads before the first event, and what they need is not loaded.

    ``collected``: whoever waits for the end of the process reads the spool then, so that what is on disk at the end
    need not be sent: a short run opens no connection at all.
    """

    def __init__(self, transport: Transport, run_id: str, folder: str, collected: bool = False) -> None:
        self._collected = collected
        self._transport = transport
        self._base = f"/run-api/{run_id}"
        self._spool = Spool(folder)
        self._reset()
        if hasattr(os, "register_at_fork"):
            ours = ref(self)
            os.register_at_fork(after_in_child=lambda: _after_fork(ours()))

    def _reset(self) -> None:
        self._lock = RLock()
        self._changed: threading.Condition
        """Of the lock; there as soon as there are threads."""
        self._buffer: List[Union[Event, Point]] = []
        self._cutting = 0
        self._pending: List[_Entry] = []
        self._hurry = False
        self._closing = False
        self._threads: List[threading.Thread] = []

    def add(self, event: Union[Event, Point]) -> None:
        """Put an event or a point of a metric in line; waits only when 200,000 are not on disk yet."""
        with self._lock:
            if self._closing:
                raise MlboxClientError("the run has ended, nothing can be logged to it any more")
            if not self._threads and not self._start():
                self._buffer.append(event)  # the interpreter is ending: the close delivers it
                return
            while len(self._buffer) >= _BUFFER_EVENTS:
                self._changed.wait(0.1)
            self._buffer.append(event)
            if len(self._buffer) in (1, _BATCH_EVENTS):
                self._changed.notify_all()

    @property
    def has_nothing_to_tell(self) -> bool:
        """Nothing was logged, and whoever collects the spool learns of the end without it."""
        return self._collected and not self._threads

    def put_blob(self, digest: str, source: Any) -> None:
        """Deliver bytes (or the file named ``source``) now; a server that is away gets them later, from a copy."""
        with self._lock:
            clear = not any(entry.kind == "blob" for entry in self._pending)
        if self._transport.reachable and clear:
            try:
                self._send_blob(digest, source, patience=2.0)
                return
            except Undelivered:
                pass
            except Refused as refusal:
                if refusal.status not in _NOT_FOR_US and refusal.status < 500:
                    raise
        entry = _Entry("blob", digest, self._spool.keep_blob(digest, source))
        with self._lock:
            self._pending.append(entry)
            if self._threads or self._start():
                self._changed.notify_all()

    def flush(self, seconds: float) -> bool:
        """Wait until the server has acknowledged all that was added before; False when it took too long."""
        deadline = time.monotonic() + seconds
        with self._lock:
            if not self._threads:
                return not self._deliver_alone(seconds)
            while self._buffer or self._cutting or self._pending:
                left = deadline - time.monotonic()
                if left <= 0:
                    return False
                self._hurry = True
                self._changed.notify_all()
                self._changed.wait(min(left, 0.5))
        return True

    def end(self, event: Event) -> int:
        """Add the last event and close."""
        with self._lock:
            if not self._closing:
                self._buffer.append(event)
        return self.close(delivery_seconds())

    def close(self, seconds: float) -> int:
        """Flush and stop; the number of batches and blobs that nobody has: they stay in the spool."""
        with self._lock:
            self._closing = self._closing or not self._threads
            if not self._threads:
                return self._deliver_alone(seconds)
        if not self._collected:
            last = self._take_last()
            if last is not None:
                return self._deliver_last(last, seconds)
            self.flush(seconds)
        with self._changed:
            self._closing = True
            self._changed.notify_all()
        if self._collected:
            self._settle(seconds)
        for thread in self._threads:
            thread.join(0.0 if self._collected else 1.0)
        with self._changed:
            return sum(map(self._unsafe, self._pending)) + (1 if self._buffer else 0)

    def _take_last(self) -> Optional[List[Union[Event, Point]]]:
        """What is left in the buffer, and the threads end; None when they have other work."""
        with self._changed:
            if self._closing or self._cutting or self._pending or not 0 < len(self._buffer) <= _BATCH_EVENTS:
                return None
            events, self._buffer = self._buffer, []
            self._closing = True
            self._changed.notify_all()
        return events

    def _deliver_last(self, events: List[Union[Event, Point]], seconds: float) -> int:
        """Without waking two threads for it: bring ``events`` to disk and to the server; 1 when they stay on disk."""
        entry, deadline = self._keep(events), time.monotonic() + seconds
        while not self._send(entry):
            if time.monotonic() > deadline:
                with self._changed:
                    self._pending.append(entry)
                return 1
            time.sleep(0.05)
        if entry.path is not None:
            discard(entry.path)
        return 0

    def _deliver_alone(self, seconds: float) -> int:
        """Without threads: bring what there is to disk and to the server; the number of what it has not got."""
        if self._buffer:
            events, self._buffer = self._buffer, []
            self._pending.append(self._keep(events))
        deadline = time.monotonic() + seconds
        while self._pending and self._unsafe(self._pending[0]):
            if self._send(self._pending[0]):
                entry = self._pending.pop(0)
                if entry.path is not None:
                    discard(entry.path)
            elif time.monotonic() > deadline:
                break
            else:
                time.sleep(0.05)
        return sum(map(self._unsafe, self._pending))

    def _settle(self, seconds: float) -> None:
        """Wait until all is on disk, and what the disk refused is sent."""
        deadline = time.monotonic() + seconds
        with self._changed:
            while self._buffer or self._cutting or any(map(self._unsafe, self._pending)):
                left = deadline - time.monotonic()
                if left <= 0:
                    return
                self._changed.wait(left)

    def _unsafe(self, entry: _Entry) -> bool:
        """Whether it is lost to the server when it is not sent."""
        return not self._collected or entry.path is None

    def _start(self) -> bool:
        """Whether the threads run; not when the interpreter is ending."""
        import threading

        self._changed = threading.Condition(self._lock)
        try:
            for work in (self._cut, self._deliver):
                thread = threading.Thread(target=work, name=f"mlbox{work.__name__}", daemon=True)
                thread.start()
                self._threads.append(thread)
        except RuntimeError:
            return bool(self._threads)
        return True

    def _cut(self) -> None:
        """First thread: buffer to batch to disk."""
        while True:
            with self._changed:
                while not self._buffer:
                    if self._closing:
                        return
                    self._changed.wait()
                deadline = time.monotonic() + FLUSH_SECONDS
                while len(self._buffer) < _BATCH_EVENTS and not self._hurry and not self._closing:
                    left = deadline - time.monotonic()
                    if left <= 0:
                        break
                    self._changed.wait(left)
                events, self._buffer = self._buffer[:_BATCH_EVENTS], self._buffer[_BATCH_EVENTS:]
                self._cutting = len(events)
                self._hurry = bool(self._buffer) and self._hurry
                if not events:  # taken by who closes
                    continue
            entry = self._keep(events)
            with self._changed:
                self._pending.append(entry)
                self._cutting = 0
                self._changed.notify_all()

    def _keep(self, items: List[Union[Event, Point]]) -> _Entry:
        batch, events = os.urandom(16).hex(), as_events(items)
        payload = dumps({"batch": batch, "events": events}).encode()
        try:
            return _Entry("batch", batch, self._spool.write(batch, payload))
        except OSError as error:
            _say(f"the spool cannot be written ({error}); events are kept in memory until the server has them")
            return _Entry("batch", batch, None, payload)

    def _deliver(self) -> None:
        """Second thread: disk to server, in order."""
        pause = 0.0
        while True:
            with self._changed:
                if pause:
                    self._changed.wait(pause)
                while not self._pending:
                    if self._closing and not self._buffer and not self._cutting:
                        return
                    self._changed.wait(0.5 if self._closing else None)
                if self._closing and (pause or not any(map(self._unsafe, self._pending))):
                    return  # what is left stays in the spool
                entry = self._pending[0]
            if not self._send(entry):
                pause = min(pause * 2 or 0.05, 1.0)
                continue
            pause = 0.0
            if entry.path is not None:
                discard(entry.path)
            with self._changed:
                self._pending.pop(0)
                self._changed.notify_all()

    def _send(self, entry: _Entry) -> bool:
        """True when there is nothing more to do for the entry."""
        try:
            if entry.kind == "blob":
                self._send_blob(entry.name, str(entry.path), patience=0.0)
            else:
                self._send_batch(entry.read())
        except Refused as refusal:
            if refusal.status in _NOT_FOR_US or refusal.status >= 500:
                return False
            _say(f"the server refused what was logged: {refusal}")
            if entry.path is not None:  # kept for a look, out of the way of what follows
                try:
                    os.replace(entry.path, entry.path + ".refused")
                except OSError:
                    pass  # it has gone
            return True
        except (MlboxClientError, OSError):
            return False
        return True

    def _send_batch(self, payload: bytes) -> None:
        headers = {"Content-Type": "application/json"}
        path = f"{self._base}/events"
        answer = self._transport.request("POST", path, payload, headers, patience=_ATTEMPT_SECONDS).json()
        for refused in (answer or {}).get("refused") or []:
            _say(f"the server did not keep something that was logged: {refused.get('message', refused)}")

    def _send_blob(self, digest: str, source: Any, patience: float) -> None:
        from mlbox.client import uploading  # few runs send any

        uploading.put(self._transport, f"{self._base}/blobs/{digest}", source, patience)


def delivery_seconds() -> float:
    """How long the end of a run waits for a server that is away; what is left then stays in the spool."""
    return float(os.environ.get("MLBOX_DELIVERY_SECONDS") or _DELIVERY_SECONDS)


def _after_fork(outbox: Optional[Outbox]) -> None:
    """In a forked child: what was in line is the parent's to deliver, and threads do not survive a fork."""
    if outbox is None:
        return
    outbox._transport.forget()
    outbox._reset()
    util = sys.modules.get("multiprocessing.util")
    if util is not None:  # its children end without atexit, but run their finalizers

        def at_exit(box: Outbox) -> None:
            util.Finalize(None, box.close, args=(10.0,), exitpriority=100)

        util.register_after_fork(outbox, at_exit)


def _say(text: str) -> None:
    print(f"mlbox: {text}", file=sys.stderr, flush=True)
