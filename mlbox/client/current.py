"""The current run of this process, and the logging calls on it for code that is handed no context."""

from __future__ import annotations

import atexit
import os

from mlbox.client.context import Context
from mlbox.client.failures import MlboxClientError
from mlbox.client.outbox import Outbox, delivery_seconds
from mlbox.client.quick_json import loads
from mlbox.client.transport import Transport

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any, Dict, Mapping, Optional, Sequence

_current: Optional[Context] = None


def current() -> Context:
    """The run that this process belongs to. A child process of a run (a worker pool) logs to the same run."""
    if _current is not None:
        return _current
    run_id = os.environ.get("MLBOX_RUN_ID")
    if not run_id:
        raise MlboxClientError(
            "this process is not a run of mlbox",
            "begin one: with mlbox.start_run('name') as run: ...; or: CREATE FUNCTION f FROM 'file.py'; RUN f",
        )
    opened = open_context()
    atexit.register(opened.outbox.close, delivery_seconds())
    return set_current(opened.context)


def set_current(context: Context) -> Context:
    """Make ``context`` the one that the module's functions log to."""
    global _current
    _current = context
    return context


def forget(context: Context) -> None:
    """``context`` has ended."""
    global _current
    if _current is context:
        _current = None


class Opened:
    """A run that was opened: its context, what it sends through, and what it is to do."""

    __slots__ = ("context", "outbox", "spec", "transport")

    def __init__(self, context: Context, outbox: Outbox, transport: Transport, spec: Dict[str, Any]) -> None:
        self.context = context
        self.outbox = outbox
        self.transport = transport
        self.spec = spec


def open_context(main: bool = False) -> Opened:
    """The run that the environment names; the spec from its folder, else from the server. ``main``: this is the
    process whose end is the end of the run."""
    run_id = os.environ["MLBOX_RUN_ID"]
    folder = os.environ.get("MLBOX_RUN_FOLDER") or os.getcwd()
    url = os.environ.get("MLBOX_URL") or "http://127.0.0.1:7070"
    transport = Transport(url, os.environ.get("MLBOX_TOKEN"), os.environ.get("MLBOX_SERVER_FILE"))
    spec = read_spec(transport, run_id, folder)
    inputs: Dict[str, Any] = dict(spec.get("inputs") or {})
    for name, place in loads(os.environ.get("MLBOX_INPUTS") or "{}").items():
        inputs[name] = {**inputs.get(name, {}), **place}
    collected = main and os.environ.get("MLBOX_SPOOL") == "collected"
    outbox = Outbox(transport, run_id, os.path.join(folder, "spool"), collected)
    context = Context({**spec, "inputs": inputs}, outbox, transport, folder)
    return Opened(context, outbox, transport, spec)


def read_spec(transport: Transport, run_id: str, folder: str) -> Dict[str, Any]:
    """``GET /run-api/{id}``; a local executor has put the same into the run's folder."""
    try:
        with open(os.path.join(folder, "spec.json"), encoding="utf-8") as file:
            spec = loads(file.read())
        if spec.get("run_id") == run_id:
            return dict(spec)
    except (OSError, ValueError):
        pass
    return dict(transport.request("GET", f"/run-api/{run_id}", patience=120.0).json())


def log_metric(name: str, value: float, step: Optional[int] = None) -> None:
    """See :meth:`Context.log_metric`."""
    current().log_metric(name, value, step)


def log_metrics(metrics: Mapping[str, float], step: Optional[int] = None) -> None:
    """See :meth:`Context.log_metrics`."""
    current().log_metrics(metrics, step)


def log_param(name: str, value: Any) -> None:
    """See :meth:`Context.log_param`."""
    current().log_param(name, value)


def log_tag(name: str, value: Any) -> None:
    """See :meth:`Context.log_tag`."""
    current().log_tag(name, value)


def log_artifact(
    name: str,
    value: Any,
    kind: Optional[str] = None,
    format: Optional[str] = None,
    metadata: Optional[Mapping[str, Any]] = None,
) -> str:
    """See :meth:`Context.log_artifact`."""
    return current().log_artifact(name, value, kind, format, metadata)


def log_document(
    name: str, value: Any, format: Optional[str] = None, metadata: Optional[Mapping[str, Any]] = None
) -> str:
    """See :meth:`Context.log_document`."""
    return current().log_document(name, value, format, metadata)


def log_plot(name: str, figure: Any, format: Optional[str] = None) -> str:
    """See :meth:`Context.log_plot`."""
    return current().log_plot(name, figure, format)


def log_table(name: str, frame: Any, format: Optional[str] = None) -> str:
    """See :meth:`Context.log_table`."""
    return current().log_table(name, frame, format)


def log_dataset(name: str, frame: Any, format: Optional[str] = None) -> str:
    """See :meth:`Context.log_dataset`."""
    return current().log_dataset(name, frame, format)


def log_model(
    name: str,
    model: Any,
    feature_names: Optional[Sequence[str]] = None,
    training_set: Any = None,
    metrics: Optional[Mapping[str, float]] = None,
) -> str:
    """See :meth:`Context.log_model`."""
    return current().log_model(name, model, feature_names, training_set, metrics)


def progress(value: float, text: str = "") -> None:
    """See :meth:`Context.progress`."""
    current().progress(value, text)
