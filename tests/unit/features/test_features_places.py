"""Sources elsewhere: an object store, Delta Lake, databases that refuse."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto.server import ThreadedMotoServer
from source_rigs import Bucket, Delta, Sqlite

from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.sql.session import Session

SET = "CREATE FEATURE SET f (ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE{}) FROM s"
FIRST = [(1, "2026-01-01 00:00:00", 1.0), (2, "2026-01-02 00:00:00", 2.0)]


@pytest.fixture(scope="module")
def endpoint() -> Iterator[str]:
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    host, port = server.get_host_and_port()
    yield f"http://{host}:{port}"
    server.stop()


@pytest.fixture
def session(house: Any, tmp_path: Path) -> Session:
    return Session(house.catalog, house.dispatcher, Caller(), base_folder=str(tmp_path))


def do(session: Session, text: str) -> Any:
    return [outcome.result for outcome in session.run(text)][-1]


def refused(session: Session, text: str) -> MlboxError:
    with pytest.raises(MlboxError) as caught:
        do(session, text)
    return caught.value


def test_objects_of_a_bucket_are_fetched_once_and_their_folders_are_columns(
    session: Session, tmp_path: Path, endpoint: str, home: Any
) -> None:
    rig = Bucket(tmp_path, endpoint)
    rig.add(FIRST)
    do(session, f"SET SECRET s3 = 'x'; CREATE SOURCE s TYPE parquet {rig.declared()}; {SET.format(', day INTEGER')}")
    rig.add([(3, "2025-12-31 00:00:00", 3.0)])
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 1
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 0
    assert do(session, "SELECT id, day FROM f ORDER BY id").table.to_pylist() == [
        {"id": 1, "day": 1},
        {"id": 2, "day": 1},
        {"id": 3, "day": 2},
    ]
    parts = do(session, "SELECT part, position FROM ml.source_positions ORDER BY part").table.to_pylist()
    assert parts[0]["part"] == f"s3://{rig.bucket}/day=1/0001.parquet" and "etag" in parts[0]["position"]
    assert not list((home.cache / "sources").iterdir())
    shown = do(session, "DESCRIBE SOURCE s").table.to_pylist()
    assert {"property": "options", "value": shown[5]["value"]} in shown and '"$secret": "s3"' in shown[5]["value"]


def test_a_wrong_row_of_an_object_is_told_with_its_url(session: Session, tmp_path: Path, endpoint: str) -> None:
    rig = Bucket(tmp_path, endpoint)
    rig.add([*FIRST, (3, "2026-01-03 00:00:00", -1.0)])
    do(session, f"SET SECRET s3 = 'x'; CREATE SOURCE s TYPE parquet {rig.declared()}")
    error = refused(session, SET.format(" CHECK (amount > 0)").replace("amount DOUBLE CHECK", "amount DOUBLE CHECK"))
    assert f"row 3 of s3://{rig.bucket}/day=1/0001.parquet" in error.message


def test_what_cannot_be_reached_is_unavailable(session: Session) -> None:
    do(session, "SET SECRET s3 = 'x'")
    options = "WITH (key = 'k', secret = SECRET s3, endpoint_url = 'http://127.0.0.1:9')"
    do(session, f"CREATE SOURCE s TYPE parquet FROM 's3://nowhere/*.parquet' {options}")
    assert isinstance(refused(session, SET.format("")), Unavailable)


def test_an_overwritten_delta_table_is_read_anew_and_a_compaction_adds_nothing(
    session: Session, tmp_path: Path
) -> None:
    from deltalake import DeltaTable

    rig = Delta(tmp_path)
    rig.add(FIRST)
    do(session, f"CREATE SOURCE s {rig.declared()}; {SET.format('')}")
    rig.add([(3, "2026-01-03 00:00:00", 3.0)])
    DeltaTable(rig.path).optimize.compact()
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 1
    rig.add([(4, "2026-01-04 00:00:00", 4.0)])
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 1
    DeltaTable(rig.path).delete("id = 1")
    do(session, "REFRESH FEATURE SET f")
    assert [row["id"] for row in do(session, "SELECT id FROM f ORDER BY ALL").table.to_pylist()] == [2, 3, 4]
    rig.add([(9, "2026-01-09 00:00:00", 9.0)], mode="overwrite")
    do(session, "REFRESH FEATURE SET f")
    assert [row["id"] for row in do(session, "FROM f").table.to_pylist()] == [9]


def test_a_value_of_another_type_is_told_with_its_row(session: Session, tmp_path: Path) -> None:
    rig = Sqlite(tmp_path)
    rig.add(FIRST)
    rig.ask("INSERT INTO orders (id, ts, amount) VALUES (3, '2026-01-03', 'many')")
    do(session, f"CREATE SOURCE s {rig.declared()}")
    error = refused(session, SET.format(""))
    assert isinstance(error, Invalid) and "many" in error.message, error


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("CREATE SOURCE s FROM 'postgres://ana:pw@h/db' WITH (table = t)", "holds a password"),
        ("CREATE SOURCE s FROM 'postgres://ana@h/db' WITH (table = t, password = 'pw')", "SET SECRET s_password"),
        ("CREATE SOURCE s FROM 'mysql://ana@h/db'", "names what it reads"),
        ("CREATE SOURCE s FROM 'x.db' WITH (table = t, query = 'SELECT 1')", "names what it reads"),
        (
            "CREATE SOURCE s TYPE delta FROM 'nowhere'; CREATE FEATURE SET f (ENTITY a, TIMESTAMP b) FROM s",
            "cannot be read",
        ),
        (
            "CREATE SOURCE s FROM 'no.db' WITH (table = t); CREATE FEATURE SET f (ENTITY a, TIMESTAMP b) FROM s",
            "cannot be",
        ),
    ],
)
def test_what_cannot_work_is_refused(session: Session, text: str, told: str) -> None:
    error = refused(session, text)
    assert told in f"{error.message} {error.hint}", repr(error)
