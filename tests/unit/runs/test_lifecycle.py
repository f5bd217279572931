from __future__ import annotations

import itertools

import pytest

from mlbox.base.errors import Conflict
from mlbox.engine.catalog.tables import runs
from mlbox.engine.runs import lifecycle

# Written out, so that a change of the machine is a change of this table.
ALLOWED = {
    "pending": {"pending", "preparing", "running", "error", "cancelled", "interrupted"},
    "preparing": {"preparing", "pending", "running", "completed", "error", "cancelled", "interrupted"},
    "running": {"running", "pending", "completed", "error", "cancelled", "interrupted"},
    "completed": set(),
    "error": set(),
    "cancelled": set(),
    "interrupted": set(),
}


@pytest.mark.parametrize(("before", "after"), list(itertools.product(ALLOWED, ALLOWED)))
def test_every_pair_of_states(before: str, after: str) -> None:
    allowed = after in ALLOWED[before]
    assert lifecycle.may_follow(before, after) is allowed
    if allowed:
        lifecycle.check(before, after, "x")
    else:
        with pytest.raises(Conflict, match=f"run x is {before}"):
            lifecycle.check(before, after, "x")


def test_the_states_are_those_of_the_contract() -> None:
    assert set(lifecycle.STATES) == set(ALLOWED)
    assert lifecycle.FINAL == {state for state, after in ALLOWED.items() if not after}
    assert set(runs.FINAL) == lifecycle.FINAL


def test_every_state_can_reach_an_end() -> None:
    for state in lifecycle.STATES:
        reached, edge = {state}, {state}
        while edge:
            edge = {after for before in edge for after in lifecycle.TRANSITIONS[before]} - reached
            reached |= edge
        assert reached & lifecycle.FINAL
