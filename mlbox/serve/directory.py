"""Finds endpoints by the name in a request's path; read without a lock, replaced as a whole."""

from __future__ import annotations

import threading
from collections import deque
from collections.abc import Mapping
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import Conflict, NotFound
from mlbox.base.suggest import did_you_mean
from mlbox.serve.limits import MAX_QUEUE, STREAM_SECONDS
from mlbox.serve.meter import Meter
from mlbox.serve.retiring import retire
from mlbox.serve.switching import RECENT

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.batching import Batcher
    from mlbox.serve.codec import Request
    from mlbox.serve.endpoint import Runtime


class Slot:
    """The place of an endpoint: its row, and the runtime that answers now (built at first use)."""

    def __init__(self, row: EndpointRow, runtime: Runtime | None = None) -> None:
        self.runtime = runtime
        self.lock = threading.Lock()
        self.swaps = 0
        self.meter = Meter()
        self.recent: deque[Request] = deque(maxlen=RECENT)
        """Requests that were answered lately, for the next version."""
        self.since = now()
        """What was answered before is in the prediction log alone."""
        self.batcher: Batcher | None = None
        self.take(row)

    def take(self, row: EndpointRow) -> None:
        """Go by this row from now on."""
        options = row.options
        self.row = row
        self.max_queue = int(options.get("max_queue") or MAX_QUEUE)
        limit = options.get("timeout_ms")
        self.timeout = limit / 1000 if limit else None
        """Seconds that a request may take."""
        self.stream_seconds = int(options.get("stream_seconds") or STREAM_SECONDS)
        self.durable = bool(options.get("durable"))
        self.strict = options.get("missing") == "reject"
        """Whether a row without a value of a feature is refused."""
        self.batch = int(options.get("batch") or 0) > 1
        self.batcher = None

    @property
    def name(self) -> str:
        """``project.endpoint``."""
        return f"{self.row.project}.{self.row.name}"

    @property
    def key(self) -> str:
        """The name, case aside."""
        return self.name.lower()


class Directory:
    """Slots by ``project.name`` and by bare name."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._full: Mapping[str, Slot] = {}
        self._bare: Mapping[str, tuple[Slot, ...]] = {}
        self._paths: Mapping[str, Slot] = {}

    def at_path(self, path: str) -> Slot | None:
        """The endpoint whose own path it is."""
        return self._paths.get(path)

    def slots(self) -> tuple[Slot, ...]:
        """All of them."""
        return tuple(self._full.values())

    def put(self, slot: Slot) -> None:
        """Add or replace."""
        with self._lock:
            self._set({**self._full, slot.key: slot})

    def rename(self, project: str, old: str, slot: Slot) -> None:
        """``slot``, which has its new row already, is found by that alone."""
        gone = f"{project}.{old}".lower()
        with self._lock:
            self._set({**{key: known for key, known in self._full.items() if key != gone}, slot.key: slot})

    def remove(self, project: str, name: str) -> None:
        """Take away; nothing happens when it is not there."""
        key = f"{project}.{name}".lower()
        with self._lock:
            self._set({known: slot for known, slot in self._full.items() if known != key})

    def remove_project(self, project: str) -> None:
        """Take away all endpoints of a project."""
        with self._lock:
            self._set({key: slot for key, slot in self._full.items() if slot.row.project != project})

    def get(self, project: str, name: str) -> Slot | None:
        """By project and name."""
        return self._full.get(f"{project}.{name}".lower())

    def find(self, name: str) -> Slot:
        """By ``project.name`` or bare name; raises ``NotFound``, or ``Conflict`` when a bare name is not unique."""
        key = name.lower()
        slot = self._full.get(key)
        if slot is not None:
            return slot
        slots = self._bare.get(key, ())
        if len(slots) == 1:
            return slots[0]
        if slots:
            raise Conflict(
                f"endpoint {name!r} is in several projects",
                hint="write one of " + ", ".join(sorted(slot.name for slot in slots)),
            )
        known = {*(slot.name for slot in self._full.values()), *self._bare}
        raise NotFound(f"there is no endpoint {name!r}", hint=did_you_mean(name, known, kind="endpoint"))

    def _set(self, full: Mapping[str, Slot]) -> None:
        bare: dict[str, tuple[Slot, ...]] = {}
        for slot in full.values():
            key = slot.row.name.lower()
            bare[key] = (*bare.get(key, ()), slot)
        gone = set(self._full.values()).difference(full.values())
        self._full, self._bare = full, bare
        self._paths = {slot.row.path: slot for slot in full.values() if slot.row.path}
        for slot in gone:
            retire(slot.runtime)
