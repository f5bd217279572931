"""Rows of the prediction log, as they are made of many requests at once."""

from __future__ import annotations

from typing import Any

import numpy as np

from mlbox.serve.codec import Request
from mlbox.serve.endpoint import Answer
from mlbox.serve.imputing import Seen
from mlbox.serve.record import Entry
from mlbox.serve.rows import PIECE, batches

REQUEST = Request({}, 1, None, None, False)
NAMES = ("x", "y")


def entry(number: int, **changed: Any) -> Entry:
    prediction = np.array([float(number)])
    answer = Answer("m", 1, prediction, {"prediction": prediction}, Seen(NAMES, np.full((1, 2), number, "f4"), []))
    return Entry(**{"project": "p", "endpoint": "e", "request_id": str(number), "at_us": number, "latency_ms": 1.0,
                    "request": REQUEST, "answer": answer, **changed})  # fmt: skip


def test_the_maker_of_rows_rests_after_every_piece() -> None:
    """So that requests have the interpreter in between; the rows are the same."""
    given = [entry(number) for number in range(5 * PIECE)]
    seen: list[int] = []
    rests: list[int] = []

    def one_by_one() -> Any:
        for each in given:
            seen.append(each.at_us)
            yield each

    (batch,) = batches(one_by_one(), lambda: rests.append(len(seen)))
    looked_at = [number for number in rests if number < len(given)]
    assert max(np.diff([0, *looked_at, len(given)])) <= PIECE
    assert rests.count(len(given)) >= 4  # and between the columns
    (plain,) = batches(given)
    assert batch.rows.equals(plain.rows)
    assert batch.rows["prediction"].to_pylist() == [float(number) for number in range(5 * PIECE)]
