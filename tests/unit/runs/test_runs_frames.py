from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbox.base.command import Query
from mlbox.base.errors import Invalid, MlboxError
from mlbox.engine.runs.frames import Frames, FrameSource


def write(bench: Any, text: str, path: Path, **place: Any) -> Any:
    return Frames(bench.catalog).write("default", FrameSource(Query(text, **place)), path)


def test_types_and_order_survive(bench: Any) -> None:
    import pyarrow.parquet

    path = bench.home.runs / "r" / "inputs" / "frame.parquet"
    query = """
        SELECT i, i / 4 AS share, 'text ' || i AS "a name", i % 2 = 0 AS even, [i, i] AS pair, {'k': i} AS record,
               TIMESTAMPTZ '2026-01-01 00:00:00+00' + to_hours(i) AS happened_at, DATE '2026-01-01' AS day,
               NULL::INTEGER AS nothing, 1.5::DECIMAL(9, 2) AS money
        FROM range(200_000) t(i) ORDER BY i DESC -- the last first
        """
    frame = write(bench, query, path)
    assert (frame.rows, frame.path) == (200_000, "runs/r/inputs/frame.parquet")
    assert frame.columns[0] == ("i", "BIGINT") and frame.columns[2] == ("a name", "VARCHAR")
    table = pyarrow.parquet.read_table(path)
    assert table.column_names == [name for name, _ in frame.columns]
    assert table["i"].to_pylist() == list(range(199_999, -1, -1))
    assert table["pair"][0].as_py() == [199_999, 199_999] and table["record"][0].as_py() == {"k": 199_999}
    assert str(table.schema.field("happened_at").type) == "timestamp[us, tz=UTC]"
    assert table["nothing"].null_count == 200_000


def test_no_rows_are_a_frame(bench: Any, tmp_path: Path) -> None:
    assert write(bench, "SELECT 1 AS x WHERE false;", tmp_path / "frame.parquet").rows == 0


@pytest.mark.parametrize("prefix", ["", "RUN train\nFROM ("])
def test_an_error_on_the_way_points_into_the_users_text(bench: Any, tmp_path: Path, prefix: str) -> None:
    text = "SELECT CAST(s AS INTEGER) FROM (VALUES ('1'), ('one')) v(s)"
    place = {"offset": len(prefix), "source": f"{prefix}{text})"} if prefix else {}
    with pytest.raises(Invalid, match="one") as caught:
        write(bench, text, tmp_path / "frame.parquet", **place)
    where = caught.value.where
    if where is not None:
        assert "COPY" not in where.text and text in where.text
    assert list(tmp_path.glob("*.parquet*")) == []


def test_a_query_cannot_leave_its_place(bench: Any, tmp_path: Path) -> None:
    target = tmp_path / "elsewhere.parquet"
    for text in (f"SELECT 1) TO '{target}' --", "SELECT 1; SELECT 2", f"SELECT 1) TO '{target}' (FORMAT parquet); --"):
        with pytest.raises(MlboxError):
            write(bench, text, tmp_path / "frame.parquet")
    assert not target.exists()
