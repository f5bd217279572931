"""Online features over HTTP and from the Python client, on a real server: one key and many, JSON and Arrow."""

from __future__ import annotations

import datetime
import json
from pathlib import Path
from typing import Any

import pandas
import polars
import pyarrow
import pyarrow.parquet
import pytest
from fenced import shared_server
from real_server import Server

import mlbox

ARROW = "application/vnd.apache.arrow.stream"
SETS = """
CREATE FEATURE SET {p}.profile (ENTITY customer, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT i AS customer, TIMESTAMPTZ '2026-01-01' + to_hours(i) AS ts, i * 1.5 AS age, i % 3 AS kind,
        CASE WHEN i < 3 THEN 'Bern' ELSE 'Basel' END AS city, i > 2 AS big, DATE '2026-01-05' AS since
    FROM range(1, 6) r(i);
CREATE FEATURE SET {p}.recent (ENTITY customer, TIMESTAMP ts) TTL INTERVAL '1 day' STORE OFFLINE AND ONLINE AS
    SELECT 1 AS customer, now() - INTERVAL '1 hour' AS ts, 10.0 AS spent
    UNION ALL SELECT 2, now() - INTERVAL '3 days', 20.0 UNION ALL SELECT 4, now() - INTERVAL '1 hour', NULL;
CREATE FEATURE VECTOR {p}.v AS FEATURES (profile.age, recent.spent, profile.city, profile.kind AS sort, profile.big,
    profile.since)
"""


@pytest.fixture(scope="session")  # a worker may come back to this file
def vector(server: Server) -> str:
    server.sql("CREATE PROJECT doors")
    server.sql(SETS.format(p="doors"), project="doors")
    return "doors.v"


def asked(server: Server, vector: str, body: Any, status: int = 200) -> Any:
    got, _, content = server.request("POST", f"/features/{vector}", body)
    answer = json.loads(content)
    assert got == status, answer
    return answer


def test_one_key_and_many(server: Server, vector: str) -> None:
    one = asked(server, vector, {"keys": {"customer": 1}})
    row = {"customer": 1, "age": 1.5, "spent": 10.0, "city": "Bern", "sort": 1, "big": False, "since": "2026-01-05"}
    assert one == {"vector": "doors.v", "rows": [row], "status": [{"profile": "present", "recent": "present"}]}
    assert list(one["rows"][0]) == list(row)
    many = asked(server, vector, {"keys": [{"customer": key} for key in (4, 2, 9, None, "1")]})
    assert [row["spent"] for row in many["rows"]] == [None, None, None, None, 10.0]
    assert [row["age"] for row in many["rows"]] == [6.0, 3.0, None, None, 1.5]
    assert [status["recent"] for status in many["status"]] == ["present", "stale", "missing", "missing", "present"]
    columns = asked(server, vector, {"keys": {"customer": [4, 2, 9, None, "1"]}})
    assert columns == many
    assert asked(server, vector, {"keys": []})["rows"] == []
    larger = asked(server, vector, {"keys": [{"customer": 1 + key % 5} for key in range(2_000)]})
    assert larger["rows"][:1] == one["rows"] and len(larger["rows"]) == len(larger["status"]) == 2_000


def test_what_stands_for_missing_values(server: Server, vector: str) -> None:
    keys = [{"customer": key} for key in (1, 2, 4, 9)]
    answer = asked(
        server, vector, {"keys": keys, "impute": {"spent": "$previous", "age": "$mean", "*": "$most_frequent"}}
    )
    assert [row["spent"] for row in answer["rows"]] == [10.0, 20.0, None, None]  # only 2 has one that is too old
    assert [row["age"] for row in answer["rows"]] == [1.5, 3.0, 6.0, 4.5]
    nine = answer["rows"][3]
    assert (nine["city"], nine["sort"], nine["big"], nine["since"]) == ("Basel", nine["sort"], True, "2026-01-05")
    assert nine["sort"] in (1, 2)
    assert [sorted(names) for names in answer["imputed"]] == [
        [],
        ["spent"],
        [],
        ["age", "big", "city", "since", "sort"],
    ]
    assert [status["recent"] for status in answer["status"]] == ["present", "stale", "present", "missing"]
    constants = asked(server, vector, {"keys": keys[3:], "impute": {"AGE": -1, "city": "nowhere", "*": "$median"}})
    assert constants["rows"][0] | {"since": None} == {
        "customer": 9, "age": -1, "spent": 15.0, "city": "nowhere", "sort": 1.0, "big": True, "since": None,
    }  # fmt: skip


@pytest.mark.parametrize(
    ("path", "body", "status", "message", "hint"),
    [
        ("doors.v", {"keys": {"custmer": 1}}, 400, "entity customer is missing", "customer"),
        ("doors.v", {"keys": [{"customer": 1}, {}]}, 400, "entity customer is missing in key 2", "needs: customer"),
        ("doors.v", {"keys": {"customer": "x"}}, 400, "entity value 'x' is not of type BIGINT", None),
        ("doors.v", {"key": {"customer": 1}}, 400, "the body is not what is asked for", '"keys"'),
        ("doors.v", {"keys": 7}, 400, "the body is not what is asked for", '"keys"'),
        ("doors.v", b"{", 400, "the body is not what is asked for", '"keys"'),
        ("doors.v", {"keys": {"customer": 1}, "impute": {"agee": 1}}, 400, "impute names 'agee'", "age"),
        ("doors.v", {"keys": {"customer": 1}, "impute": {"age": "$meen"}}, 400, "'$meen' is not known", "$mean"),
        ("doors.v", {"keys": {"customer": 1}, "impute": {"age": "old"}}, 400, "'old' is no", "a constant"),
        ("doors.v", {"keys": {"customer": 1}, "impute": {"city": "$mean"}}, 400, "city has no mean", "$most_frequent"),
        ("doors.w", {"keys": {}}, 404, "there is no feature vector doors.w", "v"),
        ("v", {"keys": {}}, 404, "there is no feature vector default.v", None),
        ("a/b", {"keys": {}}, 404, "there is no path", "project"),
    ],
)
def test_what_is_wrong_is_told(
    server: Server, vector: str, path: str, body: Any, status: int, message: str, hint: str | None
) -> None:
    error = asked(server, path, body, status)["error"]
    assert message in error["message"]
    assert hint is None or hint in error["hint"]


def test_only_post(server: Server, vector: str) -> None:
    assert server.request("PUT", f"/features/{vector}", {"keys": {"customer": 1}})[0] == 405


def test_arrow_in_and_out(server: Server, vector: str) -> None:
    sink = pyarrow.BufferOutputStream()
    keys = pyarrow.table({"customer": [1, 2, 9], "more": ["a", "b", "c"]})
    with pyarrow.ipc.new_stream(sink, keys.schema) as writer:
        writer.write_table(keys)
    path = f"/features/{vector}?impute=%7B%22city%22%3A%22none%22%7D"
    status, headers, body = server.request("POST", path, sink.getvalue().to_pybytes(), {"Content-Type": ARROW})
    assert status == 200, body
    assert headers["content-type"] == ARROW
    table = pyarrow.ipc.open_stream(body).read_all()
    assert table.to_pylist()[1] == {
        "customer": 2, "age": 3.0, "spent": None, "city": "Bern", "sort": 2, "big": False,
        "since": datetime.date(2026, 1, 5), "_status": {"profile": "present", "recent": "stale"}, "_imputed": [],
    }  # fmt: skip
    assert table.to_pylist()[2]["_imputed"] == ["city"]
    types = {field.name: str(field.type) for field in table.schema}
    assert types["age"] == "double" and types["sort"] == "int64" and types["since"] == "date32[day]"
    status, _, body = server.request("POST", path, {"keys": {"customer": 1}}, {"Accept": ARROW})
    assert pyarrow.ipc.open_stream(body).read_all()["age"].to_pylist() == [1.5]
    assert server.request("POST", path, b"no stream", {"Content-Type": ARROW})[0] == 400


def test_sql_says_the_same(server: Server, vector: str) -> None:
    (answer,) = server.sql(
        "FROM ml.online('doors.v', [{'customer': 2}, {'customer': 9}], impute := {'city': '?'}, status := true)"
    )
    assert [column["name"] for column in answer["columns"]][-2:] == ["_status", "_imputed"]
    assert answer["rows"][0][:4] == [2, 3.0, None, "Bern"] and answer["rows"][1][3] == "?"
    assert answer["rows"][0][-2:] == [{"profile": "present", "recent": "stale"}, []]
    assert answer["rows"][1][-2:] == [{"profile": "missing", "recent": "missing"}, ["city"]]
    (types,) = server.sql("SELECT typeof(age), typeof(since), typeof(sort) FROM ml.online('doors.v', {'customer': 2})")
    assert types["rows"] == [["DECIMAL(21,1)", "DATE", "BIGINT"]]


def test_the_client_reads_online(server: Server, vector: str) -> None:
    with mlbox.connect(server.url, project="doors") as connection:
        found = connection.online("v", {"customer": 1})
        assert found[0]["age"] == 1.5 and found.status == [{"profile": "present", "recent": "present"}]
        found = connection.online("doors.v", [{"customer": 2}, {"customer": 9}], impute={"spent": "$previous"})
        assert [row["spent"] for row in found] == [20.0, None]
        assert found.imputed == [["spent"], []] and len(found) == 2
        assert list(found.to_pandas()["customer"]) == [2, 9]
        with pytest.raises(mlbox.SqlError, match="there is no feature vector doors.nothing"):
            connection.online("nothing", {"customer": 1})


@pytest.mark.parametrize("kind", ["rows", "pandas", "polars", "arrow", "query", "name"])
def test_the_client_reads_as_of(server: Server, vector: str, kind: str, tmp_path: Path) -> None:
    times = [datetime.datetime(2026, 1, 1, hour, tzinfo=datetime.UTC) for hour in (0, 1, 2)]
    rows = [{"customer": 1, "event_time": time, "note": str(number)} for number, time in enumerate(times)]
    time = "TIMESTAMPTZ '2026-01-01 00:00Z' + to_hours(i) AS event_time"
    text = f"SELECT 1 AS customer, {time}, i::VARCHAR AS note FROM range(3) r(i)"
    spine: Any = {
        "rows": rows,
        "pandas": pandas.DataFrame(rows),
        "polars": polars.DataFrame(rows),
        "arrow": pyarrow.Table.from_pylist(rows),
        "query": text,
        "name": "spine_of_three",
    }[kind]
    with mlbox.connect(server.url, project="doors") as connection:
        if kind == "name":
            connection.sql(f"CREATE OR REPLACE TABLE spine_of_three AS {text}")
        found = connection.features("v", spine)
        by_note = {row["note"]: row for row in found.rows()}
        assert [by_note[note]["city"] for note in "012"] == [None, "Bern", "Bern"]
        found.to_parquet(str(tmp_path / "out.parquet"))
        assert pyarrow.parquet.read_table(tmp_path / "out.parquet").num_rows == 3
        assert len(found.to_pandas()) == 3


def test_members_read_what_they_see(tmp_path: Path) -> None:
    with shared_server(tmp_path / "home") as (server, members):
        owner, vera = members["owner"], members["vera"]
        for project in ("open_p", "closed"):
            owner.rows(f"{SETS.format(p=project)}; SELECT 1", project=project)
        body = {"keys": {"customer": 1}}
        status, _, content = vera.request("POST", "/features/open_p.v", body)
        assert status == 200 and json.loads(content)["rows"][0]["city"] == "Bern"
        for path in (
            "closed.v",
            "v",
            "CLOSED.v",
            "closed.nothing",
            "%63losed.v",
            "closed%2Ev",
            "/closed.v",
            "x/../closed.v",
        ):
            status, _, content = vera.request("POST", f"/features/{path}", body)
            assert status in (403, 404) and b"Bern" not in content, path
        assert vera.error("FROM ml.online('closed.v', {'customer': 1})")["code"] in ("forbidden", "not_found")
        assert server.request("POST", "/features/open_p.v", body)[0] == 401
