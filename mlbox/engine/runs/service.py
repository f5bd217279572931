"""Functions and runs: the commands, and what the rest of the house calls."""

from __future__ import annotations

import mimetypes
from collections.abc import Iterable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import Conflict, Invalid
from mlbox.base.events import Bus
from mlbox.base.ids import new_id
from mlbox.base.underway import interrupting, measuring
from mlbox.engine.catalog.commands import CollectGarbage
from mlbox.engine.catalog.tables import projects
from mlbox.engine.catalog.tables.runs import EXTERNAL, RunRow
from mlbox.engine.runs import lifecycle, results
from mlbox.engine.runs.admission import Capacity, Slots
from mlbox.engine.runs.artifacts import Artifacts
from mlbox.engine.runs.attempts import Attempts, Doors, Workshop
from mlbox.engine.runs.calls_home import CallsHome
from mlbox.engine.runs.commands import (
    CancelRun,
    CreateFunction,
    DropFunction,
    LogToRun,
    Rerun,
    StartRun,
)
from mlbox.engine.runs.engines import Engines
from mlbox.engine.runs.experiments import Experiments
from mlbox.engine.runs.frames import Frames
from mlbox.engine.runs.function_aliases import FunctionAliases
from mlbox.engine.runs.functions import Functions
from mlbox.engine.runs.garbage import Garbage
from mlbox.engine.runs.importance import Importance
from mlbox.engine.runs.ledger import Ending, Ledger
from mlbox.engine.runs.output import Output
from mlbox.engine.runs.planning import FrameQuery, Planner, Prepared, table_query
from mlbox.engine.runs.project_end import ProjectEnd
from mlbox.engine.runs.remarks import Remarks
from mlbox.engine.runs.removal import Removal
from mlbox.engine.runs.restart import Found, Restart
from mlbox.engine.runs.sql_functions import SqlRuns
from mlbox.engine.runs.supervise import Sources, Supervisor
from mlbox.engine.runs.sweeps import Sweeps
from mlbox.engine.runs.tracking import Tracking
from mlbox.engine.runs.watches import Watch, Watches
from mlbox.engine.security.secrets import Secrets
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog


class Runs:
    """The service of functions and runs.

    ``doors`` give the addresses that runs call home to; ``frame_query`` the SQL of a named vector or table.
    """

    def __init__(
        self,
        *,
        catalog: Catalog,
        artifacts: ArtifactStore,
        bus: Bus,
        settings: Settings,
        doors: Doors,
        frame_query: FrameQuery = table_query,
    ) -> None:
        home = catalog.home
        self._catalog = catalog
        self._artifacts = artifacts
        self._bus = bus
        self._watches = Watches()
        self.secrets = Secrets(catalog)
        self._functions = Functions(catalog, artifacts, self.secrets)
        self.function_users = self._functions.users
        frames = Frames(catalog)
        engines = Engines(home, settings)
        self._ledger = Ledger(catalog, bus)
        self._named = Artifacts(catalog, bus, self._ledger)
        self._planner = Planner(frames, self._functions, engines, frame_query, self._named)
        output = Output(home)
        self.log_path = output.path
        self.calls_home = CallsHome(
            catalog=catalog, artifacts=artifacts, bus=bus, output=output, ledger=self._ledger, wake=self._watches.wake
        )
        shop = Workshop(
            home=home,
            settings=settings,
            artifacts=artifacts,
            ledger=self._ledger,
            calls=self.calls_home,
            functions=self._functions,
            frames=frames,
            engines=engines,
            output=output,
            doors=doors,
            secrets=self.secrets,
        )
        self.sql_runs = SqlRuns(catalog, artifacts, frames, self.calls_home)
        self.tracking = Tracking(catalog, self._ledger, self.calls_home, Experiments(catalog))
        attempts = Attempts(shop)
        self._supervisor = Supervisor(shop, attempts, Slots(Capacity.of(settings)))
        self._sweeps = Sweeps(attempts, self._supervisor, self._watches, Importance(artifacts, self.calls_home))
        self._removal = Removal(catalog, self._ledger, self.log_path)
        # another may have its name then, and number its versions anew
        bus.listen(lambda event: self._functions.forget() if event.kind == "function.altered" else None)
        self.garbage = Garbage(shop, catalog, self._removal)
        self._project_end = ProjectEnd(shop, self._watches)
        self._restart = Restart(shop, attempts, self._supervisor, self._watches, self._sweeps)

    def handlers(self) -> Iterable[Handler]:
        """The commands of this service."""
        return (
            Handler(CreateFunction, self._functions.plan_create, self._functions.create),
            Handler(DropFunction, self._functions.plan_drop, self._functions.drop),
            Handler(StartRun, self.plan_start, self.start),
            Handler(CancelRun, self.plan_cancel, self.cancel),
            Handler(Rerun, self.plan_rerun, self.rerun),
            Handler(LogToRun, self.plan_log, self.log),
            *self._removal.handlers(),
            *Remarks(self._catalog, self._ledger, self._bus).handlers(),
            *self._named.handlers(),
            *FunctionAliases(self._catalog, self._functions).handlers(),
            Handler(CollectGarbage, self.garbage.plan, self.garbage.collect),
            *self.tracking.handlers(),
        )

    def find(self, project: str, text: str) -> RunRow:
        """The run that a user calls ``text``: id, prefix of 8 digits or more, or name. ``NotFound``, ``Invalid``."""
        return self._ledger.find(project, text)

    def reattach(self) -> Found:
        """Once, at the start of the server: go on with the runs that had not ended."""
        return self._restart.reattach()

    def forget_project(self, project: str) -> None:
        """A project is dropped: end its runs."""
        self._project_end.forget(project)
        self._functions.forget()

    def delete_beside(self, run_ids: Iterable[str]) -> None:
        """A project is gone for good: remove logs and folders of its runs."""
        self._project_end.delete(run_ids)

    def shutdown(self, seconds: float = 5.0) -> None:
        """Stop looking after runs. Processes go on; the next start finds them."""
        self._watches.leave(seconds)

    def plan_start(self, command: StartRun, caller: Caller) -> Plan:
        """Check the whole request."""
        return self._planner.plan(command)

    def start(self, command: StartRun, plan: Plan, caller: Caller) -> Result:
        """Run, and wait for the end unless ``command.asynchronous``. Raises ``RunFailed`` with the user's traceback."""
        prepared: Prepared = plan.resolved["prepared"]
        row = replace(prepared.row, id=new_id(), created_at=now())
        return self._go(row, prepared.sources, command.asynchronous)

    def plan_cancel(self, command: CancelRun, caller: Caller) -> Plan:
        """Find the run; ``Conflict`` when it has ended."""
        row = self._find(command.project, command.run)
        if lifecycle.is_final(row.state):
            raise Conflict(f"run {row.label} has ended already: it is {row.state}")
        return Plan((Step("execute", f"run {row.label}", f"cancel; it is {row.state}"),), {"row": row})

    def cancel(self, command: CancelRun, plan: Plan, caller: Caller) -> Result:
        """End the run with all its processes; of a sweep, all its trials. Waits for the end."""
        row: RunRow = plan.resolved["row"]
        if row.runtime == EXTERNAL:  # its process is not ours to end: what it tells from now on is still taken
            self._ledger.finish(row.id, Ending(lifecycle.CANCELLED, "cancelled"))
        watch = self._watches.cancel(row.id)
        if watch is not None:
            watch.wait()
        row = self._ledger.get(row.id)
        if row.state != lifecycle.CANCELLED:
            raise Conflict(f"run {row.label} had ended before: it is {row.state}")
        return Result(f"cancelled run {row.label}", facts={"run": row.id, "state": row.state})

    def plan_rerun(self, command: Rerun, caller: Caller) -> Plan:
        """Find the run and its function's version."""
        if command.from_step is not None:
            raise Invalid("a run of a function has no steps", hint=f"RERUN '{command.run}'")
        row = self._find(command.project, command.run)
        if row.runtime == EXTERNAL:
            raise Invalid(f"run {row.label} was a script of its own: mlbox cannot run it", hint="run the script again")
        function = self._functions.of_run(row.project, row.function, row.function_version)
        what = f"function {row.project}.{row.function}@{function.version}"
        return Plan((Step("create", "run", f"as {row.label}"), Step("execute", what)), {"row": row})

    def rerun(self, command: Rerun, plan: Plan, caller: Caller) -> Result:
        """The same version, parameters and inputs again; an input whose file has gone is read anew."""
        old: RunRow = plan.resolved["row"]
        row = RunRow(
            id=new_id(),
            project=old.project,
            name=old.function if old.parent_id else old.name,
            function=old.function,
            function_version=old.function_version,
            handler=old.handler,
            runtime=old.runtime,
            state=lifecycle.PENDING,
            created_at=now(),
            params=old.request.get("parameters", {}),
            labels=old.labels,
            request=old.request,
        )
        return self._go(row, None, asynchronous=False)

    def plan_log(self, command: LogToRun, caller: Caller) -> Plan:
        """Find the run and check what is to be logged."""
        if not command.run:
            raise Invalid(f"LOG {command.kind.upper()} needs the run", hint=f"LOG {command.kind.upper()} .. RUN 'id'")
        row = self._find(command.project, command.run)
        if command.kind == "artifact":
            if not command.path or not Path(command.path).expanduser().is_file():
                raise Invalid(f"artifact {command.name!r}: there is no file {command.path!r}")
        elif command.kind == "metric" and (
            isinstance(command.value, bool) or not isinstance(command.value, int | float)
        ):
            raise Invalid(f"metric {command.name!r} is not a number: {command.value!r}")
        return Plan((Step("create", f"{command.kind} {command.name}", f"of run {row.label}"),), {"row": row})

    def log(self, command: LogToRun, plan: Plan, caller: Caller) -> Result:
        """Add a metric's point, a parameter or an artifact to a run, ended or not."""
        row: RunRow = plan.resolved["row"]
        event: dict[str, Any] = {"kind": command.kind, "name": command.name}
        if command.kind == "artifact":
            path = Path(str(command.path)).expanduser()
            blob = self._artifacts.put_path(path)
            event.update(
                artifact_kind="file",
                digest=blob.digest,
                size=blob.size,
                file_name=path.name,
                media_type=mimetypes.guess_type(path.name)[0] or "application/octet-stream",
            )
        else:
            event.update(value=command.value, step=command.step)
        self.calls_home.log((row.project, row.id), [event])
        return Result(f"logged {command.kind} {command.name} to run {row.label}", facts={"run": row.id})

    def _go(self, row: RunRow, sources: Sources | None, asynchronous: bool) -> Result:
        self._ledger.create(row)
        carry = self._sweeps.carry if row.request.get("sweep") else self._supervisor.carry
        watch = self._watches.start(row.id, lambda watch: carry(watch, row, sources))
        if asynchronous:
            return results.started(row)
        self._wait(watch)
        return results.finished(watch.ended or self._ledger.get(row.id), watch.failure)

    def _wait(self, watch: Watch) -> None:
        try:
            with interrupting(lambda: self._cancel_watch(watch)), measuring(lambda: self._progress(watch.run_id)):
                watch.wait()
        except KeyboardInterrupt:
            self._watches.cancel(watch.run_id)
            watch.done.wait()
            raise

    def _progress(self, run_id: str) -> float | None:
        row = self._catalog.row("SELECT progress FROM catalog.ml.runs WHERE id = ?", [run_id])
        known: float | None = row["progress"] if row is not None else None
        return known

    def _cancel_watch(self, watch: Watch) -> None:
        self._watches.cancel(watch.run_id)

    def _find(self, project: str, text: str) -> RunRow:
        with self._catalog.read() as cursor:
            projects.require(cursor, project)
        return self._ledger.find(project, text)
