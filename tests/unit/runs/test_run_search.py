"""Searches over runs in MLflow's words."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlbox.api.mlflow.filters import parse, parse_order
from mlbox.base.clock import now
from mlbox.base.ids import new_id
from mlbox.engine.catalog.tables import runs
from mlbox.engine.catalog.tables.run_search import RunSearch, search
from mlbox.engine.runs import lifecycle

STATES = ("pending", "preparing", "running", "completed", "error", "cancelled", "interrupted")


@pytest.fixture
def find(bench: Any) -> Callable[..., list[str]]:
    """A home with one run in each state, all begun at one moment; what a filter finds, by name."""
    moment = now()
    for state in STATES:
        row = runs.RunRow(
            id=new_id(), project="default", name=state, function="", function_version=0, handler=None,
            runtime=runs.EXTERNAL, state=state, created_at=moment, started_at=moment,
        )  # fmt: skip
        bench.catalog.write(lambda cursor, row=row: runs.insert(cursor, row))

    def found(text: str, **more: Any) -> list[str]:
        wanted = RunSearch(project="default", experiments=[None], conditions=parse(text), **more)
        with bench.catalog.read() as cursor:
            return [str(row.name) for row in search(cursor, wanted)]

    return found


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("status = 'FAILED'", ["error", "interrupted"]),
        ("attributes.status = 'scheduled'", ["pending", "preparing"]),
        ("status != 'FINISHED'", sorted(set(STATES) - {lifecycle.COMPLETED})),
        ("status IN ('RUNNING', 'KILLED')", ["cancelled", "running"]),
        ("status LIKE 'F%'", ["completed", "error", "interrupted"]),
        ("status = 'LOST'", []),
    ],
)
def test_a_status_is_all_states_that_are_shown_as_it(
    find: Callable[..., list[str]], text: str, names: list[str]
) -> None:
    assert sorted(find(text)) == names


def test_pages_of_ties_hold_each_run_once(find: Callable[..., list[str]]) -> None:
    order = parse_order(["metrics.auc DESC", "start_time"])
    pages = [find("", order=order, limit=2, offset=offset) for offset in range(0, 8, 2)]
    assert [len(page) for page in pages] == [2, 2, 2, 1]
    assert sorted(sum(pages, [])) == sorted(STATES)
