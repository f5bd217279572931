"""User functions that rows of feature sets go through, in processes like those of endpoints."""

from __future__ import annotations

import hashlib
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.underway import current
from mlbox.engine.features.transforming import Foreseen, FunctionFailed
from mlbox.engine.runs.environments import requirement_name
from mlbox.engine.runs.interpreters import host_python, probe
from mlbox.serve.python.errors import CodeFailed
from mlbox.serve.python.pool import Pool, Size
from mlbox.serve.shop import handler_of

if TYPE_CHECKING:
    import pyarrow

    from mlbox.base.names import Ref
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.tables.functions import FunctionRow
    from mlbox.engine.features.definition import FeatureSet
    from mlbox.serve.python.leases import Lease
    from mlbox.serve.shop import Shop

SECONDS = 600.0
"""For a batch, where the function has no TIMEOUT."""
START_SECONDS = 900.0
"""For the process: its environment may have to be built first."""
KEPT = 8
"""Functions whose processes are kept for the next ingest."""
ARROW = "pyarrow"
_PATIENCE = 0.1


class Transformers:
    """Gives functions that take a batch of rows and return another."""

    def __init__(self, shop: Shop, settings: Settings) -> None:
        self._shop = shop
        self._settings = settings
        self._kept: OrderedDict[tuple[str, str], Lease] = OrderedDict()
        self._lock = threading.Lock()

    def foresee(self, ref: Ref) -> Foreseen:
        """The version that a reference means now; raises an ``MlboxError``. Starts nothing."""
        function = self._shop.functions.require(ref)
        if function.runtime != "local":
            raise Invalid(
                f"function {ref} has the runtime {function.runtime}; rows go through functions of this machine",
                hint="CREATE FUNCTION without RUNTIME",
            )
        handler = handler_of(function, None, verb="transform")
        needs = f"with {', '.join(function.requirements)}" if function.requirements else "with the host's Python"
        key = (function.project, function.name, function.version)
        return Foreseen(key, f"{handler} of {function.file}, over batches of Arrow in a process of its own, {needs}")

    @contextmanager
    def open(self, feature_set: FeatureSet) -> Iterator[FunctionTransform]:
        """The function of a set; its process stays until others have been asked since."""
        assert feature_set.transform is not None
        function = self._shop.functions.of_run(*feature_set.transform)
        transform = FunctionTransform(lambda: self._lease(feature_set, function), function)
        try:
            yield transform
        except BaseException:  # it may still be at a batch that nobody waits for
            with self._lock:
                for key in [key for key in self._kept if key[0] == feature_set.id]:
                    del self._kept[key]
            raise
        finally:
            transform.close()

    def _lease(self, feature_set: FeatureSet, function: FunctionRow) -> Lease:
        """The process of the function, begun anew where it is not kept; raises an ``MlboxError``."""
        launch = self._shop.launch(function, handler_of(function, None, verb="transform"), {})
        launch = replace(
            launch,
            spec={**launch.spec, "threads": 1},
            requirements=self._requirements(function),
            log=log_id(feature_set.project, feature_set.name),
            project=feature_set.project,
        )
        key = (feature_set.id, launch.key)
        with self._lock:
            kept = self._kept.pop(key, None)
        try:
            lease = kept or self._shop.pools.lease(launch, Size(1, 1, START_SECONDS))
        except CodeFailed as error:
            reason = error.message.removeprefix(f"{launch.name}: ")
            raise Invalid(
                f"function {feature_set.transform_ref} does not load: {reason}; nothing was stored",
                hint=f"its output: SELECT text FROM ml.logs WHERE feature_set = '{feature_set.name}'",
            ) from None
        with self._lock:
            self._kept[key] = lease
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return lease

    def _requirements(self, function: FunctionRow) -> tuple[str, ...]:
        """With Arrow, by which rows travel, where the function's environment would be without."""
        given = function.requirements
        if any(requirement_name(line) == ARROW for line in given):
            return given
        if given:
            return (*given, ARROW)
        host = host_python(self._settings.python)
        return () if ARROW in probe(host, (ARROW,)).modules else (ARROW,)


class FunctionTransform:
    """Sends batches to the process of a function, which is started for the first one."""

    def __init__(self, lease: Callable[[], Lease], function: FunctionRow) -> None:
        self._begin = lease
        self._lease: Lease | None = None
        self._seconds = float(function.definition.get("timeout_seconds") or SECONDS)
        self._thread = ThreadPoolExecutor(2, thread_name_prefix=f"transform-{function.name}")

    def start(self, rows: pyarrow.Table) -> Callable[[], pyarrow.Table]:
        """See :class:`~mlbox.engine.features.transforming.Transform`."""
        self._lease = self._lease or self._begin()
        answer = self._thread.submit(self._ask, self._lease.pool, rows)
        return lambda: _awaited(answer)

    def close(self) -> None:
        """Nothing more is asked."""
        self._lease = None
        self._thread.shutdown(wait=False, cancel_futures=True)

    def _ask(self, pool: Pool, rows: pyarrow.Table) -> pyarrow.Table:
        import pyarrow

        sink = pyarrow.BufferOutputStream()
        with pyarrow.ipc.new_stream(sink, rows.schema) as writer:
            writer.write_table(rows)
        try:
            _, body = pool.wait({"verb": "transform"}, [sink.getvalue()], self._seconds)
        except (CodeFailed, Invalid) as error:
            reason = error.message.removeprefix(f"{pool.launch.name}: ")
            hint = error.hint if error.hint and "endpoint" not in error.hint else None
            raise FunctionFailed(reason, hint) from None
        return pyarrow.ipc.open_stream(body).read_all()


def _awaited(answer: Future[pyarrow.Table]) -> Any:
    """The result, unless the statement is cancelled before: the process ends with its lease then."""
    while not wait([answer], _PATIENCE).done:
        underway = current()
        if underway is not None:
            underway.check()
    return answer.result()


def log_id(project: str, feature_set: str) -> str:
    """Under which the output of a set's function is kept; ``ml.logs`` computes the same."""
    text = f"feature set {f'{project}.{feature_set}'.lower()}"
    return hashlib.md5(text.encode(), usedforsecurity=False).hexdigest()
