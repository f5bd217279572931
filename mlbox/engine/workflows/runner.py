"""Runs the steps of a graph in threads. It knows states and order; what a step does is handed in."""

from __future__ import annotations

import queue
import threading
import time
from collections.abc import Callable, Mapping
from contextvars import copy_context
from dataclasses import dataclass, field, replace
from datetime import datetime
from types import MappingProxyType
from typing import Any, Literal

from mlbox.base.clock import now
from mlbox.base.defects import defect_of
from mlbox.base.errors import Conflict, MlboxError
from mlbox.engine.workflows.graph import Graph

State = Literal["pending", "running", "completed", "skipped", "error"]
Facts = Mapping[str, Mapping[str, Any]]
"""The facts of each completed step, by the step's name."""


@dataclass(frozen=True, slots=True)
class Outcome:
    """What a step gave."""

    message: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))


@dataclass(frozen=True, slots=True)
class StepState:
    """Where a step stands; ``facts`` once it is completed, ``error`` once it has failed."""

    name: str
    state: State = "pending"
    message: str = ""
    facts: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    error: MlboxError | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class Policy:
    """How often a step is tried again, and how many seconds it may take."""

    retries: int = 0
    timeout: float | None = None


@dataclass(frozen=True, slots=True)
class Work:
    """What is handed in: ``perform`` does a step, ``allowed`` says why not to, ``record`` hears every change."""

    perform: Callable[[str, Facts], Outcome]
    allowed: Callable[[str, Facts], str | None]
    record: Callable[[StepState], None]


class Runner:
    """One run of a graph.

    A step starts as soon as its predecessors are completed and fewer than ``parallel`` run. A step whose condition does
    not hold is skipped, and so is everything after it. After a failure or :meth:`cancel` nothing more is started; what
    runs is waited for. A step beyond its time counts as failed; its thread is left to end by itself.
    """

    def __init__(
        self,
        graph: Graph,
        work: Work,
        policies: Mapping[str, Policy] | None = None,
        *,
        parallel: int = 8,
        backoff: float = 0.5,
    ) -> None:
        self._graph = graph
        self._work = work
        self._policies = policies or {}
        self._parallel = parallel
        self._backoff = backoff
        self._states = {step: StepState(step) for step in graph.order}
        self._inbox: queue.SimpleQueue[tuple[str, Outcome | MlboxError] | None] = queue.SimpleQueue()
        self._deadlines: dict[str, float] = {}
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Start nothing more."""
        self._stop.set()
        self._inbox.put(None)

    @property
    def cancelled(self) -> bool:
        """Whether it was asked to stop."""
        return self._stop.is_set()

    def run(self) -> dict[str, StepState]:
        """Run to the end; every step's last state, in order."""
        while True:
            self._start()
            running = [step for step, state in self._states.items() if state.state == "running"]
            if not running:
                break
            self._wait(running)
        blame = next((state.name for state in self._states.values() if state.state == "error"), None)
        why = f"not started: step {blame} failed" if blame else "not started: cancelled"
        for step in self._named("pending"):
            self._set(replace(self._states[step], state="skipped", message=why))
        return dict(self._states)

    def _named(self, state: State) -> list[str]:
        return [step for step, entry in self._states.items() if entry.state == state]

    def _start(self) -> None:
        again = True
        while again:
            again = False
            if self.cancelled or self._named("error"):
                return
            for step in self._graph.order:
                if self._states[step].state == "pending" and len(self._named("running")) < self._parallel:
                    again = self._consider(step) or again

    def _consider(self, step: str) -> bool:
        """Start or skip ``step`` if it is its turn; whether that may free others at once."""
        before = [self._states[name] for name in self._graph.before(step)]
        skipped = next((state.name for state in before if state.state == "skipped"), None)
        if skipped:
            self._set(replace(self._states[step], state="skipped", message=f"step {skipped} was skipped"))
            return True
        if any(state.state != "completed" for state in before):
            return False
        facts = self._facts()
        try:
            reason = self._work.allowed(step, facts)
        except MlboxError as error:
            self._set(replace(self._states[step], state="error", error=error, started_at=now(), finished_at=now()))
            return True
        if reason is not None:
            self._set(replace(self._states[step], state="skipped", message=reason))
            return True
        policy = self._policies.get(step, Policy())
        if policy.timeout is not None:
            self._deadlines[step] = time.monotonic() + policy.timeout
        self._set(replace(self._states[step], state="running", started_at=now()))
        context = copy_context()  # who cancels the workflow's statement interrupts its steps
        threading.Thread(
            target=lambda: self._inbox.put((step, context.run(self._attempts, step, facts, policy))),
            name=f"step-{step}",
            daemon=True,
        ).start()
        return False

    def _attempts(self, step: str, facts: Facts, policy: Policy) -> Outcome | MlboxError:
        attempt = 0
        while True:
            try:
                return self._work.perform(step, facts)
            except MlboxError as error:
                failure: MlboxError = error
            except Exception as error:  # a defect must not leave the step running for ever
                failure = defect_of(error, f"doing step {step}")
            if attempt >= policy.retries or self._stop.wait(min(30.0, self._backoff * 2**attempt)):
                return failure
            attempt += 1

    def _wait(self, running: list[str]) -> None:
        """Wait for the next step to end, or for the next deadline."""
        deadlines = {step: self._deadlines[step] for step in running if step in self._deadlines}
        timeout = max(0.0, min(deadlines.values()) - time.monotonic()) if deadlines else None
        try:
            message = self._inbox.get(timeout=timeout)
        except queue.Empty:
            for step, deadline in deadlines.items():
                if deadline <= time.monotonic():
                    limit = self._policies[step].timeout
                    self._settle(step, Conflict(f"step {step} took longer than its TIMEOUT of {limit:g} s"))
            return
        if message is not None:
            self._settle(*message)

    def _settle(self, step: str, outcome: Outcome | MlboxError) -> None:
        state = self._states[step]
        if state.state != "running":
            return  # it came after its time
        if isinstance(outcome, MlboxError):
            self._set(replace(state, state="error", error=outcome, finished_at=now()))
        else:
            self._set(
                replace(state, state="completed", message=outcome.message, facts=outcome.facts, finished_at=now())
            )

    def _facts(self) -> Facts:
        return {step: state.facts for step, state in self._states.items() if state.state == "completed"}

    def _set(self, state: StepState) -> None:
        self._states[state.name] = state
        self._work.record(state)
