"""PREPROCESS and POSTPROCESS behind a real server."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from serving_house import DictReader

from mlbox.base.command import Query
from mlbox.base.errors import StatementError
from mlbox.base.names import Ref

Models = Callable[..., bytes]


def test_features_are_computed_and_outputs_shaped(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "euros", "hour")
    live.house.endpoint(
        "e",
        "m",
        preprocess=Query("cents / 100 AS euros, extract(hour FROM stamp::TIMESTAMP) AS hour"),
        postprocess=Query("prediction * 10 AS score, CASE WHEN prediction > 5 THEN 'high' ELSE 'low' END AS level"),
    )
    told = live.http.get("/v2/models/e").json()
    assert {one["name"]: one["datatype"] for one in told["inputs"]} == {"cents": "FP64", "stamp": "BYTES"}
    assert [(one["name"], one["datatype"]) for one in told["outputs"]] == [("score", "FP64"), ("level", "BYTES")]
    rows = {"cents": [150.0, 400.0], "stamp": ["2024-05-01T03:00:00", "2024-05-01 20:30:00"]}
    reply = live.rows("e", rows, id="r").json()
    assert {one["name"]: one["data"] for one in reply["outputs"]} == {"score": [45.0, 240.0], "level": ["low", "high"]}
    logged = live.house.predictions("request_id = 'r'")
    assert logged[0]["prediction"] == 4.5 and logged[0]["features"] == {"euros": 1.5, "hour": 3.0}
    assert logged[1]["outputs"] == {"score": 240.0, "level": "high"}
    assert logged[0]["inputs"] == {"cents": 150.0, "stamp": "2024-05-01T03:00:00"}
    wrong = live.rows("e", {"cents": [1.0], "stamp": ["yesterday"]})
    assert wrong.status_code == 400 and "'yesterday' is no TIMESTAMP" in wrong.json()["error"]
    assert wrong.json()["error"].endswith(", in 'hour'")
    typed = live.rows("e", {"cents": ["1.5"], "stamp": ["2024-05-01"]}).json()
    assert typed["error"] == "a number is needed where there is VARCHAR, in 'euros'"
    assert typed["hint"] == "cents came as text"
    missing = live.rows("e", {"cents": [1.0]})
    assert missing.status_code == 400 and "'stamp'" in missing.json()["error"]
    gap = live.rows("e", {"cents": [None], "stamp": ["2024-05-01"]})
    assert gap.json()["parameters"] == {"features_missing": ["euros"]}


def test_stored_features_and_computed_keys_go_together(live: Any, scaled: Models) -> None:
    reader = DictReader({(7,): {"mean": 10.0, "other": 1.0}}, ["id"], ["mean", "other"], entity_types={"id": "BIGINT"})
    live.house.readers.known["v"] = reader
    live.house.model("m", scaled(1.0), "ratio", "other")
    live.house.endpoint(
        "e",
        "m",
        enrich=Ref("default", "v"),
        preprocess=Query("account // 100 AS id, amount / mean AS ratio"),
    )
    body = [
        {"name": "account", "shape": [1], "datatype": "INT64", "data": [742]},
        {"name": "amount", "shape": [1], "datatype": "FP64", "data": [30.0]},
    ]
    reply = live.infer("e", {"inputs": body}).json()
    assert reply["outputs"][0]["data"] == [4.0]  # 30 / 10 + 1
    rows = {"rows": [{"account": 742, "amount": 30}]}  # a whole number stays one, however it is sent
    assert live.infer("e", rows).json()["rows"][0]["prediction"] == 4.0
    assert live.http.post("/v2/models/e/event", json=rows["rows"][0]).json()["prediction"] == 4.0


@pytest.mark.parametrize(
    ("expression", "datatype", "texts"),
    [
        ("prediction > 1 AS it", "BOOL", set()),
        ("CASE WHEN prediction > 1 THEN 1 ELSE 0 END AS it", "INT64", set()),
        ("CASE WHEN prediction > 1 THEN 1 ELSE 0.5 END AS it", "FP64", set()),
        ("CASE WHEN prediction > 1 THEN 1 ELSE prediction END AS it", "FP64", set()),
        ("coalesce(upper(word), 'none') AS it", "BYTES", {"word"}),
        ("CASE word WHEN 'a' THEN 1 ELSE 0 END AS it", "INT64", {"word"}),
        ("word IN ('a', 'b') AND length(note) > 1 AS it", "BOOL", {"word", "note"}),
        ("prediction::VARCHAR || '!' AS it", "BYTES", set()),
        ("length(word) AS it", "INT64", {"word"}),
        ("extract(hour FROM '2026-11-26 18:00:00'::TIMESTAMP) AS it", "INT64", set()),
        ("dow('2026-11-26'::TIMESTAMP) AS it", "INT64", set()),
        ("sign(prediction) AS it", "INT64", set()),
    ],
)
def test_what_it_gives_and_takes_is_told_as_it_comes(
    live: Any, scaled: Models, expression: str, datatype: str, texts: set[str]
) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    prepared = Query(", ".join(["x + y AS total", *(f"upper({name}) AS big_{name}" for name in sorted(texts))]))
    live.house.endpoint("e", "m", preprocess=prepared, postprocess=Query(expression))
    told = live.http.get("/v2/models/e").json()
    assert {one["name"] for one in told["inputs"] if one["datatype"] == "BYTES"} == texts
    row = {"x": 1.5, "y": 2, **dict.fromkeys(texts, "ab")}
    inputs = [
        {"name": name, "shape": [1], "datatype": "BYTES" if name in texts else "FP64", "data": [value]}
        for name, value in row.items()
    ]
    (output,) = live.infer("e", {"inputs": inputs}).json()["outputs"]
    assert output["datatype"] == told["outputs"][0]["datatype"] == datatype


def test_a_prediction_may_be_replaced(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", postprocess=Query("least(prediction, 3) AS prediction"))
    assert live.rows("e", {"x": [5.0], "y": [1.0]}, id="c").json()["outputs"][0]["data"] == [3.0]
    assert live.house.predictions("request_id = 'c'")[0]["prediction"] == 3.0


def test_what_is_not_understood_is_refused_when_it_is_made(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    with pytest.raises(StatementError, match="sum is not computed for requests"):
        live.house.endpoint("e", "m", preprocess=Query("sum(x) AS x"))
    assert live.http.get("/v2/models/e").status_code == 404
