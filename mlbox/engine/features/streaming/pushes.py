"""Rows that are pushed: those of many callers go in one micro-batch, and each is answered when its rows are durable."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.base.locks import Locks
from mlbox.base.names import JSON_COLUMN, Ref
from mlbox.engine.catalog.tables import streams as table
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.streaming.writer import Given, StreamWriter, Taken

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.catalog.database import Catalog

WAITING = 200_000
"""Rows that may wait for a set; then callers are told to come again."""
BATCH = 50_000
"""Rows of a micro-batch, about."""


@dataclass(slots=True)
class Push:
    """Rows of one caller; ``key`` makes its repeat harmless."""

    rows: pyarrow.Table
    key: str | None
    source: str | None = None
    taken: Taken | None = None
    repeated: bool = False
    error: MlboxError | None = None

    @property
    def done(self) -> bool:
        """Whether it has its answer."""
        return self.taken is not None or self.error is not None


@dataclass(slots=True)
class _Queue:
    waiting: list[Push] = field(default_factory=list)
    rows: int = 0


class Pushes:
    """Whoever gets the lock of the set first writes what waits for it, his own rows and those of the others."""

    def __init__(self, catalog: Catalog, locks: Locks, writer: Callable[[FeatureSet], StreamWriter]) -> None:
        self._catalog = catalog
        self._locks = locks
        self._writer = writer
        self._guard = threading.Lock()
        self._queues: dict[str, _Queue] = {}
        self._open = True

    def push(self, feature_set: FeatureSet, push: Push) -> Push:
        """Returns when the rows are durable; ``Unavailable`` when too many wait."""
        with self._guard:
            queue = self._queues.setdefault(feature_set.id, _Queue())
            if not self._open or (queue.rows and queue.rows + len(push.rows) > WAITING):
                raise Unavailable(
                    f"feature set {feature_set.name} has {queue.rows:,} rows waiting", hint="push again in a moment"
                )
            queue.waiting.append(push)
            queue.rows += len(push.rows)
        with self._locks.of(Ref(feature_set.project, feature_set.name)):
            while not push.done:
                self._write(feature_set, self._next(queue))
        if push.error is not None:
            raise push.error
        return push

    def stop(self) -> None:
        """Take no more."""
        with self._guard:
            self._open = False

    def _next(self, queue: _Queue) -> list[Push]:
        with self._guard:
            taken: list[Push] = []
            rows = 0
            while queue.waiting and (not taken or rows + len(queue.waiting[0].rows) <= BATCH):
                first = queue.waiting[0]
                fits = not taken or first.rows.schema == taken[0].rows.schema and first.source == taken[0].source
                if not fits or (first.key is not None and first.key in {one.key for one in taken}):
                    break
                taken.append(queue.waiting.pop(0))
                rows += len(first.rows)
            queue.rows -= rows
            return taken

    def _write(self, feature_set: FeatureSet, pushes: list[Push]) -> None:
        try:
            self._write_together(feature_set, pushes)
        except MlboxError as error:
            if len(pushes) == 1:
                pushes[0].error = error
                return
            for push in pushes:
                if not push.done:
                    self._write(feature_set, [push])
        except BaseException:
            for push in pushes:
                if not push.done:
                    push.error = Unavailable("the rows could not be written", hint="the server's log has more")
            raise

    def _write_together(self, feature_set: FeatureSet, pushes: list[Push]) -> None:
        import pyarrow

        keys = [push.key for push in pushes if push.key is not None]
        if keys:
            with self._catalog.read() as cursor:
                known = table.known_keys(cursor, feature_set.id, keys)
            for push in pushes:
                if push.key in known:
                    push.repeated, push.taken = True, Taken(0, 0, 0, {})
        fresh = [push for push in pushes if not push.done]
        if not fresh:
            return
        rows = pyarrow.concat_tables([push.rows for push in fresh])
        if not len(rows):
            for push in fresh:
                push.taken = Taken(0, 0, 0, {})
            return
        found = self._writer(feature_set).add(
            Given(rows, source=fresh[0].source, keys=[push.key for push in fresh if push.key is not None])
        )
        first = 0
        for push in fresh:
            last = first + len(push.rows)
            own = {place - first: reason for place, reason in found.refused.items() if first <= place < last}
            push.taken = Taken(len(push.rows) - len(own), 0, 0, own)
            first = last


def json_rows(body: bytes, *, lines: bool) -> pyarrow.Table:
    """One object, a list of objects, or an object a line, as rows that are read by the set's types."""
    import msgspec
    import pyarrow

    try:
        if lines:
            texts = [line.decode() for line in body.splitlines() if line.strip()]
        else:
            stripped = body.lstrip()
            if stripped[:1] == b"[":
                texts = [bytes(raw).decode() for raw in msgspec.json.decode(body, type=list[msgspec.Raw])]
            else:
                texts = [bytes(msgspec.json.decode(body, type=msgspec.Raw)).decode()]
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"the body is no JSON: {error}", hint="send an object, a list of objects, or an object a line"
        ) from None
    return pyarrow.table({JSON_COLUMN: pyarrow.array(texts, pyarrow.string())})
