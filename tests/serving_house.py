"""A real home, a real granian server, real clients."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
from free_port import free_port
from fresh_home import fresh_home
from waiting import wait_until

from mlbox.base.command import Caller, Command, Result, Service
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.features.service import Features
from mlbox.engine.models.commands import CreateModel, SetModelAlias
from mlbox.engine.models.service import Models
from mlbox.engine.runs.commands import CreateFunction
from mlbox.engine.runs.functions import Functions
from mlbox.engine.security.secrets import Secrets
from mlbox.engine.storage.artifacts import ArtifactStore
from mlbox.serve.commands import CreateEndpoint, Share
from mlbox.serve.service import Endpoints


@dataclass
class DictReader:
    """Features by key from a dictionary: the smallest thing that is an online reader."""

    values: dict[tuple[Any, ...], dict[str, float | None]]
    entities: Sequence[str]
    features: Sequence[str]
    times: list[Any] = field(default_factory=list)
    entity_types: Mapping[str, str] = field(default_factory=dict)

    def read(
        self, columns: Mapping[str, Sequence[Any]], at: Sequence[Any] | None = None
    ) -> Mapping[str, Sequence[Any]]:
        self.times.append(at)
        keys = list(zip(*(columns[name] for name in self.entities), strict=True))
        return {name: [self.values.get(key, {}).get(name) for key in keys] for name in self.features}


@dataclass
class Readers:
    """The feature store, with dictionaries before it."""

    features: Features
    known: dict[str, DictReader] = field(default_factory=dict)

    def reader(self, ref: Ref) -> Any:
        """A dictionary of that name, else the real thing."""
        return self.known[ref.name] if ref.name in self.known else self.features.reader(ref)

    def statistic(self, ref: Ref, feature: str, word: str) -> float | None:
        """Of the real thing."""
        return None if ref.name in self.known else self.features.statistic(ref, feature, word)


class House:
    """Registry and endpoints over one home, with the commands that tests give."""

    def __init__(self, folder: Path, settings: Settings | None = None) -> None:
        self.folder = folder
        self.settings = settings or Settings(log_flush_ms=20)
        self.home = fresh_home(folder / "home")
        self.catalog = Catalog.open(self.home, self.settings)
        self.bus = Bus()
        self.events: list[Event] = []
        self.bus.listen(self.events.append)
        self.features = Features(catalog=self.catalog, bus=self.bus, home=self.home)
        self.readers = Readers(self.features)
        self.models = Models(catalog=self.catalog, artifacts=ArtifactStore(self.home.artifacts), bus=self.bus)
        self.endpoints = Endpoints(
            catalog=self.catalog, models=self.models, features=self.readers, bus=self.bus, settings=self.settings
        )
        self.endpoints.start()

    def do(self, command: Command) -> Result:
        """Plan and execute."""
        services: tuple[Service, ...] = (self.features, self.models, self.endpoints)
        for service in services:
            for handler in service.handlers():
                if handler.command is type(command):
                    caller = Caller()
                    return handler.carry_out(command, handler.plan(command, caller), caller)
        raise AssertionError(command)

    def model(self, name: str, content: bytes, *features: str, alias: str | None = None, **more: Any) -> Result:
        """CREATE MODEL name INPUT (features) FROM 'file' ALIAS alias."""
        file = self.folder / f"{name}-{len(list(self.folder.iterdir()))}.onnx"
        file.write_bytes(content)
        inputs = tuple((feature, "DOUBLE") for feature in features)
        ref = more.pop("ref", Ref("default", name))
        return self.do(CreateModel(ref=ref, path=str(file), inputs=inputs, alias=alias, **more))

    def function(self, name: str, source: str, handler: str | None = None, **more: Any) -> Result:
        """CREATE FUNCTION name FROM a file with this source."""
        file = self.folder / f"{name}.py"
        file.write_text(source)
        command = CreateFunction(ref=Ref("default", name), source=str(file), handler=handler, **more)
        functions = Functions(self.catalog, self.models.artifacts, Secrets(self.catalog))
        return functions.create(command, functions.plan_create(command, Caller()), Caller())

    def alias(self, name: str, alias: str, version: int) -> Result:
        """ALTER MODEL name SET ALIAS alias = version."""
        return self.do(SetModelAlias(ref=Ref("default", name), alias=alias, version=str(version)))

    def endpoint(self, name: str, *models: str, **more: Any) -> Result:
        """CREATE ENDPOINT name USING MODEL …, or of several with ``weights``."""
        weights = more.pop("weights", [1.0] * len(models))
        shares = []
        for text, weight in zip(models, weights, strict=True):
            model, _, version = text.partition("@")
            shares.append(Share(Ref("default", model, version or None), weight))
        project = more.pop("project", "default")
        if "function" in more:
            more.update(using="function", function=Ref("default", more["function"]))
        return self.do(CreateEndpoint(ref=Ref(project, name), shares=tuple(shares), **more))

    def predictions(self, where: str = "true") -> list[dict[str, Any]]:
        """Rows of ml.predictions, after a flush."""
        self.endpoints.flush()
        return self.catalog.rows(
            f"SELECT * FROM catalog.ml.predictions WHERE {where} ORDER BY predicted_at, request_id, row_id"
        )

    def close(self) -> None:
        """As at a normal stop."""
        self.endpoints.stop()
        self.features.close()
        self.catalog.close()


class Server:
    """granian in a thread, on a free port."""

    def __init__(self, app: Any) -> None:
        from granian.constants import Interfaces
        from granian.server.embed import Server as Granian

        self.port = free_port()
        self._server = Granian(app, address="127.0.0.1", port=self.port, interface=Interfaces.ASGI, websockets=False)
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._thread.start()
        self.url = f"http://127.0.0.1:{self.port}"
        wait_until(self._answers)

    def _answers(self) -> bool:
        try:
            return httpx.get(f"{self.url}/v2/health/live").is_success
        except httpx.TransportError:
            return False

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        self._loop.run_until_complete(self._server.serve())

    def soon(self, act: Callable[[], None]) -> None:
        """Have the event loop do this."""
        self._loop.call_soon_threadsafe(act)

    def stop(self) -> None:
        """Stop it and wait."""
        self._loop.call_soon_threadsafe(self._server.stop)
        self._thread.join(60)


@dataclass
class Live:
    """A house with a server and a client."""

    house: House
    server: Server
    http: httpx.Client

    def infer(self, endpoint: str, body: Any, **more: Any) -> httpx.Response:
        """POST to infer."""
        kind = {"content": body} if isinstance(body, bytes) else {"json": body}
        return self.http.post(f"/v2/models/{endpoint}/infer", **kind, **more)

    def rows(self, endpoint: str, columns: Mapping[str, Sequence[Any]], **more: Any) -> httpx.Response:
        """POST columns of floats or texts."""
        return self.infer(endpoint, {"inputs": tensors(columns), **more})


@contextmanager
def served(house: House, timeout: float = 60) -> Iterator[Live]:
    """The house with a server and a client whose requests may take so many seconds; all end with it."""
    server = Server(house.endpoints.asgi)
    try:
        with httpx.Client(base_url=server.url, timeout=timeout) as client:
            yield Live(house, server, client)
    finally:
        server.stop()
        house.close()


def tensors(columns: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    """Columns as the protocol's JSON."""
    return [
        {
            "name": name,
            "shape": [len(values)],
            "datatype": "BYTES" if isinstance(values[0], str) else "FP64",
            "data": list(values),
        }
        for name, values in columns.items()
    ]
