"""Starts the workers, listens with them on the server's port, and replaces the one that ends."""

from __future__ import annotations

import logging
import os
import pickle
import signal
import socket
import subprocess
import sys
import threading
import time
from contextlib import suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from mlbox import __version__
from mlbox.api.guard import USER, credentials
from mlbox.api.sight import check_door
from mlbox.app.serving import choose_port
from mlbox.app.worker import Brief
from mlbox.base.command import OWNER
from mlbox.base.errors import MlboxError, Unavailable
from mlbox.base.events import Event
from mlbox.base.names import Ref
from mlbox.engine.models.mapped import MappedModels
from mlbox.serve.workers.cells import Cells
from mlbox.serve.workers.channel import Channel
from mlbox.serve.workers.fleet import Fleet, Worker

if TYPE_CHECKING:
    from mlbox.app.house import House

_log = logging.getLogger("mlbox.serve")
BACKLOG = 1024
MEMBER_SECONDS = 1.0
"""For which a worker remembers that a member's token is good; it may expire meanwhile."""

PAUSES = (0.0, 0.0, 0.5, 1.0, 2.0, 5.0)
"""Seconds before a worker is replaced, by the number of those that ended at once before it."""

YOUNG = 5.0
"""Seconds; a worker that ends younger has ended at once."""


class Workers:
    """``bind`` takes the port, ``start`` returns when all answer; then ``stop``, once.

    Each worker has a listening socket of its own on the one port, among which the system spreads connections. The
    server holds all of them too: what waits in that of a worker that has ended is taken by the one in its place.
    """

    def __init__(self, house: House, count: int) -> None:
        self._house = house
        self.count = count
        self._sockets: list[socket.socket] = []
        self._lock = threading.Lock()
        self._nursery: _Nursery | None = None
        self._url = ""
        self._stopping = False
        self._ended_at_once = [0] * count
        self.fleet = Fleet(house.catalog, house.endpoints.shop, Cells.new(), count, _end)

    def bind(self, host: str, port: int) -> int:
        """Listen for the workers; the port."""
        port = choose_port(host, port)
        family = socket.AF_INET6 if ":" in host else socket.AF_INET
        for _ in range(self.count):
            listening = socket.socket(family, socket.SOCK_STREAM)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            listening.bind((host, port))
            listening.listen(BACKLOG)
            self._sockets.append(listening)
        return port

    def start(self, url: str) -> None:
        """Let workers answer; ``url`` is where the server itself does."""
        house, self._url = self._house, url
        house.features.changed.append(self.fleet.definitions_changed)
        house.members.changed.append(self.fleet.access_changed)
        house.models.sessions.mapped = MappedModels.of(house.home)
        house.endpoints.spread.begin(self.fleet, [slot.row for slot in house.endpoints.directory.slots()])
        threads = [threading.Thread(target=self._begin, args=(index,)) for index in range(self.count)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        if len(self.fleet.pids()) < self.count:
            raise Unavailable("workers do not start", hint=f"see {house.home.logs / 'server.log'}; --workers 1")

    def stop(self) -> None:
        """Let them finish and hand in what they have recorded."""
        self._stopping = True
        self.fleet.dismiss()
        for listening in self._sockets:
            listening.close()
        with self._lock:
            if self._nursery is not None:
                self._nursery.close()

    def _begin(self, index: int) -> None:
        here, there = socket.socketpair()
        house = self._house
        brief = Brief(index, self.count, house.home, house.settings, self._url, __version__)
        try:
            with there:
                pid = self._born(brief, there, self._sockets[index])
        except (OSError, MlboxError) as error:
            _log.error("worker %d cannot be started: %s", index, error)
            here.close()
            self._replace(index, time.monotonic())
            return
        born = time.monotonic()
        worker = Worker(
            index, pid, Channel(here, lambda kind, value: self._answer(worker, kind, value), lambda: gone())
        )
        gone = partial(self._gone, worker, born)
        worker.channel.start()
        try:
            self.fleet.join(worker)
        except MlboxError as error:
            _log.error("worker %d (process %d) does not begin: %s", index, pid, error.message)
            _end(worker)
            return
        house.listener.tell(self.fleet.pids())

    def _born(self, brief: Brief, control: socket.socket, listening: socket.socket) -> int:
        with self._lock:
            if self._nursery is None or not self._nursery.alive:
                self._nursery = _Nursery(self._house.home.logs / "workers.log")
            return self._nursery.bear(brief, (control.fileno(), listening.fileno(), self.fleet.cells.descriptor))

    def _gone(self, worker: Worker, born: float) -> None:
        self.fleet.left(worker)
        if self._stopping:
            return
        _log.error("worker %d (process %d) has ended; another takes its place", worker.index, worker.pid)
        self._house.bus.publish(Event("worker.ended", "", str(worker.index), {"pid": worker.pid}))
        self._replace(worker.index, born)

    def _replace(self, index: int, born: float) -> None:
        if self._stopping:
            return
        at_once = self._ended_at_once[index] + 1 if time.monotonic() - born < YOUNG else 0
        self._ended_at_once[index] = at_once
        pause = PAUSES[min(at_once, len(PAUSES) - 1)]
        again = threading.Timer(pause, self._begin, (index,))
        again.daemon = True
        again.start()

    def _answer(self, worker: Worker, kind: str, value: Any) -> Any:
        """What a worker asks."""
        match kind:
            case "record":
                return self.fleet.take(worker, *value)
            case "may":
                return self._may(*value)
            case "vector":
                return self._house.features.reader(Ref(*value)).readable()
            case "artifact_access":
                return self._house.artifact_access()
            case "dropping":
                project, endpoint, reason = value
                return self._house.bus.publish(Event("endpoint.dropping", project, endpoint, {"reason": reason}))
        raise Unavailable(f"the server knows nothing of {kind!r}")

    def _may(self, authorization: str, path: str) -> float:
        members = self._house.members
        user = members.identify(*(credentials(authorization) if authorization else ("", "")))
        check_door(self._house.api_context(), {USER: user}, path)
        return float("inf") if user == OWNER else MEMBER_SECONDS


def _end(worker: Worker) -> None:
    _log.error("worker %d (process %d) does not answer and is ended", worker.index, worker.pid)
    with suppress(ProcessLookupError):
        os.kill(worker.pid, signal.SIGKILL)


class _Nursery:
    """The process that workers are forked from."""

    def __init__(self, log: Any) -> None:
        here, there = socket.socketpair()
        command = [sys.executable] if getattr(sys, "frozen", False) else [sys.executable, "-m", "mlbox"]
        variables = {**os.environ, "OPENBLAS_NUM_THREADS": "1", "OMP_NUM_THREADS": "1"}
        with there, open(log, "ab") as output:
            self._process = subprocess.Popen(
                [*command, "worker", str(there.fileno())],
                pass_fds=(there.fileno(),),
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=output,
                env=variables,
            )
        self._control = here
        here.settimeout(60)
        if here.recv(5) != b"ready":
            raise Unavailable("the process that workers are forked from does not start", hint=f"see {log}")

    @property
    def alive(self) -> bool:
        return self._process.poll() is None

    def bear(self, brief: Brief, descriptors: tuple[int, ...]) -> int:
        """A new worker; its process."""
        socket.send_fds(self._control, [pickle.dumps(brief)], list(descriptors))
        told = self._control.recv(8)
        if len(told) < 8:
            raise Unavailable("the process that workers are forked from has ended")
        return int.from_bytes(told)

    def close(self) -> None:
        self._control.close()
        with suppress(subprocess.TimeoutExpired):
            self._process.wait(5)
