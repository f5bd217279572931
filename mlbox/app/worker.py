"""A worker: a process that answers inference on the server's port. The nursery forks it, and it never returns there."""

from __future__ import annotations

import os
import signal
import socket
import threading
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from mlbox.base.home import Home
from mlbox.base.settings import Settings

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.predictions import Batch, TrafficRow
    from mlbox.engine.features.online_parts import Readable
    from mlbox.engine.models.sessions import Sessions


@dataclass(frozen=True, slots=True)
class Brief:
    """What a worker is told at its birth. ``url`` is the server's own address, for what it hands on."""

    index: int
    workers: int
    home: Home
    settings: Settings
    url: str
    version: str


def work(brief: Brief, control: socket.socket, listening: socket.socket, cells: int) -> None:
    """Answer on ``listening`` until the server at the other end of ``control`` goes, or sends this process away."""
    from mlbox.api.forward import Forward
    from mlbox.api.worker import Permits, WorkerApp
    from mlbox.app import logs
    from mlbox.app.serving import Serving
    from mlbox.engine.features.stores.online.base import Place, open_store
    from mlbox.serve import tracing
    from mlbox.serve.asgi import InferenceApp
    from mlbox.serve.deploy.delivery import encoded
    from mlbox.serve.record import Recorder
    from mlbox.serve.workers.cells import DEFINITIONS, Cells
    from mlbox.serve.workers.channel import Channel
    from mlbox.serve.workers.recipe import Kitchen
    from mlbox.serve.workers.station import Station

    home, settings = brief.home, brief.settings
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # a terminal sends it to all of us; the server says when to end
    logs.to_file(home, settings)
    tracing.begin(settings, brief.version, f"worker-{brief.index}")
    shared, ended = Cells(cells), threading.Event()

    def vector(ref: tuple[str, str]) -> Readable:
        found: Readable = channel.ask("vector", ref)
        return found

    def deliver(rows: Sequence[Batch], counts: Sequence[TrafficRow], awaited: bool) -> None:
        channel.ask("record", (encoded(rows, counts, None), station.counted(), awaited), None)

    def may(authorization: str, path: str) -> float:
        return float(channel.ask("may", (authorization, path)))

    def dropping(project: str, endpoint: str, reason: str) -> None:
        channel.begin("dropping", (project, endpoint, reason))

    store = open_store(Place(home.online, settings.online_store, settings.online_store_password, read_only=True))
    sessions = _sessions(home, settings, lambda: channel.ask("artifact_access", None))
    station = Station(shared, Kitchen(sessions, store, vector, lambda: shared[DEFINITIONS]), brief.workers)
    channel = Channel(control, station.answer, ended.set)
    recorder = Recorder(None, settings.log_flush_ms / 1000, settings.log_buffer_rows, dropping)
    recorder.deliver = deliver
    station.recorder = recorder
    inference = InferenceApp(
        station.directory, recorder, station.ensure, settings.max_request_mb << 20, brief.version, settings.body_seconds
    )
    app = WorkerApp(station, inference, Forward(brief.url), Permits(shared, may), settings)  # type: ignore[arg-type]
    serving = Serving(settings.host, 0, lambda: app, listening)

    def leave() -> None:
        serving.stop()
        inference.close()
        tracing.end()

    station.listen, station.leave = serving.start, leave
    recorder.start()
    channel.start()
    ended.wait()
    os._exit(0)


def _sessions(home: Home, settings: Settings, access: Callable[[], dict[str, Any]]) -> Sessions:
    """Models of the home's artifacts; large ones share their weights with the other workers."""
    from mlbox.engine.models.mapped import MappedModels
    from mlbox.engine.models.sessions import Sessions
    from mlbox.engine.storage.remote import store_of

    made = Sessions(store_of(settings, home.artifacts, access))
    made.mapped = MappedModels.of(home)
    return made
