"""Rows that are added to the prediction log again and again on one cursor."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow
import pytest

from mlbox.base.home import Home
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.catalog.tables import predictions
from mlbox.serve.log_columns import structs, table


@pytest.fixture
def catalog(tmp_path: Path) -> Iterator[Catalog]:
    catalog = Catalog.open(Home(tmp_path))
    yield catalog
    catalog.close()


def batch(first: int, rows: int, **outputs: Any) -> predictions.Batch:
    """Rows numbered from ``first``; the outputs make the schema."""
    numbers = np.arange(first, first + rows)
    columns = table(
        rows,
        project="default",
        endpoint="e",
        model="m",
        model_version=pyarrow.array(np.full(rows, 1), pyarrow.int32()),
        request_id=[str(number) for number in numbers],
        ordinal=np.zeros(rows, np.int32),
        row_id=[str(number) for number in numbers],
        predicted_at=numbers,
        event_time=numbers,
        latency_ms=np.zeros(rows),
        status="ok",
        error=pyarrow.nulls(rows, pyarrow.string()),
        prediction=numbers.astype(float),
        shadow=pyarrow.array(np.full(rows, False)),
        shape="s",
        seen=pyarrow.array([[float(number)] for number in numbers]),
        inputs=pyarrow.nulls(rows, pyarrow.string()),
        outputs=structs(outputs, rows),
    )
    return predictions.Batch(columns, {"s": ["x"]}, json=False)


def add(catalog: Catalog, appender: predictions.Appender, made: predictions.Batch, rests: list[None]) -> None:
    catalog.write_data(lambda cursor: appender.append(cursor, made, lambda: rests.append(None)))


def found(catalog: Catalog) -> list[tuple[int, str]]:
    with catalog.read() as cursor:
        return cursor.execute(
            "SELECT request_id::INTEGER, outputs::JSON::VARCHAR FROM data._mlbox.predictions ORDER BY 1"
        ).fetchall()


def test_each_time_the_rows_of_then_are_added_once(catalog: Catalog) -> None:
    appender = predictions.Appender()
    rests: list[None] = []
    for first, rows in ((0, 3), (3, 500), (503, 1)):
        made = batch(first, rows, label=np.arange(first, first + rows))
        add(catalog, appender, made, rests)
        assert found(catalog) == [(number, f'{{"label":{number}}}') for number in range(first + rows)]
    assert len(rests) >= 3 + 500 // predictions.PIECE


def test_kinds_of_rows_take_turns_and_more_than_are_kept(catalog: Catalog) -> None:
    appender = predictions.Appender()
    kinds = [f"output_{number}" for number in range(predictions.KINDS + 3)]
    for number, kind in enumerate([*kinds, *kinds]):
        made = batch(number, 1, **{kind: np.array([number])})
        add(catalog, appender, made, [])
    expected = [(number, f'{{"{kind}":{number}}}') for number, kind in enumerate([*kinds, *kinds])]
    assert found(catalog) == expected


def test_what_was_prepared_in_a_transaction_that_failed_is_prepared_again(catalog: Catalog) -> None:
    appender = predictions.Appender()
    made = batch(0, 2, label=np.arange(2))

    def fails(cursor: duckdb.DuckDBPyConnection) -> None:
        appender.append(cursor, made, lambda: None)
        cursor.execute("SELECT error('full')")

    with pytest.raises(duckdb.Error, match="full"):
        catalog.write_data(fails)
    appender.forget()
    assert found(catalog) == []
    add(catalog, appender, made, [])
    assert [number for number, _ in found(catalog)] == [0, 1]


def test_a_change_of_the_table_and_a_checkpoint_are_noticed(catalog: Catalog) -> None:
    appender = predictions.Appender()
    add(catalog, appender, batch(0, 2, label=np.arange(2)), [])
    catalog.write_data(
        lambda cursor: cursor.execute("ALTER TABLE data._mlbox.predictions ADD COLUMN extra INTEGER DEFAULT 7") and None
    )
    with catalog.read() as cursor:
        cursor.execute("CHECKPOINT data")
    add(catalog, appender, batch(2, 1, label=np.arange(2, 3)), [])
    assert found(catalog) == [(number, f'{{"label":{number}}}') for number in range(3)]
