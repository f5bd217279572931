"""Sessions of computing engines for a handler that asks for one: a ``SparkSession``, a ``dask.distributed.Client``.

Where the run is (``RUN .. ON spark``, ``ON dask``) decides what they are connected to; elsewhere the libraries of the
run's own environment make one on this machine. A session is made when it is first asked for and ends with the run.
"""

from __future__ import annotations

import os
import sys

from mlbox.client.failures import MlboxClientError

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Callable, Dict, List, Optional

DASK_SCHEDULER = "MLBOX_DASK_SCHEDULER"
"""Variable with the address of the scheduler; ``local``: one for this run alone."""
SPARK_MASTER = "MLBOX_SPARK_MASTER"
"""Variable that says that the run is on Spark."""

_SESSIONS = {"spark": "SparkSession", "dask_client": "Client"}
"""Parameter of a handler → class of the session that it is given."""

_made: Dict[str, Any] = {}


def session_asked_for(name: str, annotation: Any) -> Optional[str]:
    """``spark`` or ``dask_client`` when a parameter asks for one: by its annotation, else by its name. The annotation
    is a class, its text, or None."""
    if annotation is None:
        return name if name in _SESSIONS else None
    module = "" if isinstance(annotation, str) else getattr(annotation, "__module__", "")
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if text.split(".")[-1] == "SparkSession":
        return "spark"
    full = f"{module}.{text}".lstrip(".")
    if full == "Client" or full.startswith(("distributed.", "dask.")) and full.endswith(".Client"):
        return "dask_client"
    return None


def session(kind: str) -> Any:
    """The session of this run; made once."""
    if kind not in _made:
        _made[kind] = _MAKE[kind]()
    return _made[kind]


def is_at_hand(kind: str) -> bool:
    """Whether the run is on the engine of this session."""
    return bool(os.environ.get({"spark": SPARK_MASTER, "dask_client": DASK_SCHEDULER}[kind]))


def collected(frame: Any) -> Any:
    """A frame of Spark or Dask as one in this process; others as they are."""
    package = type(frame).__module__.partition(".")[0]
    if package == "pyspark" and hasattr(frame, "collect"):
        return [row.asDict() for row in frame.collect()]
    if package in ("dask", "dask_expr") and hasattr(frame, "compute"):
        return frame.compute()
    return frame


class Session:
    """A session as an attribute of the context."""

    def __init__(self, kind: str) -> None:
        self._kind = kind

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        return self if instance is None else session(self._kind)


def _spark() -> Any:
    try:
        from pyspark import cloudpickle
        from pyspark.sql import SparkSession
    except ImportError:
        raise MlboxClientError(
            "a SparkSession was asked for and pyspark is missing", "RUN .. ON spark, or add 'pyspark' to REQUIREMENTS"
        ) from None
    made = SparkSession.builder.getOrCreate()
    _at_end(made.stop)
    _send_own_code(cloudpickle)
    return made


def _dask_client() -> Any:
    try:
        import cloudpickle
        from distributed import Client, LocalCluster
    except ImportError:
        raise MlboxClientError(
            "a Dask client was asked for and distributed is missing",
            "RUN .. ON dask, or add 'distributed' to REQUIREMENTS",
        ) from None
    address = os.environ.get(DASK_SCHEDULER, "local")
    if address == "local":
        cluster = LocalCluster(host="127.0.0.1", dashboard_address=None)
        made = Client(cluster)
        _at_end(cluster.close)
    else:
        with open(os.path.join(os.environ.get("MLBOX_RUN_FOLDER") or ".", "wants-client"), "w"):
            pass  # whoever looks after this process on the worker gives its thread back to the worker
        made = Client(address, name="mlbox-" + os.environ.get("MLBOX_RUN_ID", ""))
    _at_end(made.close)
    _dask_pickles_whole(_send_own_code(cloudpickle))
    return made


_MAKE: Dict[str, Callable[[], Any]] = {"spark": _spark, "dask_client": _dask_client}


def _at_end(close: Callable[[], Any]) -> None:
    import atexit

    def quietly() -> None:
        try:
            close()
        except Exception:  # the engine is gone before us: the run has ended all the same
            pass

    atexit.register(quietly)


def _send_own_code(cloudpickle: Any) -> List[str]:
    """Functions of the user's own files travel whole: the engine's workers do not have these files. Their modules."""
    folder = os.path.join(os.environ.get("MLBOX_CODE_FOLDER") or os.getcwd(), "")
    found = []
    for module in list(sys.modules.values()):
        file = getattr(module, "__file__", None)
        if file and os.path.abspath(file).startswith(folder) and module.__name__ in sys.modules:
            cloudpickle.register_pickle_by_value(module)
            found.append(module.__name__)
    return found


def _dask_pickles_whole(modules: List[str]) -> None:
    """Dask tries the plain pickle first, which names a function by its module: not for ``modules``."""
    import cloudpickle
    from distributed.protocol.serialize import pickle_dumps, pickle_loads, register_serialization_family

    names = [name.encode() for name in modules]

    def dumps(value: Any, context: Any = None) -> Any:
        header, frames = pickle_dumps(value, context=context)
        if not any(name in frames[0] for name in names):
            return header, frames
        protocol = (context or {}).get("pickle-protocol")
        return {**header, "writeable": ()}, [cloudpickle.dumps(value, protocol=protocol)]

    register_serialization_family("pickle", dumps, pickle_loads)
