"""What does ml.predict cost in a query, over the model alone?"""

from __future__ import annotations

import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from os import cpu_count
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
from report import Table, folder, from_tests, in_turn, open_house

ROUNDS = 5
COLUMNS = 10
TREES = 100
BATCH = 2_048
"""Rows that DuckDB hands over at once."""
TREE_ROWS = 983_040
"""Eight of the groups in which DuckDB gives rows to its threads, so that none waits for another at the end."""
LINEAR_ROWS = 4_000_000


def models(place: Path) -> dict[str, bytes]:
    """A boosted forest and a logistic regression as scikit-learn's are converted, in files and as bytes."""
    onnx_models = from_tests("onnx_models")
    random = np.random.default_rng(0)
    contents = {
        "trees": onnx_models.gradient_boosting(zipmap=False, columns=COLUMNS, trees=TREES).onnx,
        "logistic": onnx_models.logistic(random.normal(size=COLUMNS).tolist(), 0.25),
    }
    for name, content in contents.items():
        (place / f"{name}.onnx").write_bytes(content)
    return contents


class Runtime:
    """ONNX Runtime alone over batches that lie ready in its own type."""

    def __init__(self, content: bytes, rows: Any, threads: int) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(content, options)
        self._batches = [rows[start : start + BATCH] for start in range(0, len(rows), BATCH)]
        self._pool = ThreadPoolExecutor(threads)
        self._rows = len(rows)

    def measure(self) -> float:
        """Rows a second; a session of one thread, called by as many threads as DuckDB has."""
        began = time.perf_counter()
        for _ in self._pool.map(lambda batch: self._session.run(None, {"X": batch}), self._batches):
            pass
        return self._rows / (time.perf_counter() - began)


def query(run: Callable[[str], Any], text: str, rows: int) -> float:
    """Rows a second; the query gives one number, so that its result costs nothing."""
    began = time.perf_counter()
    run(text)
    return rows / (time.perf_counter() - began)


def measure(place: Path) -> None:
    contents = models(place)
    threads = cpu_count() or 1
    with open_house(place / "home") as (_, run):
        values = ", ".join(f"(random() * 4 - 2)::FLOAT AS f{index}" for index in range(COLUMNS))
        for name, rows in (("trees", TREE_ROWS), ("logistic", LINEAR_ROWS)):
            run(f"CREATE TABLE rows_{name} AS SELECT {values} FROM range({rows})")
            run(f"CREATE MODEL {name} FROM '{place / name}.onnx'")
            table = run(f"FROM rows_{name} LIMIT {TREE_ROWS}").table
            matrix = np.stack([column.to_numpy() for column in table.columns], axis=1)
            bare = Runtime(contents[name], matrix, threads)
            form = f"SELECT sum(prediction) FROM ml.predict('{name}', 'rows_{name}')"
            scalar = f"SELECT sum(ml.predict('{name}', r)) FROM rows_{name} AS r"
            cases: dict[str, Callable[[], float]] = {
                "form": lambda form=form, rows=rows: query(run, form, rows),
                "scalar": lambda scalar=scalar, rows=rows: query(run, scalar, rows),
                "bare": bare.measure,
            }
            samples = in_turn(cases, ROUNDS)
            shown = Table(
                f"How many rows a second of {COLUMNS} features ({name})?",
                f"ONNX Runtime on ready batches of {BATCH:,}, {threads} threads",
            )
            shown.add("FROM ml.predict('m', 't')", samples["form"], "rows/s", samples["bare"])
            shown.add("ml.predict('m', row)", samples["scalar"], "rows/s", samples["bare"])
            shown.print()


if __name__ == "__main__":
    with folder() as place:
        measure(place)
