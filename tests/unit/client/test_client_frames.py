"""Inputs without a frame library, and with."""

from __future__ import annotations

import datetime
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from mlbox.client.failures import MlboxClientError
from mlbox.client.frames import columns_of, read_frame, read_rows
from mlbox.engine.runs.csv_inputs import as_csv

MOMENT = datetime.datetime(2013, 7, 1, 12, 30, tzinfo=datetime.UTC)
ROWS: list[dict[str, Any]] = [
    {"n": 1, "x": 0.5, "zip": "00501", "ok": True, "at": MOMENT, "day": MOMENT.date(), "tags": ["a", "b"]},
    {"n": None, "x": None, "zip": 'say "hi",\nyou', "ok": False, "at": None, "day": None, "tags": None},
]


@pytest.fixture
def parquet(tmp_path: Path) -> Path:
    path = tmp_path / "frame.parquet"
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(ROWS), path)
    return path


def test_rows_survive_the_way_through_csv(parquet: Path, tmp_path: Path) -> None:
    known = as_csv(parquet, tmp_path / "inputs" / "frame.csv")
    assert known["format"] == "csv"
    rows = read_rows(known["path"], known["types"])
    assert rows == [{**row, "tags": '["a", "b"]' if row["tags"] else None} for row in ROWS]
    frame = read_frame(known["path"], known["types"])
    assert frame["zip"].tolist() == ["00501", 'say "hi",\nyou']
    assert str(frame["at"].dtype).startswith("datetime64")


def test_dictionary_columns_become_their_values(tmp_path: Path) -> None:
    path = tmp_path / "d.parquet"
    pyarrow.parquet.write_table(pyarrow.table({"c": pyarrow.array(["x", "y", "x"]).dictionary_encode()}), path)
    known = as_csv(path, tmp_path / "d.csv")
    assert [row["c"] for row in read_rows(known["path"], known["types"])] == ["x", "y", "x"]


def test_without_types_values_are_taken_by_their_looks(tmp_path: Path) -> None:
    path = tmp_path / "f.csv"
    path.write_text("n,x,zip,ok,at,empty\n1,1,007,true,2013-07-01 12:30:00Z,\n-2,1e3,12,false,,\n")
    assert read_rows(str(path)) == [
        {"n": 1, "x": 1.0, "zip": "007", "ok": True, "at": MOMENT, "empty": None},
        {"n": -2, "x": 1000.0, "zip": "12", "ok": False, "at": None, "empty": None},
    ]


def test_parquet_is_known_by_its_content(parquet: Path, tmp_path: Path) -> None:
    renamed = parquet.rename(tmp_path / "input-frame")
    assert read_frame(str(renamed))["n"].isna().tolist() == [False, True]


def test_what_is_no_table_is_said() -> None:
    with pytest.raises(MlboxClientError, match="a int is not a table"):
        columns_of(5)
