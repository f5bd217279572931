"""User functions that make vectors of the texts of collections, in processes like those of endpoints."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.client.serving import wire
from mlbox.serve.python.errors import CodeFailed
from mlbox.serve.python.pool import Size
from mlbox.serve.shop import handler_of, log_id

if TYPE_CHECKING:
    from mlbox.base.names import Ref
    from mlbox.engine.catalog.tables.functions import FunctionRow
    from mlbox.serve.shop import Shop

BATCH = 64
"""Texts that a function is given at once."""
SECONDS = 600.0
"""For a batch: a function may load its model with the first one."""
START_SECONDS = 600.0


KEPT = 8
"""Functions whose processes are kept for the next question."""


class Embedders:
    """Gives functions that make vectors; the process of one stays until others have been asked since."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop
        self._kept: OrderedDict[tuple[str, str, int], FunctionEmbedder] = OrderedDict()
        self._lock = threading.Lock()

    def foresee(self, ref: Ref) -> str:
        """The label of a function that can be asked; raises an ``MlboxError``. Starts nothing."""
        function = self._shop.functions.require(ref)
        handler_of(function, None, verb="predict")
        return label_of(function)

    def embedder(self, ref: Ref) -> FunctionEmbedder:
        """A function, ready to be asked."""
        function = self._shop.functions.require(ref)
        key = (function.project, function.name, function.version)
        with self._lock:
            found = self._kept.pop(key, None)
            if found is None:
                found = FunctionEmbedder(self._shop, function)
            self._kept[key] = found
            if len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return found


def label_of(function: FunctionRow) -> str:
    """A version of a function: its vectors are not comparable with those of another."""
    return f"function {function.project}.{function.name}@{function.version}"


class FunctionEmbedder:
    """Asks a function for the vectors of texts: ``embed(text)`` for each, or a class whose ``predict(inputs)`` is
    given ``{"text": [..]}`` and returns a vector a text."""

    def __init__(self, shop: Shop, function: FunctionRow) -> None:
        """Starts the process; raises an ``MlboxError`` when the code does not load."""
        launch = shop.launch(function, handler_of(function, None, verb="predict"), {})
        self.label = label_of(function)
        log = log_id(function.project, function.name)
        self._lease = shop.pools.lease(
            replace(launch, spec={**launch.spec, "threads": 1}, log=log, project=function.project),
            Size(1, 1, START_SECONDS),
        )

    def embed(self, texts: Sequence[str]) -> Any:
        """Vectors of finite float32, ``[len(texts), d]``; raises ``CodeFailed``, ``DeadlineExceeded``."""
        import numpy

        found = [self._some(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        widths = {some.shape[1] for some in found}
        if len(widths) > 1:
            raise CodeFailed(f"{self.label} gave vectors of {' and '.join(map(str, sorted(widths)))} numbers")
        return numpy.concatenate(found) if found else numpy.empty((0, 0), numpy.float32)

    def _some(self, texts: Sequence[str]) -> Any:
        import numpy

        entries, buffers = wire.pack({"text": list(texts)})
        head = {"verb": "predict", "columns": entries, "rows": len(texts)}
        reply, body = self._lease.pool.wait(head, buffers, SECONDS)
        columns = wire.unpack(reply["columns"], body)
        values = next(iter(columns.values()))
        try:
            vectors: Any = numpy.array([list(map(float, row)) for row in values], numpy.float32)
        except (TypeError, ValueError):
            raise CodeFailed(
                f"{self.label} gave no vectors", hint="return a list of numbers for each text, all of one length"
            ) from None
        if vectors.ndim != 2 or len(vectors) != len(texts) or not numpy.isfinite(vectors).all():
            raise CodeFailed(
                f"{self.label} gave no vector of finite numbers for each of {len(texts)} texts",
                hint="return a list of numbers for each text, all of one length",
            )
        return vectors
