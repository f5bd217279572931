from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from typing import Any

from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st

from mlbox.base.errors import Invalid, MlboxError
from mlbox.engine.workflows.graph import Graph
from mlbox.engine.workflows.runner import Outcome, Policy, Runner, StepState, Work

Perform = Callable[[str, Mapping[str, Mapping[str, Any]]], Outcome]


def run(
    after: dict[str, list[str]],
    perform: Perform,
    *,
    skipped: frozenset[str] = frozenset(),
    policies: dict[str, Policy] | None = None,
    record: Callable[[StepState], None] = lambda state: None,
) -> dict[str, StepState]:
    work = Work(perform, lambda step, facts: "WHEN is false" if step in skipped else None, record)
    return Runner(Graph(after), work, policies, backoff=0.001).run()


def states(found: Mapping[str, StepState]) -> dict[str, str]:
    return {name: state.state for name, state in found.items()}


@st.composite
def plans(draw: st.DrawFn) -> tuple[dict[str, list[str]], frozenset[str], frozenset[str]]:
    names = [f"s{number}" for number in range(draw(st.integers(1, 7)))]
    after = {name: draw(st.lists(st.sampled_from(names[:i]), unique=True)) if i else [] for i, name in enumerate(names)}
    skipped = draw(st.frozensets(st.sampled_from(names), max_size=2))
    failing = draw(st.frozensets(st.sampled_from(names), max_size=1))
    return after, skipped, failing


@settings(max_examples=examples(60))
@given(plans())
def test_every_step_ends_as_its_predecessors_allow(
    plan: tuple[dict[str, list[str]], frozenset[str], frozenset[str]],
) -> None:
    after, skipped, failing = plan
    seen: list[str] = []

    def perform(step: str, facts: Mapping[str, Mapping[str, Any]]) -> Outcome:
        assert set(after[step]) <= set(facts)
        seen.append(step)
        if step in failing:
            raise Invalid("no")
        return Outcome(facts={"run": step})

    found = states(run(after, perform, skipped=skipped))
    assert len(seen) == len(set(seen))
    for step, state in found.items():
        assert state in ("completed", "skipped", "error")
        if state == "completed":
            assert all(found[before] == "completed" for before in after[step])
        if step in skipped or any(found[before] == "skipped" for before in after[step]):
            assert state == "skipped"
    if not failing:
        assert "error" not in found.values()
        cut = {step for step in after if step in skipped or Graph(after).ancestors(step) & skipped}
        assert {step for step, state in found.items() if state == "skipped"} == cut


def test_independent_steps_run_at_the_same_time() -> None:
    both = threading.Barrier(2, timeout=60)

    def perform(step: str, facts: Mapping[str, Any]) -> Outcome:
        both.wait()
        return Outcome()

    assert states(run({"a": [], "b": []}, perform)) == {"a": "completed", "b": "completed"}


def test_after_a_failure_the_running_ones_end_and_nothing_starts() -> None:
    failed = threading.Event()

    def perform(step: str, facts: Mapping[str, Any]) -> Outcome:
        if step == "bad":
            raise Invalid("broken")
        assert failed.wait(60)
        return Outcome("late")

    def record(state: StepState) -> None:
        if state.state == "error":
            failed.set()

    found = run({"bad": [], "slow": [], "next": ["slow"]}, perform, record=record)
    assert states(found) == {"bad": "error", "slow": "completed", "next": "skipped"}
    assert found["next"].message == "not started: step bad failed"


def test_retries_until_it_works_and_not_longer() -> None:
    tries = {"twice": 0, "never": 0}

    def perform(step: str, facts: Mapping[str, Any]) -> Outcome:
        tries[step] += 1
        if step == "never" or tries[step] < 3:
            raise Invalid(f"try {tries[step]}")
        return Outcome()

    found = run({"twice": [], "never": ["twice"]}, perform, policies={"twice": Policy(2), "never": Policy(1)})
    assert states(found) == {"twice": "completed", "never": "error"}
    assert tries == {"twice": 3, "never": 2}
    assert isinstance(found["never"].error, MlboxError)


def test_a_step_beyond_its_time_fails_the_run() -> None:
    forever = threading.Event()

    def perform(step: str, facts: Mapping[str, Any]) -> Outcome:
        forever.wait(60)
        return Outcome()

    found = run({"a": [], "b": ["a"]}, perform, policies={"a": Policy(timeout=0.05)})
    forever.set()
    assert states(found) == {"a": "error", "b": "skipped"}
    assert "TIMEOUT" in str(found["a"].error)


def test_cancel_starts_nothing_more() -> None:
    holder: list[Runner] = []

    def perform(step: str, facts: Mapping[str, Any]) -> Outcome:
        holder[0].cancel()
        return Outcome()

    work = Work(perform, lambda step, facts: None, lambda state: None)
    holder.append(Runner(Graph({"a": [], "b": ["a"]}), work))
    found = holder[0].run()
    assert states(found) == {"a": "completed", "b": "skipped"}
    assert found["b"].message == "not started: cancelled"


def test_a_defect_in_a_step_is_an_error_of_the_step() -> None:
    def perform(step: str, facts: Mapping[str, Any]) -> Outcome:
        raise ZeroDivisionError("oops")

    found = run({"a": []}, perform)
    assert found["a"].state == "error" and "ZeroDivisionError" in str(found["a"].error)
