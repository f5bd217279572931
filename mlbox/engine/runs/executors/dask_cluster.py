"""The connection to a Dask scheduler, its errors in our words, and code that runs on its workers.

Workers have nothing of ours, and may have another Python: what they run travels as text (``mlbox/client/on_dask.py``).
"""

from __future__ import annotations

import logging
import socket
import threading
import warnings
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.engine.runs.client_zip import client_sources
from mlbox.engine.runs.executors.options import read_options

_SECONDS = 10
_CALL = "[exec(source, module), module[name](*arguments)][1]"
"""What a worker evaluates: the text becomes a module, whose function is called."""
HINT = "say where the scheduler is with the setting dask_scheduler (tcp://host:8786) or WITH (scheduler = '..')"


@dataclass(frozen=True, slots=True, kw_only=True)
class DaskOptions:
    """What ``WITH (..)`` of a function may say to the Dask executor. Read with :meth:`read`."""

    scheduler: str = ""
    """Another scheduler than that of the setting ``dask_scheduler``."""
    workers: tuple[str, ...] = ()
    """Names or addresses of the workers that may take the run."""
    resources: Mapping[str, Any] = field(default_factory=dict)
    """Resources of workers, as they were started with: ``{'FAST_DISK': 1}``."""
    priority: str = ""
    """Runs with a higher number are started first."""

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> DaskOptions:
        """Raises ``Invalid`` for what it does not know."""
        found = read_options(cls, "dask", options)
        if found.priority and not found.priority.lstrip("-").isdigit():
            raise Invalid(f"option priority is a whole number, not {found.priority!r}")
        for name, value in found.resources.items():
            if isinstance(value, bool) or not isinstance(value, int | float):
                raise Invalid(f"resource {name!r} is a number, not {value!r}")
        return found


class DaskCluster:
    """A scheduler, connected to when it is first used."""

    def __init__(self, address: str) -> None:
        self.address = address if "://" in address else f"tcp://{address}"
        self._client: Any = None
        self._lock = threading.Lock()

    def client(self) -> Any:
        """``distributed.Client``; to be used inside ``told``."""
        with self._lock:
            if self._client is not None and self._client.status == "connecting":
                raise OSError("the connection was lost")
            if self._client is None or self._client.status in ("closed", "closing"):
                self._client = self._connect()
            return self._client

    def submit(self, key: str, order: Mapping[str, Any], options: DaskOptions, gpus: int) -> Any:
        """The task of a run as a future, published under ``key`` so that it outlives us."""
        client = self.client()
        resources = {**options.resources, **({"GPU": gpus} if gpus else {})}
        future = client.submit(
            eval,
            *_call("supervise", order),
            key=key,
            pure=False,
            workers=list(options.workers) or None,
            resources=resources or None,
            priority=int(options.priority or 0),
        )
        try:
            client.publish_dataset(future, name=key, override=True)
        except BaseException:
            future.cancel()
            raise
        return future

    def on_worker(self, worker: str, name: str, *arguments: Any) -> Any:
        """What function ``name`` of ``on_dask`` returns there; None when there is no such worker any more."""
        client = self.client()
        if worker not in client.nthreads():
            return None
        return client.run(eval, *_call(name, *arguments), workers=[worker])[worker]

    def place(self, key: str) -> str | None:
        """Address of the worker that a run was started on; None: it was not started yet."""
        from distributed import Variable

        try:
            return str(Variable(key, client=self.client()).get(timeout="0.05s"))
        except TimeoutError:
            return None

    def claim(self, key: str) -> None:
        """Keep a run that was not started from being started."""
        from distributed import Variable

        Variable(key, client=self.client()).set("nowhere")

    def forget(self, key: str) -> None:
        """Take away what the scheduler keeps of a run."""
        from distributed import Variable

        client = self.client()
        if key in client.list_datasets():
            client.unpublish_dataset(key)
        Variable(key, client=client).delete()

    def _connect(self) -> Any:
        try:
            from distributed import Client
        except ImportError:
            raise Unavailable(
                "runs on a Dask cluster need the Python package distributed, which is not installed",
                hint="install mlbox[dask]",
            ) from None
        place = urlsplit(self.address)
        if place.scheme in ("tcp", "tls") and place.hostname and place.port:
            # what does not answer is told at once; the library would try again for as long as it may
            socket.create_connection((place.hostname, place.port), timeout=_SECONDS).close()
        logging.getLogger("distributed").setLevel(logging.ERROR)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of other versions there: text and plain values are all that travels
            return Client(self.address, timeout=_SECONDS, set_as_default=False, name="mlbox")


@contextmanager
def told(what: str, cluster: DaskCluster) -> Iterator[None]:
    """Errors of the cluster in our words."""
    try:
        yield
    except MlboxError:
        raise
    except (OSError, TimeoutError) as error:
        reason = getattr(error, "strerror", None) or (str(error).splitlines() or [type(error).__name__])[0]
        raise Unavailable(
            f"the Dask scheduler at {cluster.address} does not answer ({what}): {reason}", hint=HINT
        ) from None
    except ValueError as error:
        raise Invalid(f"Dask refused ({what}): {error}", hint=HINT) from None


def _call(name: str, *arguments: Any) -> tuple[str, dict[str, Any]]:
    source = client_sources()["mlbox/client/on_dask.py"].decode()
    module = {"__name__": "mlbox_on_dask"}
    return _CALL, {"source": source, "module": module, "name": name, "arguments": arguments}
