"""Members of an ensemble at the same time."""

from __future__ import annotations

import threading
from datetime import UTC, datetime
from typing import Any

import numpy as np
import onnx_models
import pytest

from mlbox.base import processors
from mlbox.base.errors import Invalid, MlboxError
from mlbox.engine.catalog.tables.endpoints import EndpointRow
from mlbox.engine.models.sessions import OnnxSession, Output, Predictor
from mlbox.serve import ensemble
from mlbox.serve.codec import Request
from mlbox.serve.endpoint import Arm, Runtime
from mlbox.serve.tensors import DATATYPES, Column

SLOW, QUICK = onnx_models.perceptron(2, 2200), onnx_models.perceptron(2, 4)
"""Some 20 MB of weights are read for a row, or none to speak of."""


class Meeting(Predictor):
    """Computes once as many others are about to as its barrier wants."""

    barrier: threading.Barrier | None = None

    def run_matrix(self, matrix: Any) -> Output:
        if self.barrier is not None:
            self.barrier.wait(30)
        return super().run_matrix(matrix)


class Broken(Meeting):
    """The same, and then it fails."""

    def run_matrix(self, matrix: Any) -> Output:
        found = super().run_matrix(matrix)
        if self.barrier is not None:
            raise Invalid("no", hint=str(len(found.prediction)))
        return found


def runtime_of(content: bytes, *kinds: type[Predictor]) -> Runtime:
    arms = [Arm("m", number, kind(OnnxSession(content), ("x", "y"))) for number, kind in enumerate(kinds)]
    now = datetime.now(UTC)
    row = EndpointRow(
        id="1", project="p", name="e", serving="ensemble", shares=(), ensemble="mean", created_at=now, changed_at=now
    )
    runtime = Runtime(row, arms)
    runtime.warm()
    return runtime


def request(rows: int = 1) -> Request:
    columns = {name: Column(name, DATATYPES["FP64"], [0.5] * rows, rows) for name in ("x", "y")}
    return Request(columns, rows, None, None, False)


@pytest.mark.skipif(processors.usable() < 2, reason="on one core members are computed one after the other")
def test_slow_members_compute_at_the_same_time() -> None:
    """None begins before all are there: one after the other they would wait for each other in vain."""
    runtime = runtime_of(SLOW, Meeting, Meeting)
    alone = runtime.answer(request()).outputs
    for arm in runtime.arms:
        arm.predictor.barrier = barrier = runtime.arms[0].predictor.barrier or threading.Barrier(2)
    together = runtime.answer(request()).outputs
    assert barrier.broken is False
    assert {name: values.tolist() for name, values in together.items()} == {
        name: values.tolist() for name, values in alone.items()
    }


@pytest.mark.skipif(processors.usable() < 2, reason="on one core members are computed one after the other")
def test_a_member_that_fails_among_others_is_told() -> None:
    runtime = runtime_of(SLOW, Meeting, Broken)
    for arm in runtime.arms:
        arm.predictor.barrier = runtime.arms[0].predictor.barrier or threading.Barrier(2)
    with pytest.raises(Invalid, match="no"):
        runtime.answer(request())


def test_quick_members_compute_in_the_callers_thread_until_rows_are_many() -> None:
    threads: set[int] = set()

    class Seen(Predictor):
        def run_matrix(self, matrix: Any) -> Output:
            threads.add(threading.get_ident())
            return super().run_matrix(matrix)

    runtime = runtime_of(QUICK, Seen, Seen)
    runtime.answer(request())
    assert threads == {threading.get_ident()}
    runtime.answer(request(100_000))
    assert (len(threads) > 1) == (processors.usable() > 1)


def test_what_is_saved_depends_on_members_and_cores() -> None:
    assert ensemble.saved([1.0, 1.0, 1.0, 1.0], cores=1) == 0
    assert ensemble.saved([1.0, 1.0, 1.0, 1.0], cores=2) == 2
    assert ensemble.saved([1.0, 1.0, 1.0, 1.0], cores=8) == 3
    assert ensemble.saved([8.0, 1.0], cores=2) == 1
    assert ensemble.saved([5.0], cores=2) == 0


def test_a_defect_of_one_is_no_answer_of_another() -> None:
    def answer(arm: Any) -> Any:
        if arm == 1:
            raise MlboxError("one")
        return np.float64(arm)

    members: Any = [0, 1, 2]
    found: list[Any] = ensemble.ask(members, answer, together=True)
    assert [found[0], found[2]] == [0.0, 2.0] and isinstance(found[1], MlboxError)
