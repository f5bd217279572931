"""``mlbox.connect()`` and ``%sql`` against a real server, with real pandas, polars and IPython."""

from __future__ import annotations

import datetime
import os
import signal
import subprocess
import sys
import textwrap
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy
import pytest
from real_server import Server, wait_until

import mlbox
from mlbox.client import connection as connections

VALUES = """
SELECT 1 AS whole, 2.50::DECIMAL(10, 2) AS price, 'x' AS word, NULL AS nothing, true AS truth, 1.5::DOUBLE AS number,
       TIMESTAMPTZ '2024-01-01 12:00:00.123456+02' AS instant, TIMESTAMP '2024-01-01 01:02:03' AS clock,
       DATE '2024-02-03' AS day, TIME '01:02:03' AS hour, INTERVAL '36 hours' AS pause, 'ab'::BLOB AS bytes,
       [1, 2] AS list, {'a': 1} AS struct, MAP {'k': 1} AS map, '{"a": [1]}'::JSON AS json, sum(x) AS total
FROM range(4) t(x)
"""
EXPECTED = {
    "whole": 1,
    "price": Decimal("2.50"),
    "word": "x",
    "nothing": None,
    "truth": True,
    "number": 1.5,
    "instant": datetime.datetime(2024, 1, 1, 10, 0, 0, 123456, tzinfo=datetime.UTC),
    "clock": datetime.datetime(2024, 1, 1, 1, 2, 3),
    "day": datetime.date(2024, 2, 3),
    "hour": datetime.time(1, 2, 3),
    "pause": datetime.timedelta(hours=36),
    "bytes": b"ab",
    "list": [1, 2],
    "struct": {"a": 1},
    "map": {"k": 1},
    "json": {"a": [1]},
    "total": 6,
}


@pytest.fixture
def connection(server: Server) -> mlbox.Connection:
    return mlbox.connect(server.url)


@pytest.fixture(params=["arrow", "json"])
def form(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> str:
    """With pyarrow in the environment, and without."""
    if request.param == "json":
        monkeypatch.setattr(connections, "find_spec", lambda name: None)
    return str(request.param)


def test_values_are_the_same_in_both_forms(connection: mlbox.Connection, form: str) -> None:
    result = connection.sql(VALUES)
    assert result.rows() == [EXPECTED]
    assert [type(value) for value in result.rows()[0].values()] == [type(value) for value in EXPECTED.values()]
    assert (len(result), result.scalar(), result.columns) == (1, 1, list(EXPECTED))
    assert result.types[:2] == ["int32", "decimal128(10, 2)"]


def test_frames_in_both_forms(connection: mlbox.Connection, form: str) -> None:
    result = connection.sql("SELECT range AS n, 'w' || range AS w, TIMESTAMPTZ '2024-01-01' AS t FROM range(3)")
    pandas, polars = result.to_pandas(), result.to_polars()
    assert pandas["n"].tolist() == polars["n"].to_list() == [0, 1, 2]
    assert str(pandas["t"].dtype) == "datetime64[us, UTC]"
    assert polars["t"].to_list() == [datetime.datetime(2024, 1, 1, tzinfo=datetime.UTC)] * 3
    assert polars["w"].to_list() == ["w0", "w1", "w2"]


def test_pandas_gets_numbers_and_parsed_json(connection: mlbox.Connection) -> None:
    frame = connection.sql(VALUES).to_pandas()
    assert {name: str(frame[name].dtype) for name in ("price", "total", "pause")} == {
        "price": "float64", "total": "int64", "pause": "timedelta64[us]"
    }  # fmt: skip
    assert frame["json"][0] == {"a": [1]}
    assert connection.sql(VALUES).to_arrow().num_rows == 1


def test_use_project_holds_for_the_connection(server: Server, form: str) -> None:
    with mlbox.connect(server.url) as connection:
        connection.sql("CREATE PROJECT IF NOT EXISTS client_use; USE PROJECT client_use")
        assert connection.project == "client_use"
        created = connection.sql("CREATE OR REPLACE TABLE here AS SELECT 1 AS a")
        assert created.rows() == [] or created.columns == []
        assert connection.sql("FROM client_use.here").scalar() == 1
        assert mlbox.connect(server.url, project="client_use").sql("FROM here").scalar() == 1


def test_parameters_are_python_values(connection: mlbox.Connection) -> None:
    day = datetime.date(2024, 5, 6)
    given = {"n": numpy.int64(3), "day": day, "words": ("a", "b"), "x": numpy.float32(0.5)}
    found = connection.sql("SELECT $n AS n, $day::DATE AS day, $words AS words, $x AS x, '$no' AS no", given)
    assert found.rows() == [{"n": 3, "day": day, "words": ["a", "b"], "x": 0.5, "no": "$no"}]
    assert connection.sql("SELECT ? + ?", [1, 2]).scalar() == 3
    with pytest.raises(mlbox.MlboxClientError, match=r"\$f is a builtins.object"):
        connection.sql("SELECT $f", {"f": object()})


def test_an_error_has_its_place_hint_and_code(connection: mlbox.Connection, form: str) -> None:
    with pytest.raises(mlbox.SqlError) as caught:
        connection.sql("SELECT 1;\nSELECT\n  nix FROM ml.runs")
    error = caught.value
    assert (error.code, error.status) == ("statement", 400)
    assert error.where is not None and (error.where["line"], error.where["column"]) == (3, 3)
    assert error.caret == "  3 |   nix FROM ml.runs\n        ^"
    assert error.caret in str(error) and "hint: " in str(error)


def test_an_error_behind_the_first_rows_is_told(connection: mlbox.Connection) -> None:
    late = "SELECT CASE WHEN x = 4000000 THEN error('too late') ELSE x END AS x FROM range(5000000) t(x)"
    with pytest.raises(mlbox.SqlError, match="too late"):
        connection.sql(late)


def test_all_rows_come_however_many(connection: mlbox.Connection, form: str) -> None:
    assert len(connection.sql("FROM range(150000)")) == 150_000  # more than the setting result_rows


def test_ctrl_c_cancels_at_the_server(server: Server) -> None:
    script = """
        import signal, mlbox, sys
        signal.signal(signal.SIGINT, signal.default_int_handler)
        print("ready", flush=True)
        try:
            mlbox.connect(sys.argv[1]).sql("SELECT 'client-ctrl-c', count(*) FROM range(1000000) a, range(10000000) b "
                                           "WHERE a.range * b.range = 7")
        except KeyboardInterrupt:
            print("interrupted", flush=True)
    """
    command = [sys.executable, "-c", textwrap.dedent(script), server.url]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        try:
            wait_until(lambda: b"client-ctrl-c" in server.request("GET", "/sql")[2])
            process.send_signal(signal.SIGINT)
            told, _ = process.communicate(timeout=60)
        finally:
            process.kill()
    assert told.split() == ["ready", "interrupted"]
    wait_until(lambda: b"client-ctrl-c" not in server.request("GET", "/sql")[2])


def test_a_server_that_is_restarted_is_found_again(own_server: Server, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLBOX_HOME", str(own_server.home))
    monkeypatch.delenv("MLBOX_URL", raising=False)
    connection = mlbox.connect()
    assert connection.sql("SELECT 1").scalar() == 1
    own_server.stop()
    with pytest.raises(mlbox.MlboxClientError, match="mlbox up"):
        connection.sql("SELECT 1")
    with pytest.raises(mlbox.MlboxClientError, match="no server runs on the home"):
        mlbox.connect()
    own_server.start()  # at another port
    assert connection.sql("SELECT 2").scalar() == 2


# -- notebooks --------------------------------------------------------------------------------------------------------


def cells(server: Server, tmp_path: Path, *sources: str) -> str:
    """What an IPython of its own prints for these cells."""
    script = """
        import sys
        from IPython.core.interactiveshell import InteractiveShell
        shell = InteractiveShell.instance()
        shell.run_cell("%load_ext mlbox")
        for source in sys.argv[1:]:
            print("--")
            print("done" if shell.run_cell(source, store_history=True).success else "failed")
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(script), *sources],
        capture_output=True,
        text=True,
        check=False,
        timeout=100,
        env={**os.environ, "MLBOX_URL": server.url, "IPYTHONDIR": str(tmp_path), "NO_COLOR": "1"},
    )
    assert done.returncode == 0, done.stderr
    return done.stdout + done.stderr


def test_magics_of_a_notebook(server: Server, tmp_path: Path) -> None:
    told = cells(
        server,
        tmp_path,
        "least = 2",
        "%sql SELECT range AS n FROM range(5) WHERE range > $least",
        "%%sql found <<\nSELECT 40 + $least AS answer, '$least' AS text;",
        "print(found.rows(), type(_2).__name__)",
        "print(found._repr_html_())",
        "frame = %sql SELECT 7 AS seven\nprint(frame.to_pandas().to_dict())",
        "%%sql\nSELECT\n  nix",
        "%mlbox",
        "%sql",
    )
    assert "n\n-\n3\n4\n2 rows" in told
    assert "[{'answer': 42, 'text': '$least'}] Result" in told
    assert "<th>answer</th>" in told and "<td>42</td>" in told
    assert "{'seven': {0: 7}}" in told
    assert "error: " in told and "  3 |   nix\n        ^" in told
    assert "Traceback" not in told and "connection.py" not in told
    assert f"<mlbox connection to {server.url}, project default>" in told
    assert "there is no statement" in told


def test_an_error_stops_a_notebook_that_runs_all_cells(server: Server, tmp_path: Path) -> None:
    told = cells(server, tmp_path, "%sql SELECT nix", "%sql SELECT 1 AS one")
    assert told.index("failed") < told.index("done")


def test_html_escapes_what_rows_hold(connection: mlbox.Connection) -> None:
    html: Any = connection.sql("SELECT '<script>' AS \"a<b\", range FROM range(60)")._repr_html_()
    assert "&lt;script&gt;" in html and "<script>" not in html and "a&lt;b" in html
    assert "60 rows, the first 50 of them shown" in html


@pytest.mark.parametrize("kind", ["pandas", "polars", "arrow", "dictionaries"])
def test_frames_come_into_feature_sets(connection: mlbox.Connection, kind: str) -> None:
    import pandas
    import polars
    import pyarrow

    rows = [{"amount": 1.5, "id": 1, "ts": "2026-01-01"}, {"amount": 2.5, "id": 2, "ts": "2026-01-02"}]
    makes = {
        "pandas": pandas.DataFrame,
        "polars": polars.DataFrame,
        "arrow": pyarrow.Table.from_pylist,
        "dictionaries": list,
    }
    columns = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount > 0), note VARCHAR)"
    connection.sql(f"CREATE OR REPLACE FEATURE SET framed {columns}")
    connection.ingest("framed", makes[kind](rows))
    assert [(row["id"], row["amount"], row["note"]) for row in connection.sql("FROM framed ORDER BY id")] == [
        (1, 1.5, None),
        (2, 2.5, None),
    ]
    with pytest.raises(mlbox.SqlError, match="CHECK"):
        connection.ingest("default.framed", makes[kind]([*rows, {"amount": -1.0, "id": 3, "ts": "2026-01-03"}]))
    assert len(list(connection.sql("FROM framed"))) == 2
