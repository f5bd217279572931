"""Features for replicas: from the online store where they reach it, else by asking the home, for a bounded time and
with a cache."""

from __future__ import annotations

import logging
import threading
import time
from collections import OrderedDict
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound, Unavailable
from mlbox.engine.features.online_parts import Compiled
from mlbox.engine.features.online_reader import OnlineReader
from mlbox.engine.features.stores.online.base import OnlineStore, Place, open_store

if TYPE_CHECKING:
    from pathlib import Path

    from mlbox.base.names import Ref
    from mlbox.serve.deploy.bundle import Bundle, Vector
    from mlbox.serve.needs import OnlineReader as Reader

_log = logging.getLogger("mlbox.serve")
FRESH_SECONDS = 5.0
"""For so long features that the home has told are used again."""

STALE_SECONDS = 600.0
"""For so long they are used while the home does not answer."""

KEPT_ROWS = 100_000
"""Rows of features that a replica remembers, of each vector."""

Columns = Mapping[str, Sequence[Any]]
Ask = Callable[[str, bytes], bytes]
"""Sends a question about a vector to the home; raises ``Unavailable`` when there is no answer in time."""


class Question(msgspec.Struct):
    """Rows of keys, and of each the instant, or now."""

    columns: dict[str, list[Any]]
    at: list[datetime | None] | None = None


def asked(body: bytes) -> Question:
    """A question of a replica; ``Invalid`` when it is none."""
    try:
        question = msgspec.msgpack.decode(body, type=Question)
    except msgspec.MsgspecError as error:
        raise Invalid(f"a replica's question about features cannot be read: {error}") from None
    if question.at is not None:
        question.at = [None if each is None else each.astimezone(UTC).replace(tzinfo=None) for each in question.at]
    return question


def answered(values: Mapping[str, Sequence[Any]]) -> bytes:
    """As Arrow, which keeps the types."""
    import pyarrow as pa

    table = pa.table({name: _array(column) for name, column in values.items()})
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return bytes(sink.getvalue())


def _array(values: Sequence[Any]) -> Any:
    import pyarrow as pa

    try:
        return pa.array(values)
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        return pa.array([None if value is None else str(value) for value in values], pa.string())


def _read(body: bytes) -> dict[str, list[Any]]:
    import pyarrow as pa

    table = pa.ipc.open_stream(body).read_all()
    return {name: table[name].to_pylist() for name in table.column_names}


class BundledReaders:
    """The feature vectors of a bundle. See ``FeatureReaders``."""

    def __init__(self, bundle: Bundle, folder: Path, ask: Ask) -> None:
        self._vectors = {(each.project.lower(), each.name.lower()): each for each in bundle.vectors}
        self._private = bundle.private
        self._folder = folder
        self._ask = ask
        self._store: OnlineStore | None = None

    def reader(self, ref: Ref) -> Reader:
        """Of a vector that the bundle names."""
        vector = self._vector(ref)
        if vector.by == "home":
            made = HomeReader(vector, self._ask)
            with suppress(MlboxError):  # the home opens what it reads at the first question
                made.read({name: [None] for name in made.entities})
            return made
        readable = vector.readable
        return OnlineReader(self._open(), lambda: readable, lambda: 0)

    def close(self) -> None:
        """Let go of the store."""
        if self._store is not None:
            self._store.close()

    def _vector(self, ref: Ref) -> Vector:
        found = self._vectors.get((ref.project.lower(), ref.name.lower()))
        if found is None:
            raise NotFound(f"the bundle has no feature vector {ref.project}.{ref.name}")
        return found

    def _open(self) -> OnlineStore:
        if self._store is None:
            private = self._private
            if private is None or not private.store:
                raise Conflict("the home has no online store that replicas reach", hint="DEPLOY the endpoint again")
            self._store = open_store(Place(self._folder, private.store, private.store_password))
        return self._store


class HomeReader:
    """Asks the home, and remembers what it has told. Rows with an instant of their own are always asked for."""

    remote = True

    def __init__(self, vector: Vector, ask: Ask) -> None:
        compiled = Compiled.of(0, vector.readable)
        self.entities = compiled.entities
        self.entity_types = compiled.entity_types
        self.features = compiled.features
        self._name = f"{vector.project}.{vector.name}"
        self._ask = ask
        self._rows: OrderedDict[tuple[Any, ...], tuple[float, tuple[Any, ...]]] = OrderedDict()
        self._lock = threading.Lock()
        self._away = False

    def read(self, columns: Columns, at: Sequence[datetime | None] | None = None) -> dict[str, list[Any]]:
        """Values by feature, one a row; ``Unavailable`` when the home does not answer and nothing is remembered."""
        keys = list(zip(*(columns[name] for name in self.entities), strict=True))
        if at is not None and any(at):
            return self._fetch(keys, [None if each is None else each.replace(tzinfo=UTC) for each in at])
        rows = self._known(keys)
        absent = [key for key in dict.fromkeys(keys) if key not in rows]
        if absent:
            fetched = self._fetch_or_remember(absent)
            rows.update(fetched)
        return {name: [rows[key][index] for key in keys] for index, name in enumerate(self.features)}

    def _known(self, keys: Sequence[tuple[Any, ...]], seconds: float = FRESH_SECONDS) -> dict[Any, tuple[Any, ...]]:
        since = time.monotonic() - seconds
        with self._lock:
            return {key: known[1] for key in keys if (known := self._rows.get(key)) and known[0] >= since}

    def _fetch_or_remember(self, keys: Sequence[tuple[Any, ...]]) -> dict[Any, tuple[Any, ...]]:
        try:
            values = self._fetch(keys, None)
        except Unavailable as error:
            old = self._known(keys, STALE_SECONDS)
            if len(old) < len(keys):
                raise
            if not self._away:
                _log.warning("features of %s are those of before: %s", self._name, error.message)
            self._away = True
            return old
        self._away = False
        found = dict(zip(keys, zip(*(values[name] for name in self.features), strict=True), strict=True))
        moment = time.monotonic()
        with self._lock:
            for key, row in found.items():
                self._rows[key] = (moment, row)
                self._rows.move_to_end(key)
            while len(self._rows) > KEPT_ROWS:
                self._rows.popitem(last=False)
        return found

    def _fetch(self, keys: Sequence[tuple[Any, ...]], at: list[datetime | None] | None) -> dict[str, list[Any]]:
        columns = {name: [key[index] for key in keys] for index, name in enumerate(self.entities)}
        values = _read(self._ask(self._name, msgspec.msgpack.encode(Question(columns, at))))
        missing = [name for name in self.features if name not in values]
        if missing:
            raise Conflict(
                f"feature vector {self._name} has no {', '.join(missing)} any more", hint="DEPLOY the endpoint again"
            )
        return values
