"""Rows of a source through a function: by batches, each once, whole or not at all."""

from __future__ import annotations

import textwrap
import threading
from collections.abc import Iterator
from concurrent.futures import Future
from pathlib import Path
from typing import Any

import pytest
from fresh_home import fresh_home
from statements import Statements
from stream_rigs import KafkaRig
from waiting import wait_until

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import Cancelled, Conflict, Invalid, NotExecuted, NotFound
from mlbox.base.settings import Settings
from mlbox.serve.transforming import _awaited, log_id

COLUMNS = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE, label VARCHAR)"
CLEAN = """
    import pyarrow as pa, pyarrow.compute as pc

    def clean(batch: pa.RecordBatch) -> pa.RecordBatch:
        print("a batch of", batch.num_rows)
        amounts = [float(text.replace(",", ".")) for text in batch.column("amount").to_pylist()]
        labels = pc.utf8_upper(batch.column("label"))
        made = pa.RecordBatch.from_pydict({"label": labels, "ID": batch.column("id"), "ts": batch.column("ts"),
                                           "amount": amounts, "more": labels})
        return made.filter(pc.not_equal(labels, "DROP"))
"""


class Shop(Statements):
    """A session in a folder with files of clicks and a function that cleans them."""

    def __init__(self, house: Any, folder: Path) -> None:
        super().__init__(house, folder)
        self.do("CREATE PROJECT shop; USE PROJECT shop")
        self.file("a.csv", "1|2026-01-01|1,5|x", "2|2026-01-02|2,5|drop", "3|2026-01-03|3|y")
        self.function("clean", CLEAN)
        self.do("CREATE SOURCE clicks FROM '*.csv' WITH (delim = '|', all_varchar = true)")

    def file(self, name: str, *rows: str) -> None:
        (self.folder / name).write_text("\n".join(["id|ts|amount|label", *rows]) + "\n")

    def function(self, name: str, code: str, more: str = "") -> None:
        (self.folder / f"{name}.py").write_text(textwrap.dedent(code))
        self.do(f"CREATE OR REPLACE FUNCTION {name} FROM '{name}.py' {more}")


@pytest.fixture(scope="module")
def one_house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    opened = House.open(fresh_home(tmp_path_factory.mktemp("transform") / "home"), Settings())
    yield opened
    opened.close()


@pytest.fixture
def shop(one_house: House, tmp_path: Path) -> Iterator[Shop]:
    """A project of its own."""
    made = Shop(one_house, tmp_path)
    yield made
    made.do("USE PROJECT default; DROP PROJECT shop CASCADE")


def test_rows_go_through_the_function_each_once(shop: Shop) -> None:
    done = shop.do(f"CREATE FEATURE SET once {COLUMNS} FROM clicks TRANSFORM clean")
    assert done.facts["rows"] == 2
    assert shop.rows("SELECT id, ts::VARCHAR, amount, label FROM once ORDER BY id") == [
        (1, "2026-01-01 00:00:00+00", 1.5, "X"),
        (3, "2026-01-03 00:00:00+00", 3.0, "Y"),
    ]
    assert shop.do("REFRESH FEATURE SET once").facts["rows"] == 0
    shop.file("b.csv", "4|2026-01-04|4|z")
    assert shop.do("REFRESH FEATURE SET once").facts["rows"] == 1
    assert shop.rows("SELECT count(*) FROM ml.logs WHERE feature_set = 'once' AND text LIKE 'a batch of%'") == [(2,)]
    shop.file("a.csv", "1|2026-01-01|9|x")  # a file that has changed stands for what it was
    assert shop.do("REFRESH FEATURE SET once").facts["rows"] == 1
    assert shop.rows("SELECT id, amount FROM once ORDER BY id") == [(1, 9.0), (4, 4.0)]
    again = shop.do("REFRESH FEATURE SET once FROM '2026-01-04' TO '2026-01-05'")
    assert again.message.startswith("refreshed feature set shop.once: 1 row in place of 1")
    assert shop.do("REFRESH FEATURE SET once FULL").facts["rows"] == 2
    assert shop.rows("SELECT id, amount FROM once ORDER BY id") == [(1, 9.0), (4, 4.0)]


def test_many_batches_are_one_ingest(shop: Shop) -> None:
    rows = [f"{number}|2026-01-01|{number % 7}|x" for number in range(120_000)]
    shop.file("a.csv", *rows)
    assert shop.do(f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean").facts["rows"] == 120_000
    assert shop.rows("SELECT count(DISTINCT id), sum(amount) FROM f") == [(120_000, sum(n % 7 for n in range(120_000)))]
    assert shop.rows("SELECT rows, rejected FROM ml.ingests") == [(120_000, 0)]
    assert shop.rows("SELECT count(*) FROM ml.logs WHERE text LIKE 'a batch of%' AND feature_set = 'f'")[0][0] >= 3


def test_the_row_that_the_function_fails_at_is_named_and_nothing_is_stored(shop: Shop) -> None:
    rows = [f"{number}|2026-01-01|{'many' if number == 77_777 else 1}|x" for number in range(100_000)]
    shop.file("a.csv", *rows)
    error = shop.refused(f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean")
    assert isinstance(error, Invalid)
    assert error.message.startswith("function shop.clean@1 failed at row 77,778 of ")
    assert "a.csv: ValueError: could not convert string to float: 'many' (clean.py, line " in error.message
    assert error.message.endswith("; nothing was stored") and "ON ERROR QUARANTINE" in (error.hint or "")
    assert error.details["row"] == 77_778
    assert shop.rows("SELECT count(*) FROM ml.feature_sets") == [(0,)]
    shop.file("a.csv", "1|2026-01-01|1|x")
    shop.do(f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean")
    shop.file("b.csv", *rows)
    assert "row 77,778" in shop.refused("REFRESH FEATURE SET f").message
    assert shop.rows("SELECT id FROM f") == [(1,)]


def test_rows_that_the_function_fails_at_are_put_aside(shop: Shop) -> None:
    rows = [f"{number}|2026-01-01|{'many' if number % 10_000 == 7 else 1}|x" for number in range(60_000)]
    rows[5] = "5|never|1|x"
    shop.file("a.csv", *rows, "6|2026-01-01|1")
    done = shop.do(f"CREATE FEATURE SET f {COLUMNS} ON ERROR QUARANTINE FROM clicks TRANSFORM clean")
    assert "8 wrong ones put aside" in done.message and done.facts["rows"] == 59_993
    found = shop.rows('SELECT number, reason, "row" FROM ml.dead_letters ORDER BY number, reason')
    assert [number for number, _, _ in found][:3] == [6, 8, 10_008]
    assert found[0][1] == "ts is not of type TIMESTAMP WITH TIME ZONE: never"
    assert found[1][1].startswith("shop.clean@1: ValueError: could not convert string to float: 'many' (clean.py")
    assert '"many"' in found[1][2]
    assert shop.rows("SELECT rows, rejected FROM ml.ingests") == [(59_993, 8)]
    shop.do("REFRESH FEATURE SET f; REFRESH FEATURE SET f FROM '2026-01-01'")
    assert shop.rows("SELECT count(*) FROM ml.dead_letters") == [(8,)]


def test_a_function_that_fails_at_every_row_is_wrong_itself(shop: Shop) -> None:
    shop.function("broken", "def broken(batch): return nothing(batch)")
    shop.file("a.csv", *(f"{number}|2026-01-01|1|x" for number in range(5_000)))
    error = shop.refused(f"CREATE FEATURE SET f {COLUMNS} ON ERROR QUARANTINE FROM clicks TRANSFORM broken")
    assert "fails at every one of 100 rows" in error.message and "name 'nothing' is not defined" in error.message


@pytest.mark.parametrize(
    ("code", "message"),
    [
        ("def f(batch): return batch.drop_columns(['amount'])", "gave no column 'amount' for rows 1 to 3 of "),
        ("def f(batch): return None", "it returned None"),
        pytest.param("def f(batch): return 7", "it returned a int", marks=pytest.mark.nightly),
        pytest.param("def f(): return 7", "it takes nothing; a transform takes one frame", marks=pytest.mark.nightly),
        ("def f(a, b): return a", "it takes a, b; a transform takes one frame"),
        ("def f(batch):\n    import os\n    os._exit(3)", "ended while the request was in it: exit status 3"),
        ("import nothing_such\ndef f(batch): return batch", "No module named 'nothing_such'"),
    ],
)
def test_what_a_function_may_not_do_is_told(shop: Shop, code: str, message: str) -> None:
    shop.function("f", code)
    error = shop.refused(f"CREATE FEATURE SET s {COLUMNS} FROM clicks TRANSFORM f")
    assert message in error.message
    assert shop.rows("SELECT count(*) FROM ml.feature_sets") == [(0,)]


@pytest.mark.parametrize(
    "code",
    [
        pytest.param("import pyarrow\ndef f(table: pyarrow.Table): return table", marks=pytest.mark.nightly),
        "from __future__ import annotations\nimport pandas as pd\ndef f(frame: pd.DataFrame): return frame",
        pytest.param(
            "from pandas import DataFrame\ndef f(frame: DataFrame): return frame.copy()", marks=pytest.mark.nightly
        ),
        pytest.param("def f(rows: list): return [dict(row) for row in rows]", marks=pytest.mark.nightly),
        "def f(batch): return {name: batch.column(name) for name in batch.schema.names}",
        "def f(batch):\n    for number in range(batch.num_rows): yield batch.slice(number, 1)",
        "class f:\n    def load(self): self.ready = True\n    def transform(self, batch): return self.ready and batch",
    ],
)
def test_frames_go_in_and_out_as_the_function_declares(shop: Shop, code: str) -> None:
    shop.file("a.csv", "1|2026-01-01|1.5|x", "2|2026-01-02||y")
    shop.function("f", code)
    shop.do(f"CREATE FEATURE SET s {COLUMNS} FROM clicks TRANSFORM f")
    assert shop.rows("SELECT id, amount, label FROM s ORDER BY id") == [(1, 1.5, "x"), (2, None, "y")]


def test_windows_see_what_the_function_gives(shop: Shop) -> None:
    shop.file("a.csv", "1|2026-01-01|1,5|x", "1|2026-01-02|2,5|drop", "1|2026-01-03|many|y", "1|2026-01-04|3|y")
    text = f"CREATE FEATURE SET f {COLUMNS} AGGREGATE (sum(amount) OVER (9 DAYS) AS s) ON ERROR QUARANTINE"
    done = shop.do(f"{text} FROM clicks TRANSFORM clean")
    assert done.facts["rows"] == 2 and "1 wrong one put aside" in done.message
    assert shop.rows("SELECT amount, s FROM f ORDER BY ts") == [(1.5, 1.5), (3.0, 4.5)]
    assert shop.do("REFRESH FEATURE SET f").facts["rows"] == 0
    shop.file("b.csv", "1|2026-01-02|10|z", "1|2026-01-09|1|drop")
    shop.do("REFRESH FEATURE SET f")
    assert shop.rows("SELECT amount, s FROM f ORDER BY ts") == [(1.5, 1.5), (10.0, 11.5), (3.0, 14.5)]
    assert shop.rows("SELECT count(*) FROM ml.dead_letters") == [(1,)]
    error = shop.refused(
        f"{text.replace('SET f', 'SET g').replace('ON ERROR QUARANTINE', '')} FROM clicks TRANSFORM clean"
    )
    assert "failed at row 3 of" in error.message


def test_the_version_stays_that_of_the_definition(shop: Shop) -> None:
    shop.do(f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean")
    shop.function("clean", CLEAN.replace("utf8_upper", "utf8_lower"))
    shop.file("b.csv", "4|2026-01-04|4|z")
    shop.do("REFRESH FEATURE SET f")
    assert shop.rows("SELECT DISTINCT label FROM f ORDER BY 1") == [("X",), ("Y",), ("Z",)]
    assert shop.rows("SELECT transform FROM ml.feature_sets") == [("shop.clean@1",)]
    shop.do(f"CREATE OR REPLACE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean")
    assert shop.rows("SELECT DISTINCT label FROM f ORDER BY 1") == [("drop",), ("x",), ("y",), ("z",)]
    assert shop.rows("SELECT transform FROM ml.feature_sets") == [("shop.clean@2",)]
    shop.do(f"CREATE FEATURE SET old {COLUMNS} FROM clicks TRANSFORM clean@1")
    assert shop.rows("SELECT count(*) FROM old WHERE label = 'X'") == [(1,)]


def test_a_function_that_a_set_uses_is_not_dropped(shop: Shop) -> None:
    shop.do(f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean")
    for text in ("DROP FUNCTION clean", "DROP FUNCTION clean@1"):
        error = shop.refused(text)
        assert isinstance(error, Conflict) and "feature set shop.f" in error.message
    shop.do("DROP FUNCTION clean CASCADE")
    error = shop.refused("REFRESH FEATURE SET f")
    assert isinstance(error, Conflict) and "was dropped" in error.message
    assert shop.rows("SELECT count(*) FROM f") == [(2,)]
    shop.do("RESTORE FUNCTION clean")
    assert shop.do("REFRESH FEATURE SET f").facts["rows"] == 0


def test_what_is_planned_and_where_it_comes_from(shop: Shop) -> None:
    text = f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean"
    plan = shop.rows(f"EXPLAIN {text}")
    assert any("function shop.clean@1" in str(row) and "clean of clean.py" in str(row) for row in plan)
    assert shop.rows("SELECT count(*) FROM ml.feature_sets") == [(0,)]
    shop.do(text)
    assert any("function shop.clean@1" in str(row) for row in shop.rows("EXPLAIN REFRESH FEATURE SET f"))
    edges = shop.rows("SELECT from_kind, from_ref, detail FROM ml.lineage WHERE to_ref = 'shop.f@1' ORDER BY 1")
    assert edges == [("function", "shop.clean@1", "TRANSFORM"), ("source", "shop.clicks", "FROM")]


def test_columns_of_other_types_from_batch_to_batch_fit_the_set(shop: Shop) -> None:
    shop.function("f", "import pandas as pd\ndef f(frame: pd.DataFrame):\n    return frame.convert_dtypes()")
    shop.file("a.csv", *(f"{number}|2026-01-01||x" for number in range(50_000)), "7|2026-01-01|1.5|x")
    shop.do(f"CREATE FEATURE SET s {COLUMNS} FROM clicks TRANSFORM f")
    assert shop.rows("SELECT count(*), count(amount), sum(amount) FROM s") == [(50_001, 1, 1.5)]
    shop.file("b.csv", "8|2026-01-01|many|x")
    error = shop.refused("REFRESH FEATURE SET s")
    assert "row 1 of " in error.message and "b.csv, after shop.f@1: amount is not of type DOUBLE" in error.message


def test_what_a_transform_needs_and_what_comes_later(shop: Shop) -> None:
    assert isinstance(shop.refused(f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM cleam"), NotFound)
    error = shop.refused("CREATE FEATURE SET f (ENTITY id, TIMESTAMP ts) FROM clicks TRANSFORM clean")
    assert "function shop.clean is not run to tell the columns" in error.message and "id" in (error.hint or "")
    shop.do("CREATE SOURCE pushed TYPE http")
    assert isinstance(shop.refused(f"CREATE FEATURE SET f {COLUMNS} FROM pushed TRANSFORM clean"), NotExecuted)


def test_a_set_that_has_changed_and_an_exported_one_keep_their_function(shop: Shop) -> None:
    shop.do(f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM clean")
    shop.do("ALTER FEATURE SET f RENAME COLUMN label TO kind NEW VERSION; ALTER FEATURE SET f ADD COLUMN n BIGINT")
    shop.file("b.csv", "4|2026-01-04|4|z")
    shop.do("REFRESH FEATURE SET f")
    assert shop.rows("SELECT id, kind, n FROM f ORDER BY id") == [(1, "X", None), (3, "Y", None), (4, "Z", None)]
    script = shop.house._script_of("shop", None)
    assert "FROM clicks TRANSFORM clean" in " ".join(script.split())


def test_rows_of_a_stream_go_through_the_function_before_the_windows(shop: Shop) -> None:
    rig = KafkaRig(shop.folder)
    shop.function(
        "events",
        """
        import pandas as pd

        def events(frame: pd.DataFrame):
            frame["amount"] = frame["amount"].map(lambda text: float(text.replace(",", ".")))
            return frame[frame["label"] != "drop"]
        """,
    )
    rows = [{"id": n % 2, "ts": f"2026-01-01T00:0{n}:00", "amount": f"{n},5", "label": "x"} for n in range(4)]
    rig.add([*rows, {**rows[0], "label": "drop"}, {**rows[0], "amount": "many"}, {**rows[0], "id": "who"}, "text"])
    shop.do(f"CREATE SOURCE bus {rig.declared}")
    text = f"CREATE FEATURE SET f {COLUMNS} REFRESH MANUAL AGGREGATE (sum(amount) OVER (1 HOUR) AS s)"
    shop.do(f"{text} FROM bus TRANSFORM events")
    assert shop.do("REFRESH FEATURE SET f").facts["rows"] == 4
    assert shop.rows("SELECT id, amount, s FROM f ORDER BY ts") == [
        (0, 0.5, 0.5),
        (1, 1.5, 1.5),
        (0, 2.5, 3.0),
        (1, 3.5, 5.0),
    ]
    reasons = sorted(reason.partition(":")[0] for (reason,) in shop.rows("SELECT reason FROM ml.dead_letters"))
    assert reasons == ["id is not of type BIGINT", "shop.events@1", "the row is not a JSON object"]
    assert shop.do("REFRESH FEATURE SET f").facts["rows"] == 0
    rig.add([{**rows[0], "ts": "2026-01-01T00:09:00"}])
    assert shop.do("REFRESH FEATURE SET f").facts["rows"] == 1
    assert shop.rows("SELECT max(s) FROM f WHERE id = 0") == [(3.5,)]


def test_a_cancelled_ingest_leaves_nothing_and_ends_its_process(shop: Shop) -> None:
    shop.function("slow", "import time\ndef slow(batch):\n    print('begun', flush=True)\n    time.sleep(600)")
    text = f"CREATE FEATURE SET f {COLUMNS} FROM clicks TRANSFORM slow"
    with shop.house.ongoing.begin(text, Caller(project="shop")) as underway:
        log = shop.house.home.logs / f"{log_id('shop', 'f')}.log"
        threading.Thread(
            target=lambda: (wait_until(lambda: log.is_file() and "begun" in log.read_text(), 120), underway.cancel())
        ).start()
        error = shop.refused(text)
    assert isinstance(error, Cancelled)
    assert shop.rows("SELECT count(*) FROM ml.feature_sets") == [(0,)]
    wait_until(lambda: "function shop.slow@1" not in shop.house.endpoints.pools.processes(), 60)


def test_an_answer_that_comes_in_the_moment_of_looking_is_taken() -> None:
    class Sudden(Future[Any]):
        """It is there as soon as somebody asks whether it is."""

        def done(self) -> bool:
            if not super().done():
                self.set_result("rows")
            return super().done()

    answer = Sudden()
    threading.Timer(0.3, answer.done).start()
    assert _awaited(answer) == "rows"
