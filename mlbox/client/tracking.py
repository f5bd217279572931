"""Runs of scripts and notebooks that nobody started for mlbox: ``with mlbox.start_run("fit") as run: ...``.

What is logged goes the way of every run: buffered, spooled to disk, delivered once, whatever the server does meanwhile.
"""

from __future__ import annotations

import atexit
import json
import os
import tempfile
from contextlib import suppress
from types import TracebackType
from typing import Any, Dict, Mapping, Optional, Type

from mlbox.client import current
from mlbox.client.connection import Connection, connect, find_home
from mlbox.client.context import Context
from mlbox.client.failures import describe
from mlbox.client.outbox import Outbox
from mlbox.client.runs import Run
from mlbox.client.transport import Transport


class ScriptRun(Context):
    """The run of a script: a context that is also the block in which it happens."""

    def __init__(self, spec: Mapping[str, Any], outbox: Outbox, transport: Transport, folder: str) -> None:
        super().__init__(spec, outbox, transport, folder)
        self.name = spec.get("name")
        self._ended = False
        self._server: Optional[Connection] = None

    def end(self, error: Optional[BaseException] = None) -> None:
        """The run has ended, with ``error`` if there was one. What the server has not got stays in the spool."""
        if self._ended:
            return
        self._ended = True
        state = "completed" if error is None else "error"
        told = None if error is None else describe(error, os.getcwd())
        left = self._outbox.end({"kind": "finished", "state": state, "error": told})
        if not left:
            with suppress(OSError):
                os.rmdir(os.path.join(self.folder, "spool"))
                os.rmdir(self.folder)
        self._transport.close()
        atexit.unregister(self.end)
        current.forget(self)

    @property
    def run(self) -> Optional[Run]:
        """The run as it is at the server: its state, metrics, artifacts, link; of what was logged up to now."""
        if self._server is None:
            return None
        if not self._ended:
            self.flush()
        return Run(self._server, self.run_id)

    def _repr_html_(self) -> str:
        """Its card in a notebook."""
        shown = self.run
        return shown._repr_html_() if shown is not None else f"<b>run {self.run_id[:16]}</b>"

    def __repr__(self) -> str:
        return f"<run {self.name or self.run_id[:16]}{' that has ended' if self._ended else ''}>"

    def __enter__(self) -> ScriptRun:
        return self

    def __exit__(
        self,
        kind: Optional[Type[BaseException]],
        error: Optional[BaseException],
        traceback: Optional[TracebackType],
    ) -> None:
        self.end(error)


class _Joined(ScriptRun):
    """The block inside of a run that mlbox started: its end is not the run's."""

    def end(self, error: Optional[BaseException] = None) -> None:
        """Nothing: whoever began the run ends it."""


def start_run(
    name: Optional[str] = None,
    parameters: Optional[Mapping[str, Any]] = None,
    labels: Optional[Mapping[str, str]] = None,
    experiment: Optional[str] = None,
    connection: Optional[Connection] = None,
) -> ScriptRun:
    """Begin a run; it ends with the ``with`` block, with :meth:`ScriptRun.end`, or with the process. In a process that
    mlbox started as a run it is that run, so that a script logs the same however it is run."""
    if os.environ.get("MLBOX_RUN_ID"):
        return _join(current.current(), parameters)
    server = connection or connect()
    body: Dict[str, Any] = {"project": server.project, "name": name, "labels": dict(labels or {})}
    body.update(experiment=experiment, parameters=dict(parameters or {}))
    transport = server.transport()
    spec = server.post_through(transport, "/runs", json.dumps(body, default=str).encode())
    transport.use_token(str(spec["token"]))
    folder = _folder(str(spec["run_id"]))
    outbox = Outbox(transport, str(spec["run_id"]), os.path.join(folder, "spool"))
    run = ScriptRun({**spec, "parameters": dict(parameters or {})}, outbox, transport, folder)
    run._server = server
    atexit.register(run.end)
    current.set_current(run)
    return run


def _join(context: Context, parameters: Optional[Mapping[str, Any]]) -> ScriptRun:
    joined = _Joined.__new__(_Joined)
    joined.__dict__.update(context.__dict__)
    joined.name = None
    joined._ended = False
    joined._server = None
    for key, value in (parameters or {}).items():
        joined.log_param(key, value)
    return joined


def _folder(run_id: str) -> str:
    """Where the run's spool is: in the home, else where temporary files are."""
    for place in (os.path.join(find_home(), "scripts"), os.path.join(tempfile.gettempdir(), "mlbox-scripts")):
        folder = os.path.join(place, run_id)
        with suppress(OSError):
            os.makedirs(folder, exist_ok=True)
            return folder
    return tempfile.mkdtemp(prefix="mlbox-")
