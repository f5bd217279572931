"""Workflows: definitions, and their runs."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, TypeVar

from mlbox.base.clock import now
from mlbox.base.command import Caller, Dispatcher, Handler, Parser, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid, MlboxError, NotFound, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import check_name
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import Dropping
from mlbox.engine.catalog.tables import projects, workflows
from mlbox.engine.workflows import definition
from mlbox.engine.workflows.alterations import Alterations
from mlbox.engine.workflows.bodies import MADE, Bodies, parameters_in
from mlbox.engine.workflows.commands import CreateWorkflow, DropWorkflow, RunWorkflow
from mlbox.engine.workflows.descriptions import Descriptions
from mlbox.engine.workflows.execution import Execution, Script
from mlbox.engine.workflows.renames import Renames
from mlbox.engine.workflows.schedule import Schedules

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

T = TypeVar("T")


class Workflows:
    """Answers CREATE, RUN and DROP WORKFLOW; ``schedules`` and ``alterations`` answer theirs through it."""

    def __init__(self, *, catalog: Catalog, bus: Bus, dispatcher: Dispatcher, parser: Parser) -> None:
        self._catalog = catalog
        self._bus = bus
        self.bodies = Bodies(parser, dispatcher)
        self._live: dict[str, Execution] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self.schedules = Schedules(catalog, bus, self.bodies)
        self.alterations = Alterations(Descriptions(catalog, bus), Renames(catalog, bus))
        self.alterations.add("schedule", self.schedules)

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers, those of schedules and ALTER among them."""
        dropping = Dropping(self._catalog, self._bus, "workflow", workflows, "its runs stay")
        return (
            Handler(CreateWorkflow, self._plan_create, self._create),
            Handler(RunWorkflow, self._plan_run, self._run),
            Handler(DropWorkflow, dropping.plan, dropping.drop),
            *self.schedules.handlers(),
            *self.alterations.handlers(),
        )

    def recover(self) -> int:
        """Mark what a stopped server left unfinished as interrupted; how many runs that were."""
        found = self._catalog.write(lambda cursor: workflows.interrupt(cursor, now()))
        for project, run in found:
            self._bus.publish(Event("workflow.finished", project, run, {"state": "interrupted"}))
        return len(found)

    def cancel(self, run: str) -> bool:
        """Start no further step of a run in progress; whether there is such a run."""
        with self._lock:
            execution = self._live.get(run)
        if execution is not None:
            execution.runner.cancel()
        return execution is not None

    def forget_project(self, project: str, timeout: float = 60.0) -> None:
        """A project is dropped: start no further steps of its workflows, and wait for those that run."""
        with self._lock:
            live = [execution for execution in self._live.values() if execution.row.project == project]
        for execution in live:
            execution.runner.cancel()
        deadline = time.monotonic() + timeout
        for execution in live:
            if not execution.ended.wait(max(0.0, deadline - time.monotonic())):
                raise Unavailable(f"a step of workflow {execution.row.workflow} does not end")

    def shutdown(self, timeout: float = 5.0) -> None:
        """Start no further steps; wait for the running ones up to ``timeout`` seconds."""
        with self._lock:
            live, threads = list(self._live.values()), list(self._threads)
        for execution in live:
            execution.runner.cancel()
        for thread in threads:
            thread.join(timeout)

    # CREATE WORKFLOW

    def _plan_create(self, command: CreateWorkflow, caller: Caller) -> Plan:
        ref = command.ref
        check_name(ref.name, "workflow")
        existing = self._look(ref.project, lambda cursor: workflows.get(cursor, ref.project, ref.name))
        keeps = kept("workflow", command, existing, "changes it")
        if keeps is not None:
            return keeps
        graph = definition.check(command)
        for step in command.steps:
            self.bodies.check(step.body, ref.project)
        if command.finally_ is not None:
            self.bodies.check(command.finally_, ref.project)
        self._foresee(command, Caller(caller.user, ref.project, "workflow"))
        action = "replace" if existing else "create"
        steps = [Step(action, f"workflow {ref}", counted(len(command.steps), "step"))]
        steps += [
            Step("write", f"step {name}", f"after {', '.join(graph.before(name))}" if graph.before(name) else "first")
            for name in graph.order
        ]
        return Plan(tuple(steps), {"order": graph.order})

    def _foresee(self, command: CreateWorkflow, caller: Caller) -> None:
        """Raise ``NotFound`` for what a first step refers to, unless another step may make it."""
        for step in command.steps:
            if step.after or step.for_each or step.when:
                continue
            moment = now()  # most parameters are times, and a wrong guess finds nothing
            guesses = {name: moment for name in parameters_in(step.body.text)}
            try:
                self.bodies.foresee(step.body, caller, guesses, MADE)
            except NotFound as error:
                others = (other for other in command.steps if other is not step)
                if not any(definition.may_make(other, str(error.details.get("name", ""))) for other in others):
                    raise

    def _create(self, command: CreateWorkflow, plan: Plan, caller: Caller) -> Result:
        ref = command.ref
        source = command.text or command.steps[0].body.source
        row = workflows.WorkflowRow(
            project=ref.project,
            name=ref.name,
            steps=list(plan.resolved["order"]),
            definition=source,
            plan=definition.to_json(command.steps, command.finally_, source),
            owner=caller.user,
            comment=command.comment,
            created_at=now(),
        )
        self._catalog.write(lambda cursor: workflows.put(cursor, row))
        self._bus.publish(Event("workflow.created", ref.project, ref.name, {"steps": row.steps}))
        return Result(f"created workflow {ref}: {counted(len(row.steps), 'step')}", facts={"steps": row.steps})

    # RUN WORKFLOW

    def _plan_run(self, command: RunWorkflow, caller: Caller) -> Plan:
        ref = command.ref
        row = self._look(ref.project, lambda cursor: workflows.require(cursor, ref.project, ref.name))
        steps, finally_ = definition.from_json(row.plan, row.definition)
        graph = definition.graph_of(steps)
        taken = {step.name.lower() for step in steps} & {name.lower() for name in command.parameters}
        if taken:
            raise Invalid(
                f"parameter {min(taken)!r} has the name of a step", hint="$step is the run that the step started"
            )
        bodies = {step.name: " ".join(step.body.text.split()) for step in steps}
        described = [Step("execute", f"step {step}", bodies[step][:100]) for step in graph.order]
        return Plan(tuple(described), {"row": row, "steps": steps, "finally": finally_})

    def _run(self, command: RunWorkflow, plan: Plan, caller: Caller) -> Result:
        row: workflows.WorkflowRow = plan.resolved["row"]
        run = workflows.WorkflowRunRow(
            project=row.project,
            id=new_id(),
            workflow=row.name,
            state="running",
            started_at=now(),
            parameters=dict(command.parameters),
            caller=caller.user,
            door=caller.door,
        )
        script = Script(
            plan.resolved["steps"],
            plan.resolved["finally"],
            replace(caller, project=row.project, door="workflow"),
            dict(command.parameters),
        )
        execution = Execution(self._catalog, self._bus, self.bodies, run, script)
        with self._lock:
            self._live[run.id] = execution
        execution.begin()
        if not command.asynchronous:
            return self._finish(execution)
        thread = threading.Thread(target=self._in_background, args=(execution,), name=f"workflow-{run.id}", daemon=True)
        with self._lock:
            self._threads.add(thread)
        thread.start()
        return Result(f"started workflow {command.ref}: {run.id}", facts={"run": run.id, "state": "running"})

    def _finish(self, execution: Execution) -> Result:
        try:
            return execution.finish()
        finally:
            with self._lock:
                self._live.pop(execution.row.id, None)
            execution.ended.set()

    def _in_background(self, execution: Execution) -> None:
        try:
            self._finish(execution)
        except MlboxError:
            pass  # recorded with the run; nobody waits for it
        finally:
            with self._lock:
                self._threads.discard(threading.current_thread())

    def _look(self, project: str, read: Callable[[Any], T]) -> T:
        with self._catalog.read() as cursor:
            projects.require(cursor, project)
            return read(cursor)
