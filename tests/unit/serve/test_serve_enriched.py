"""Endpoints over the real feature store."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any

import msgspec
import pytest

from mlbox.base.clock import now
from mlbox.base.command import Query
from mlbox.base.errors import Conflict, Invalid
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import endpoints, monitors
from mlbox.engine.features.commands import (
    Column,
    CreateFeatureSet,
    CreateFeatureVector,
    DropFeatureSet,
    DropFeatureVector,
    FeatureRef,
)
from mlbox.engine.models.commands import DropModel
from mlbox.serve.call import Call
from mlbox.serve.commands import DropEndpoint
from mlbox.serve.deploy.pinning import pinned
from mlbox.serve.directory import Slot

WEATHER = Ref("default", "weather")
ROWS = """
SELECT * FROM (VALUES
    ('JFK', 1, TIMESTAMPTZ '2013-07-01 05:00:00+00', 10.0, 3.0),
    ('JFK', 1, TIMESTAMPTZ '2013-07-01 06:00:00+00', 12.0, NULL),
    ('LGA', 2, TIMESTAMPTZ '2013-07-01 06:00:00+00', 20.0, 5.0),
    ('EWR', 3, TIMESTAMPTZ '2013-07-01 06:00:00+00', 2.0, 'nan'::DOUBLE)
) AS t(origin, runway, seen_at, wind, rain)
"""


def _store(house: Any, rows: str = ROWS, **more: Any) -> None:
    columns = (
        Column("origin", "entity"),
        Column("runway", "entity"),
        Column("seen_at", "timestamp"),
        Column("wind"),
        Column("rain"),
    )
    house.do(CreateFeatureSet(ref=WEATHER, columns=columns, store="both", query=Query(rows), **more))
    house.do(
        CreateFeatureVector(
            ref=Ref("default", "v"),
            features=(FeatureRef(WEATHER, "wind"), FeatureRef(WEATHER, "rain", "wet")),
            replace=True,
        )
    )


def _ask(live: Any, origin: str, runway: int, **parameters: Any) -> tuple[float | None, list[str]]:
    inputs = [
        {"name": "origin", "shape": [1], "datatype": "BYTES", "data": [origin]},
        {"name": "runway", "shape": [1], "datatype": "INT64", "data": [runway]},
    ]
    reply = live.infer("e", {"inputs": inputs, "parameters": parameters}).raise_for_status().json()
    return reply["outputs"][0]["data"][0], reply.get("parameters", {}).get("features_missing", [])


def test_features_come_from_the_online_store(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "wet", features=Ref("default", "v"))
    live.house.endpoint("e", "m", enrich=Ref("default", "v"), impute={"wet": 100})
    assert _ask(live, "LGA", 2) == (25.0, [])
    assert _ask(live, "JFK", 1) == (112.0, ["wet"])  # the newest row counts, and it has a gap
    assert _ask(live, "LGA", 1) == (None, ["wind", "wet"])  # no such key, and nothing is imputed for wind
    told = {entry["name"]: entry["datatype"] for entry in live.http.get("/v2/models/e").json()["inputs"]}
    assert told == {"origin": "BYTES", "runway": "INT32", "wind": "FP32", "wet": "FP32"}
    rows = live.house.predictions("prediction = 25.0")
    assert rows[0]["inputs"] == {"origin": "LGA", "runway": 2} and rows[0]["features"] == {"wind": 20.0, "wet": 5.0}


def test_the_age_of_a_feature_counts_from_the_event_time(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house, ttl=timedelta(hours=2))
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"))
    assert _ask(live, "LGA", 2, event_time="2013-07-01T07:00:00Z") == (25.0, [])
    assert _ask(live, "LGA", 2, event_time="2013-07-01T09:00:00Z") == (None, ["wind", "wet"])
    assert _ask(live, "LGA", 2) == (None, ["wind", "wet"])


def test_a_new_definition_of_the_set_reaches_the_endpoint(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"))
    assert _ask(live, "LGA", 2) == (25.0, [])
    _store(live.house, ROWS.replace("20.0, 5.0", "1.0, 1.0"), replace=True)
    assert _ask(live, "LGA", 2) == (2.0, [])


def test_a_new_definition_builds_no_endpoint_that_nobody_has_asked_since_the_start(
    live: Any, scaled: Callable[..., bytes]
) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"))
    assert _ask(live, "LGA", 2) == (25.0, [])
    assert len(live.house.predictions()) == 1
    directory = live.house.endpoints.directory
    slot = Slot(directory.find("e").row)  # as after a start
    directory.put(slot)
    _store(live.house, ROWS.replace("20.0, 5.0", "1.0, 1.0"), replace=True)
    assert slot.runtime is None and not [event for event in live.house.events if event.kind == "endpoint.switched"]
    assert _ask(live, "LGA", 2) == (2.0, [])


@pytest.mark.parametrize("hours", [None, 2])
def test_a_key_alone_is_answered_the_same_by_the_short_way(
    live: Any, scaled: Callable[..., bytes], hours: int | None
) -> None:
    _store(live.house, **({} if hours is None else {"ttl": timedelta(hours=hours)}))
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"), impute={"wet": 100})
    taken = []
    for origin, runway in [
        ("LGA", 2),
        ("JFK", 1),
        ("EWR", 3),
        ("LGA", 1),
        ("LGA", 2**31),
        ("LGA", 2**40),
        ("", 0),
        ("LGA", None),
    ]:
        inputs = [
            {"name": "Origin", "shape": [1], "datatype": "BYTES", "data": [origin]},
            {"name": "runway", "shape": [1, 1], "datatype": "INT64", "data": [runway]},
        ]
        short, general = live.infer("e", {"inputs": inputs}), live.infer("e", {"inputs": inputs, "parameters": {}})
        assert short.status_code == general.status_code
        told, expected = short.json(), general.json()
        assert {**told, "id": ""} == {**expected, "id": ""}
        runtime = live.house.endpoints.directory.find("e").runtime
        call = Call(live.house.endpoints.directory.find("e"), "e", "predict", 0.0)
        if short.status_code == 200:
            taken.append(runtime.lane.answer(runtime, call, msgspec.json.encode({"inputs": inputs})) is not None)
    assert taken and all(taken)
    rows = live.house.predictions("true")
    assert [row["inputs"] for row in rows[:2]] == [{"Origin": "LGA", "runway": 2}] * 2
    assert rows[0]["features"] == rows[1]["features"]


def test_a_key_of_the_wrong_type_is_a_clear_error(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"))
    inputs = [{"name": n, "shape": [1], "datatype": "BYTES", "data": ["x"]} for n in ("origin", "runway")]
    reply = live.infer("e", {"inputs": inputs})
    assert reply.status_code == 400 and "'runway' has datatype BYTES" in reply.json()["error"]
    inputs[1] = {"name": "runway", "shape": [1], "datatype": "INT64", "data": [2]}
    inputs[0]["data"] = [None]
    assert live.infer("e", {"inputs": inputs}).json()["outputs"][0]["data"] == [None]


def _watch(house: Any) -> None:
    """A monitor w on endpoint e."""
    row = monitors.MonitorRow(
        project="default", name="w", target_kind="endpoint", target_project="default", target="e",
        target_version=None, metrics=["psi"], metric_options="{}", window_seconds=60, every_seconds=None,
        segment_by=[], labels=None, baseline=None, options="{}", definition="", state="active", owner="ann",
        comment=None, created_at=now(), next_run=None,
    )  # fmt: skip
    house.catalog.write(lambda cursor: monitors.put(cursor, row))


@pytest.mark.parametrize(
    "command",
    [DropFeatureVector(ref=Ref("default", "V")), DropFeatureSet(ref=WEATHER), DropModel(ref=Ref("default", "m"))],
)
def test_what_an_endpoint_stands_on_goes_with_it_or_not_at_all(
    live: Any, scaled: Callable[..., bytes], command: Any
) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"))
    _watch(live.house)
    with pytest.raises(Conflict, match=r"used by endpoint default\.e|read by feature vector v"):
        live.house.do(command)
    assert _ask(live, "LGA", 2) == (25.0, [])
    assert live.house.do(replace(command, cascade=True)).message.endswith("and 1 endpoint and 1 monitor")
    left = "SELECT name FROM catalog.ml.endpoints UNION ALL SELECT name FROM catalog.ml.monitors"
    assert live.house.catalog.rows(left) == []
    assert live.infer("e", {"inputs": []}).json()["error"].startswith("there is no endpoint")
    told = [event.kind for event in live.house.events]
    assert {"monitor.dropped", "endpoint.dropped"} <= set(told)


def test_a_watched_endpoint_is_dropped_with_its_monitor_or_not_at_all(house: Any, scaled: Callable[..., bytes]) -> None:
    house.model("m", scaled(1.0), "wind", "wet")
    house.endpoint("e", "m")
    _watch(house)
    with pytest.raises(Conflict, match=r"endpoint default\.E is watched by monitor default\.w"):
        house.do(DropEndpoint(ref=Ref("default", "E")))
    done = house.do(DropEndpoint(ref=Ref("default", "e"), cascade=True))
    assert done.message == "dropped endpoint default.e and 1 monitor"
    assert house.catalog.rows("SELECT * FROM catalog.ml.monitors") == []


def test_a_misspelt_input_is_matched_with_what_is_missing(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"))
    inputs = [
        {"name": "orgin", "shape": [1], "datatype": "BYTES", "data": ["LGA"]},
        {"name": "runway", "shape": [1], "datatype": "INT64", "data": [2]},
    ]
    told = live.infer("e", {"inputs": inputs}).json()
    assert told["error"].startswith("the request has no input 'origin'")
    assert told["hint"] == "input origin is missing; did you mean it by orgin?"
    assert "hint" not in live.infer("e", {"inputs": inputs[1:]}).json()


def test_all_inputs_that_are_missing_are_named_at_once(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "slope")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"))
    strange = {"name": "other", "shape": [1], "datatype": "FP64", "data": [1.0]}
    told = live.infer("e", {"inputs": [strange]}).json()["error"]
    assert told.startswith("the request has no input 'origin', 'runway', 'slope'; the endpoint needs:")


@pytest.mark.parametrize(
    ("policy", "unknown"),
    [
        ({"*": "$mean"}, 11.0 + 4.0),
        ({"*": "$median"}, 11.0 + 4.0),
        ({"wind": "$min", "*": "$max"}, 2.0 + 5.0),
        ({"WIND": 7, "wet": "$mean"}, 7.0 + 4.0),
        ({"wind": 1, "wet": "$most_frequent"}, 1.0 + 5.0),
    ],
)
def test_what_stands_for_a_gap_comes_from_the_sets_where_the_model_has_no_statistics(
    live: Any, scaled: Callable[..., bytes], policy: dict[str, Any], unknown: float
) -> None:
    rows = ROWS.replace("12.0, NULL", "12.0, 5.0").replace("'nan'::DOUBLE", "NULL") if "wet" in policy else ROWS
    _store(live.house, rows, ttl=timedelta(hours=2))
    live.house.model("m", scaled(1.0), "wind", "wet")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"), impute=policy)
    assert _ask(live, "LGA", 2, event_time="2013-07-01T07:00:00Z") == (25.0, [])  # nothing is missing
    if policy.get("wet") == "$mean":
        unknown = 7.0 + 13.0 / 3
    assert _ask(live, "nowhere", 2)[0] == pytest.approx(unknown)
    assert _ask(live, "LGA", 2) == (pytest.approx(unknown), ["wind", "wet"])  # too old
    with live.house.catalog.read() as cursor:
        row = endpoints.get(cursor, "default", "e")
    assert row is not None
    plain, _ = pinned(row, live.house.endpoints.shop)  # what workers and replicas are given
    assert not any(isinstance(value, str) for name, value in plain.impute.items() if name != "*")


def test_a_statistic_for_all_others_is_not_asked_of_what_callers_send(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house, ttl=timedelta(hours=2))
    live.house.model("m", scaled(1.0), "wind", "sent")
    live.house.endpoint("e", "m", enrich=Ref("default", "v"), impute={"*": "$min"})
    body = {"rows": [{"origin": "nowhere", "runway": 2, "sent": 5}]}
    answer = live.http.post("/v2/models/e/infer", json=body).json()
    assert (answer["rows"][0]["prediction"], answer["parameters"]) == (7.0, {"features_missing": ["wind"]})
    with pytest.raises(Invalid, match="no statistics of sent"):
        live.house.endpoint("no", "m", enrich=Ref("default", "v"), impute={"sent": "$min"})


def test_an_endpoint_takes_no_value_that_is_too_old(live: Any, scaled: Callable[..., bytes]) -> None:
    _store(live.house)
    live.house.model("m", scaled(1.0), "wind", "wet")
    with pytest.raises(Invalid, match="older than their TTL") as refused:
        live.house.endpoint("e", "m", enrich=Ref("default", "v"), impute={"wind": "$previous"})
    assert "ml.online" in str(refused.value.hint)
