"""One run of a workflow: what its steps do, and the record of it."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Query, Result
from mlbox.base.counted import counted
from mlbox.base.errors import MlboxError, RunFailed
from mlbox.base.events import Bus, Event
from mlbox.base.underway import interrupting
from mlbox.engine.catalog import conditions
from mlbox.engine.catalog.tables import workflows
from mlbox.engine.workflows import definition
from mlbox.engine.workflows.bodies import Bodies, facts_of
from mlbox.engine.workflows.commands import WorkflowStep
from mlbox.engine.workflows.runner import Facts, Outcome, Policy, Runner, StepState, Work

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.catalog.database import Catalog


@dataclass(frozen=True, slots=True)
class Script:
    """What a run carries out, and for whom."""

    steps: tuple[WorkflowStep, ...]
    finally_: Query | None
    caller: Caller
    parameters: Mapping[str, Any]

    def step(self, name: str) -> WorkflowStep:
        """The step of that name."""
        return next(step for step in self.steps if step.name == name)

    def statement(self, name: str) -> str:
        """What a step does, as written."""
        if name == definition.FINALLY and self.finally_ is not None:
            return self.finally_.text
        return self.step(name).body.text


class Execution:
    """Carries one run out, writing each change of state to the catalog."""

    def __init__(
        self, catalog: Catalog, bus: Bus, bodies: Bodies, row: workflows.WorkflowRunRow, script: Script
    ) -> None:
        self._catalog = catalog
        self._bus = bus
        self._bodies = bodies
        self._script = script
        self.row = row
        self.ended = threading.Event()
        """Set when its last row is written."""
        self.runner = Runner(
            definition.graph_of(script.steps),
            Work(self._perform, self._allowed, self._record),
            {
                step.name: Policy(step.retries, step.timeout.total_seconds() if step.timeout else None)
                for step in script.steps
            },
        )

    def begin(self) -> None:
        """Write the run and its pending steps."""
        rows = [self._step_row(StepState(step.name)) for step in self._script.steps]

        def insert(cursor: Any) -> None:
            workflows.put_run(cursor, self.row)
            for row in rows:
                workflows.put_step(cursor, row)

        self._catalog.write(insert)
        self._bus.publish(Event("workflow.started", self.row.project, self.row.id, {"workflow": self.row.workflow}))

    def finish(self) -> Result:
        """Run to the end; raises ``RunFailed`` when a step fails."""
        with interrupting(self.runner.cancel):
            states = self.runner.run()
        if self._script.finally_ is not None:
            states[definition.FINALLY] = self._finally(self._script.finally_, states)
        failed = next((state for state in states.values() if state.state == "error"), None)
        state = "error" if failed else "cancelled" if self.runner.cancelled else "completed"
        reason = f"step {failed.name} failed: {_told(failed.error)}" if failed else None
        row = replace(self.row, state=state, finished_at=now(), reason=reason)
        self._catalog.write(lambda cursor: workflows.put_run(cursor, row))
        summary = {name: entry.state for name, entry in states.items()}
        data = {"workflow": row.workflow, "state": state, "steps": summary}
        self._bus.publish(Event("workflow.finished", row.project, row.id, data))
        if failed is not None:
            raise _failure(row, failed)
        words = list(summary.values())
        counts = ", ".join(f"{words.count(word)} {word}" for word in ("completed", "skipped") if word in words)
        message = f"workflow {row.project}.{row.workflow} {state}: {counts}"
        return Result(message, _table(states.values()), {"run": row.id, "state": state, "steps": summary})

    def _perform(self, name: str, facts: Facts) -> Outcome:
        step = self._script.step(name)
        parameters = self._parameters(facts)
        if step.for_each is None:
            result = self._bodies.run(step.body, self._script.caller, parameters)
            return Outcome(result.message, facts_of(result))
        variable, values = step.for_each
        runs: list[Any] = []
        last: dict[str, Any] = {}
        every = self._values(values, parameters)
        for value in every:
            last = facts_of(self._bodies.run(step.body, self._script.caller, {**parameters, variable: value}))
            if last.get("run"):
                runs.append(last["run"])
        return Outcome(f"done for {counted(len(every), 'value')}", {**last, "n": len(every), "runs": runs})

    def _values(self, query: Query, parameters: Mapping[str, Any]) -> list[Any]:
        """What FOR EACH goes through: the first column of a query, or a list of expressions."""
        first = query.text.lstrip("( \n\t").partition(" ")[0].lower()
        if first in ("select", "from", "with", "values"):
            used = {name: value for name, value in parameters.items() if f"${name}" in query.text}
            column: list[Any] = self._catalog.query(self.row.project, query, used).column(0).to_pylist()
            return column
        return conditions.values_of(query, parameters)

    def _allowed(self, name: str, facts: Facts) -> str | None:
        """Nothing when the step may start, else why not."""
        when = self._script.step(name).when
        if when is None:
            return None
        condition = conditions.parse(when)
        truth = condition.evaluate(facts, self._parameters(facts))
        if truth:
            return None
        text = " ".join(when.text.split())
        seen = ", ".join(f"{reference} = {condition.value(reference, facts)}" for reference in condition.references)
        return f"{text} is {'false' if truth is False else 'unknown'}" + (f" ({seen})" if seen else "")

    def _finally(self, body: Query, states: Mapping[str, StepState]) -> StepState:
        state = StepState(definition.FINALLY, "running", started_at=now())
        self._record(state)
        facts = {name: entry.facts for name, entry in states.items() if entry.state == "completed"}
        verdict = "error" if any(entry.state == "error" for entry in states.values()) else "completed"
        try:
            parameters = {**self._parameters(facts), "workflow_state": verdict}
            result = self._bodies.run(body, self._script.caller, parameters)
            state = replace(state, state="completed", message=result.message, facts=facts_of(result))
        except MlboxError as error:
            state = replace(state, state="error", error=error)
        state = replace(state, finished_at=now())
        self._record(state)
        return state

    def _parameters(self, facts: Facts) -> dict[str, Any]:
        """``$name`` of the workflow's parameters, and ``$step``: the run that a completed step started."""
        runs = {name: entry.get("run") for name, entry in facts.items()}
        return {"workflow_run": self.row.id, **self._script.parameters, **runs}

    def _record(self, state: StepState) -> None:
        row = self._step_row(state)
        write = self._catalog.submit if state.state == "running" else self._catalog.write
        write(lambda cursor: workflows.put_step(cursor, row))
        data = {"workflow": row.workflow, "step": row.step, "state": row.state, "message": row.message or row.error}
        self._bus.publish(Event("workflow.step", row.project, row.workflow_run_id, data))

    def _step_row(self, state: StepState) -> workflows.StepRow:
        names = [step.name for step in self._script.steps]
        run = state.facts.get("run")
        return workflows.StepRow(
            project=self.row.project,
            workflow_run_id=self.row.id,
            workflow=self.row.workflow,
            ordinal=names.index(state.name) if state.name in names else len(names),
            step=state.name,
            state=state.state,
            statement=self._script.statement(state.name),
            run_id=None if run is None else str(run),
            message=state.message or None,
            facts=state.facts,
            started_at=state.started_at,
            finished_at=state.finished_at,
            error=_told(state.error),
        )


def _told(error: MlboxError | None) -> str | None:
    """As it is kept, where members read it; of what they may not read, the number that finds it in the log."""
    if error is None:
        return None
    if error.public is error:
        return error.message
    return "; ".join(filter(None, (error.public.message, error.public.hint)))


def _failure(row: workflows.WorkflowRunRow, failed: StepState) -> MlboxError:
    error = failed.error
    what = f"workflow {row.project}.{row.workflow} failed at step {failed.name}"
    found = RunFailed(
        f"{what}: {error}",
        hint=(error.hint if error else None)
        or f"SELECT step, state, error FROM ml.steps WHERE workflow_run_id = '{row.id}'",
        where=error.where if error else None,
        details={"run": row.id, "step": failed.name, **({"error": error.to_dict()} if error else {})},
    )
    if error is None or error.public is error:
        return found
    return found.kept_from_others(f"{what}: {error.public}", error.public.hint)


def _table(states: Iterable[StepState]) -> pyarrow.Table:
    import pyarrow

    rows = list(states)
    return pyarrow.table(
        {
            "step": pyarrow.array([state.name for state in rows], "string"),
            "state": pyarrow.array([state.state for state in rows], "string"),
            "message": pyarrow.array([state.message for state in rows], "string"),
            "started_at": pyarrow.array([state.started_at for state in rows], pyarrow.timestamp("us", "UTC")),
            "finished_at": pyarrow.array([state.finished_at for state in rows], pyarrow.timestamp("us", "UTC")),
        }
    )
