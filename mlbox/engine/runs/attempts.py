"""One attempt of a run: inputs, code, environment, process, end."""

from __future__ import annotations

import logging
import time
from collections.abc import Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.clock import now
from mlbox.base.errors import Cancelled, Internal, Invalid, MlboxError
from mlbox.engine.catalog.tables import runs
from mlbox.engine.catalog.tables.functions import FunctionRow
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs import code, lifecycle
from mlbox.engine.runs.calls_home import CallsHome
from mlbox.engine.runs.engines import Engines
from mlbox.engine.runs.executors.base import Executor, RemoteExecutor, RunSpec, Status, Telling
from mlbox.engine.runs.executors.options import used
from mlbox.engine.runs.frames import Frames, FrameSource
from mlbox.engine.runs.functions import Functions
from mlbox.engine.runs.ledger import Ending, Ledger
from mlbox.engine.runs.output import Output, masked
from mlbox.engine.runs.patience import Patience
from mlbox.engine.runs.requests import load_resources, load_source
from mlbox.engine.runs.watches import Cancelled as RunCancelled
from mlbox.engine.runs.watches import Leaving, Watch
from mlbox.engine.security.secrets import Secrets
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

SECRET_NAMES = "MLBOX_SECRETS"
"""The variable that names those that are secrets."""
FIRST_POLL_SECONDS = 0.02
WOKEN_POLL_SECONDS = 0.005
LAST_POLL_SECONDS = 0.25
_log = logging.getLogger(__name__)


class RunLog:
    """The run's log while it is prepared."""

    def __init__(self, output: Output, watch: Watch, seconds: float | None) -> None:
        self._output = output
        self._watch = watch
        self._seconds = seconds
        self._stop_by = None if seconds is None else time.monotonic() + seconds

    def write(self, text: str) -> None:
        """Append; raises ``Cancelled`` or ``Leaving`` so that preparation ends, or an error when it takes too long."""
        self._watch.check()
        if self._stop_by is not None and time.monotonic() > self._stop_by:
            hint = "WITH (prepare_timeout = ..) of the function, or the setting run_prepare_seconds, allows more"
            message = f"its preparation took longer than {self._seconds:g} s"
            raise Cancelled(message, hint=hint, details={"type": "Timeout"})
        self._output.say(self._watch.run_id, text)


class Doors(Protocol):
    """Where runs call home. Somebody listens there when a method returns."""

    def url(self) -> str:
        """For processes of this machine."""
        ...

    def remote_url(self, host: str) -> str:
        """For runs elsewhere, which reach this machine at the address ``host``; only the run API is behind it."""
        ...

    def reopen(self) -> None:
        """For runs elsewhere that were started before a restart: the address that they know. A place that is taken
        by others meanwhile is no error."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Workshop:
    """What attempts are made with."""

    home: Home
    settings: Settings
    artifacts: ArtifactStore
    ledger: Ledger
    calls: CallsHome
    functions: Functions
    frames: Frames
    engines: Engines
    output: Output
    doors: Doors
    secrets: Secrets


class Attempts:
    """Carries out attempts. All methods are called in the thread of the run."""

    def __init__(self, shop: Workshop) -> None:
        self._shop = shop
        self._given: dict[str, tuple[str, ...]] = {}
        """Values of secrets that a run has been given, which may be set anew or dropped while it goes on."""

    @property
    def ledger(self) -> Ledger:
        """The record of runs."""
        return self._shop.ledger

    def folder(self, run_id: str) -> Path:
        """Inputs, code and working folders of a run."""
        return self._shop.home.runs / run_id

    def begin(
        self, watch: Watch, function: FunctionRow, sources: Mapping[str, FrameSource] | None
    ) -> tuple[RunRow, Mapping[str, Any]]:
        """Prepare and start the next attempt; the run as it is then, and the handle of its process.

        ``sources`` are the inputs as they were asked for; None after a restart, when the kept text is what there is.
        """
        token, kept = self._shop.calls.issue_token(function.project, watch.run_id)
        keep = partial(runs.set_token, row=kept)
        row = self._shop.ledger.move(watch.run_id, lifecycle.PREPARING, also=keep)
        row = self.write_frames(row, sources)
        watch.check()
        longest = row.request.get("prepare_timeout") or self._shop.settings.run_prepare_seconds or None
        log = RunLog(self._shop.output, watch, longest)
        engine = self._shop.engines.get(row.runtime)
        spec = self._spec(row, function, self.open_door(engine), token)
        if row.attempt > 1:
            log.write(f"mlbox: attempt {row.attempt}\n")
        if engine.capabilities.remote:
            self._shop.output.begin(row.id)
        else:
            code.unpack(function.code, self._shop.artifacts, spec.code_folder)
        handle = _submitted(engine, spec, log, watch)
        return self._shop.ledger.move(row.id, lifecycle.RUNNING, {"handle": handle}), handle

    def open_door(self, engine: Executor) -> str:
        """The address at which runs of ``engine`` call home; somebody listens there when this returns."""
        if not engine.capabilities.remote:
            return self._shop.doors.url()
        if not isinstance(engine, RemoteExecutor):
            raise Internal(f"executor {engine.name!r} is remote and does not say where its runs call home")
        return self._shop.doors.remote_url(engine.call_home_host())

    def follow(self, watch: Watch, row: RunRow, handle: Mapping[str, Any]) -> Ending:
        """Wait for the end of a process, take in what it left, and say how it ended. Raises ``Leaving``."""
        engine = self._shop.engines.get(row.runtime)
        watch.elsewhere = engine.capabilities.remote
        pause, told, reason = FIRST_POLL_SECONDS, False, row.reason
        patience = Patience(watch, _deadline(handle), remote=engine.capabilities.remote)
        if isinstance(engine, Telling):
            engine.on_end(dict(handle), watch.wake.set)
        while True:
            status = None
            with suppress(TimeoutError):
                if watch.cancelled.is_set() and not told:
                    told = patience.ask(lambda: _cancelled(engine, dict(handle)))
                status = patience.ask(lambda: self._look(row.id, engine, dict(handle)))
            if status is not None:
                patience.heard()
            elif patience.is_over():
                status = _unanswered(row, handle, cancelled=not patience.timed_out())
            if status is not None and status.ended:
                return self._ending(row, status)
            if engine.capabilities.remote and status is not None and status.reason != reason:
                reason = status.reason
                self._tell(row.id, reason)
            if watch.leaving.is_set():
                raise Leaving
            woken = watch.pause(pause)  # a process that says that it has finished ends within milliseconds
            pause = WOKEN_POLL_SECONDS if woken else min(pause * 1.5, LAST_POLL_SECONDS)

    def _tell(self, run_id: str, reason: str | None) -> None:
        """Why a run that was started does not run yet, for its row and its log."""
        self._shop.ledger.note(run_id, {"reason": reason})
        if reason is not None:
            self._shop.output.say(run_id, f"mlbox: {reason}\n")

    def _look(self, run_id: str, engine: Executor, handle: dict[str, Any]) -> Status | None:
        """How the run is, its output copied up to there; None while the engine is away: that says nothing of it."""
        try:
            status = engine.poll(handle)
            if engine.capabilities.remote:
                self._shop.output.copy(run_id, lambda offset: engine.logs(handle, offset), whole=status.ended)
        except MlboxError as error:
            if not error.transient:
                raise
            return None
        return status

    def let_go(self, run_id: str, *, ended: bool) -> None:
        """The engine gives up what it kept of an attempt: when the end is on record (and that it has is noted), or
        (not ``ended``) before the next attempt."""
        row = self._shop.ledger.get(run_id)
        if row.handle is None or ended != lifecycle.is_final(row.state):
            return
        engine = self._shop.engines.get(row.runtime)
        if engine.capabilities.remote:
            engine.cancel(dict(row.handle))
            self._shop.output.end(run_id)
            if ended:
                self._shop.ledger.note(run_id, {"handle": None})

    def write_frames(self, row: RunRow, sources: Mapping[str, FrameSource] | None = None) -> RunRow:
        """Write the inputs that are not there yet, and record what they were made from."""
        shop = self._shop
        kept = row.request.get("sources", {})
        frames = {
            name: frame
            for name, frame in row.request.get("frames", {}).items()
            if (shop.home.path / frame["path"]).is_file()
        }
        missing = [name for name in kept if name not in frames]
        edges = []
        for name, body in kept.items():
            source = (sources or {}).get(name) or load_source(body)
            if name in missing:
                path = self.folder(row.id) / "inputs" / f"{_file_name(name)}.parquet"
                frames[name] = shop.frames.write(row.project, source, path).to_dict()
            edges.extend(shop.frames.edges(row.project, source, row.id, name))
        for name, known in row.request.get("artifacts", {}).items():
            edges.append(Edge(row.project, "artifact", known["ref"], "run", row.id, now(), name))
        shop.ledger.link(edges)
        if not missing:
            return row
        shop.ledger.note(row.id, {"request": {**row.request, "frames": frames}})
        return shop.ledger.get(row.id)

    def _spec(self, row: RunRow, function: FunctionRow, url: str, token: str) -> RunSpec:
        shop, folder, definition = self._shop, self.folder(row.id), function.definition
        return RunSpec(
            run_id=row.id,
            project=row.project,
            function=row.function,
            file=function.file,
            code_folder=folder / "code",
            run_folder=folder / f"attempt-{row.attempt}",
            log_path=shop.output.path(row.id),
            url=url,
            token=token,
            handler=row.handler,
            parameters=row.request.get("parameters", {}),
            returns=tuple(row.request.get("returns", ())),
            inputs={name: shop.home.path / frame["path"] for name, frame in row.request.get("frames", {}).items()},
            artifacts=row.request.get("artifacts", {}),
            requirements=function.requirements,
            resources=load_resources(definition),
            environment={**definition.get("environment", {}), **self._secrets(row, function)},
            timeout_seconds=row.request.get("timeout_seconds"),
            server_file=shop.home.server_file,
            python=definition.get("python"),
            image=definition.get("image"),
            options=used(shop.engines.get(row.runtime), definition.get("options", {})),
            attempt=row.attempt,
        )

    def _secrets(self, row: RunRow, function: FunctionRow) -> dict[str, str]:
        """What SECRETS of the function names, and the names themselves for ``ctx.secret`` and for masking."""
        names = function.definition.get("secrets", ())
        values = self._shop.secrets.values(row.project, names) if names else {}
        self._given[row.id] = tuple(values.values())
        if not names:
            return {}
        return {**values, SECRET_NAMES: ",".join(names)}

    def _mask(self, row: RunRow, error: Mapping[str, Any] | None) -> Mapping[str, Any] | None:
        """Take the values of secrets out of the log and of the error, whoever wrote them there."""
        given = self._given.pop(row.id, None)
        values = set(self._kept_secrets(row) if given is None else given)
        if not values:
            return error
        self._shop.output.mask(row.id, values)
        return masked(dict(error), values) if error else error

    def _kept_secrets(self, row: RunRow) -> Iterable[str]:
        """The values as they are now: after a restart of the server nobody knows what the run was given."""
        try:
            function = self._shop.functions.of_run(row.project, row.function, row.function_version)
            names = function.definition.get("secrets", ())
            return self._shop.secrets.present(row.project, names).values() if names else ()
        except MlboxError:  # the function, or the key, is gone
            return ()

    def _ending(self, row: RunRow, status: Status) -> Ending:
        self._shop.calls.accept_leftovers(row.id, self.folder(row.id) / f"attempt-{row.attempt}")
        error: Mapping[str, Any] | None = status.error
        if status.state == lifecycle.ERROR and not (error and error.get("traceback")):
            outcome = self._shop.ledger.get(row.id).outcome or {}
            if outcome.get("error") and not (error and error.get("type") == "Timeout"):
                error = outcome["error"]
        error = self._mask(row, error)
        if status.state == lifecycle.COMPLETED:
            return Ending(lifecycle.COMPLETED)
        return Ending(status.state, status.reason, error)


def _cancelled(engine: Executor, handle: dict[str, Any]) -> bool:
    """Whether the engine was told; one that is away is told later."""
    try:
        engine.cancel(handle)
    except MlboxError as error:
        if not error.transient:
            raise
        return False
    return True


def _submitted(engine: Executor, spec: RunSpec, log: RunLog, watch: Watch) -> Mapping[str, Any]:
    """Start it. A run that is cancelled meanwhile does not wait for long; what comes up too late is ended."""
    patience = Patience(watch, None, remote=engine.capabilities.remote)

    def too_late(handle: Mapping[str, Any]) -> None:
        with suppress(MlboxError):  # the next start of the server finds it
            engine.cancel(dict(handle))

    try:
        return patience.ask(lambda: engine.submit(spec, log), too_late)
    except TimeoutError:
        told = f"cancelled; {engine.name} did not answer, so what it was starting may go on there"
        raise RunCancelled(told) from None


def _deadline(handle: Mapping[str, Any]) -> float | None:
    """When the time of a run that has a TIMEOUT is over, in seconds since 1970."""
    deadline = handle.get("deadline")
    return None if deadline is None else float(deadline)


def _unanswered(row: RunRow, handle: Mapping[str, Any], *, cancelled: bool) -> Status:
    """The end of a run that is cancelled or past its time, and of which its engine says nothing."""
    away = f"{row.runtime} does not answer, so it may go on there"
    if cancelled:
        return Status("cancelled", None, f"cancelled; {away}")
    reason = f"timed out after {float(handle.get('timeout_seconds') or 0):g} s; {away}"
    return Status("error", None, reason, {"type": "Timeout", "message": reason})


def failure(error: MlboxError) -> Ending:
    """How a run ends whose preparation failed, as members may read it; the log has what they may not."""
    told = error.public
    if told is not error and not isinstance(error, Internal):  # a defect is in the log already
        _log.warning("a run failed: %s", error.message)
    reason = told.message if told.hint is None else f"{told.message}; {told.hint}"
    kind = error.details.get("type", type(error).__name__)
    return Ending(lifecycle.ERROR, reason, {"type": kind, "message": told.message})


def _file_name(name: str) -> str:
    if not name or name in (".", "..") or any(character in "/\\\0" for character in name):
        raise Invalid(f"{name!r} cannot be the name of an input")
    return name
