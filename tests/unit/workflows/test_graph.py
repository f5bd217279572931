from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from mlbox.base.errors import Invalid, NotFound
from mlbox.engine.workflows.graph import Graph


@st.composite
def acyclic(draw: st.DrawFn) -> dict[str, list[str]]:
    """A graph without a cycle, declared in any order."""
    names = [f"s{number}" for number in range(draw(st.integers(1, 9)))]
    after = {
        name: draw(st.lists(st.sampled_from(names[:place]), unique=True)) if place else []
        for place, name in enumerate(names)
    }
    return {name: after[name] for name in draw(st.permutations(names))}


@given(acyclic())
def test_order_puts_every_step_after_its_predecessors(after: dict[str, list[str]]) -> None:
    order = Graph(after).order
    assert sorted(order) == sorted(after)
    assert all(order.index(before) < order.index(step) for step in after for before in after[step])


@given(acyclic())
def test_ready_alone_reaches_every_step_once(after: dict[str, list[str]]) -> None:
    graph = Graph(after)
    done: list[str] = []
    while ready := graph.ready(done, done):
        assert all(set(after[step]) <= set(done) for step in ready)
        done.append(ready[-1])
    assert sorted(done) == sorted(after)


@given(acyclic())
def test_ancestors_and_descendants_mirror_each_other(after: dict[str, list[str]]) -> None:
    graph = Graph(after)
    for step in after:
        assert step not in graph.ancestors(step)
        assert set(after[step]) <= graph.ancestors(step)
        assert all(step in graph.descendants(before) for before in graph.ancestors(step))
        assert all(step in graph.ancestors(later) for later in graph.descendants(step))


@given(acyclic(), st.data())
def test_an_edge_back_is_a_cycle_and_is_spelt_out(after: dict[str, list[str]], data: st.DataObject) -> None:
    graph = Graph(after)
    step = data.draw(st.sampled_from(list(after)))
    first = data.draw(st.sampled_from([step, *sorted(graph.ancestors(step))]))
    with pytest.raises(Invalid) as caught:
        Graph({**after, first: [*after[first], step]})
    cycle = caught.value.message.removeprefix("steps wait for each other: ").split(" after ")
    assert cycle[0] == cycle[-1]
    edges = {**after, first: [*after[first], step]}
    assert all(before in edges[name] for name, before in zip(cycle, cycle[1:], strict=False))


def test_unknown_predecessor_names_the_nearest() -> None:
    with pytest.raises(NotFound) as caught:
        Graph({"prepare": [], "fit": ["prepar"]})
    assert "prepare" in (caught.value.hint or "")
    assert caught.value.details == {"step": "fit", "after": "prepar"}


def test_ties_keep_the_order_of_declaration() -> None:
    assert Graph({"z": [], "a": [], "m": ["z"], "b": ["a"]}).order == ("z", "a", "m", "b")
