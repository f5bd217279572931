"""Endpoints that change while they answer, and what stands behind them."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import httpx
import onnx_models
import pytest
from serving_house import DictReader, House, tensors
from waiting import wait_until

from mlbox.base.errors import AlreadyExists, Invalid, MlboxError, NotFound
from mlbox.base.names import Ref
from mlbox.engine.models.commands import DropModel
from mlbox.serve.commands import AlterEndpoint, DropEndpoint, Share

Models = Callable[..., bytes]
ROW = {"x": [1.0], "y": [1.0]}


def _value(reply: httpx.Response) -> float:
    return float(reply.raise_for_status().json()["outputs"][0]["data"][0])


def test_an_alias_moves_under_load_without_a_failed_or_mixed_answer(live: Any, scaled: Models) -> None:
    house = live.house
    for factor in (1.0, 2.0):
        house.model("m", scaled(factor), "x", "y")
    house.alias("m", "champion", 1)
    house.endpoint("e", "m@champion")
    stop = threading.Event()
    answers: list[list[tuple[int, str, float]]] = [[] for _ in range(4)]

    def ask(mine: list[tuple[int, str, float]]) -> None:
        with httpx.Client(base_url=live.server.url, timeout=60) as client:
            while not stop.is_set():
                reply = client.post("/v2/models/e/infer", json={"inputs": tensors(ROW)})
                body = reply.json()
                mine.append((reply.status_code, body.get("model_version", ""), body["outputs"][0]["data"][0]))

    threads = [threading.Thread(target=ask, args=(mine,)) for mine in answers]
    for thread in threads:
        thread.start()
    wait_until(lambda: all(answers))
    for move in range(20):
        wanted = 2 - move % 2
        house.alias("m", "champion", wanted)
        reply = live.rows("e", ROW).json()
        assert reply["model_version"] == str(wanted)  # moved when the statement returns
        wait_until(lambda wanted=wanted: any(mine[-1][1] == str(wanted) for mine in answers))
    stop.set()
    for thread in threads:
        thread.join()
    seen = [answer for mine in answers for answer in mine]
    assert {status for status, _, _ in seen} == {200}
    assert {(version, value) for _, version, value in seen} == {("1", 2.0), ("2", 4.0)}
    rows = house.predictions()
    assert len(rows) == len(seen) + 20
    assert {(row["model_version"], row["prediction"]) for row in rows} == {(1, 2.0), (2, 4.0)}


def test_a_number_and_no_version_are_pinned(live: Any, scaled: Models) -> None:
    house = live.house
    house.model("m", scaled(1.0), "x", "y", alias="champion")
    house.endpoint("pinned", "m")
    house.endpoint("latest", "m@latest")
    house.model("m", scaled(2.0), "x", "y", alias="champion")
    assert (_value(live.rows("pinned", ROW)), _value(live.rows("latest", ROW))) == (2.0, 4.0)
    rows = house.catalog.rows("SELECT name, model, model_version FROM catalog.ml.endpoints ORDER BY name")
    assert rows == [
        {"name": "latest", "model": "m@latest", "model_version": 2},
        {"name": "pinned", "model": "m@1", "model_version": 1},
    ]


def test_alter_suspend_resume_replace_and_drop(live: Any, scaled: Models) -> None:
    house = live.house
    house.model("m", scaled(1.0), "x", "y")
    house.model("m", scaled(2.0), "x", "y")
    house.endpoint("e", "m@1")
    ref = Ref("default", "e")
    with pytest.raises(AlreadyExists):
        house.endpoint("E", "m@2")
    assert house.endpoint("e", "m@2", if_not_exists=True).message.endswith("exists already")
    house.do(AlterEndpoint(ref=ref, shares=(Share(Ref("default", "m", "2")),)))
    assert _value(live.rows("e", ROW)) == 4.0
    house.do(AlterEndpoint(ref=ref, state="suspend"))
    away = live.rows("e", ROW)
    assert away.status_code == 503 and "RESUME" in away.json()["hint"] and away.headers["retry-after"] == "1"
    assert live.http.get("/v2/models/e/ready").status_code == 503
    house.do(AlterEndpoint(ref=ref, state="resume"))
    assert _value(live.rows("e", ROW)) == 4.0
    house.endpoint("E", "m@1", replace=True)
    assert _value(live.rows("e", ROW)) == 2.0
    house.do(DropEndpoint(ref=ref))
    assert live.rows("e", ROW).status_code == 404
    assert house.do(DropEndpoint(ref=ref, if_exists=True)).message == "there is no endpoint default.e"
    with pytest.raises(NotFound):
        house.do(DropEndpoint(ref=ref))
    assert len(house.predictions()) == 4  # the suspended one is recorded too; the log outlives the endpoint


def test_dropping_a_model_with_cascade_drops_its_endpoint(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m")
    live.house.do(DropModel(ref=Ref("default", "m"), cascade=True))
    assert live.rows("e", ROW).status_code == 404
    assert live.house.catalog.rows("SELECT * FROM catalog.ml.endpoints") == []


def test_traffic_is_split_and_the_arm_is_recorded(live: Any, scaled: Models) -> None:
    for factor in (1.0, 2.0):
        live.house.model("m", scaled(factor), "x", "y")
    with pytest.raises(Invalid, match="90 %"):
        live.house.endpoint("ab", "m@1", "m@2", using="traffic", weights=[50, 40])
    live.house.endpoint("ab", "m@1", "m@2", using="traffic", weights=[80, 20])
    for _ in range(400):
        live.rows("ab", ROW)
    rows = live.house.predictions()
    assert {(row["model_version"], row["prediction"]) for row in rows} == {(1, 2.0), (2, 4.0)}
    second = sum(row["model_version"] == 2 for row in rows)
    assert 40 < second < 130  # 80 expected; outside by chance once in a million


@pytest.mark.parametrize(("kind", "expected"), [("mean", 5.0), ("weighted", 3.0), ("vote", 5.0)])
def test_ensembles_of_regressors(live: Any, scaled: Models, kind: str, expected: float) -> None:
    live.house.model("a", scaled(1.0), "x", "y")
    live.house.model("b", scaled(4.0), "x", "y")
    live.house.endpoint("e", "a@1", "b@1", using="ensemble", ensemble=kind, weights=[5.0, 1.0])
    reply = live.rows("e", ROW).json()
    assert [output["data"] for output in reply["outputs"]] == [[expected], [2.0], [8.0]]
    row = live.house.predictions()[0]
    assert row["model"] == "a@1+b@1" and row["model_version"] is None and row["outputs"] == {"a@1": 2.0, "b@1": 8.0}


def test_each_member_is_given_what_it_takes(live: Any) -> None:
    """Members that are fed alike share it; another order, another column or another type of number is another's."""
    single, double = (onnx_models.gemm([[1.0, 10.0]], [0.0], None, element) for element in (1, 11))
    members = {"a": (single, "x", "y"), "b": (single, "y", "x"), "c": (single, "x", "y"), "d": (single, "x", "z")}
    for name, (content, *features) in {**members, "e": (double, "x", "y")}.items():
        live.house.model(name, content, *features)
    live.house.endpoint("all", *"abcde", using="ensemble", ensemble="mean")
    rows = {"x": [2.0, 0.1], "y": [3.0, 0.2], "z": [5.0, 0.3]}
    outputs = {output["name"]: output["data"] for output in live.rows("all", rows).json()["outputs"]}
    expected = {"a": [32.0, 2.1], "b": [23.0, 1.2], "c": [32.0, 2.1], "d": [52.0, 3.1], "e": [32.0, 2.1]}
    for name, values in expected.items():
        assert outputs[f"{name}@1"] == pytest.approx(values)
    assert outputs["e@1"][1] != outputs["a@1"][1]  # one computes in double
    whole = {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [2.0, 3.0]}]}
    live.house.endpoint("two", "a", "b", using="ensemble", ensemble="mean")
    assert live.http.post("/v2/models/two/infer", json=whole).json()["outputs"][0]["data"] == [32.0]


def test_the_vote_of_classifiers_is_the_majority(live: Any) -> None:
    names = []
    for seed in range(3):
        trained = onnx_models.gradient_boosting(False, seed)
        live.house.model(f"m{seed}", trained.onnx, "a", "b", "c", "d")
        names.append(f"m{seed}")
    live.house.endpoint("v", *names, using="ensemble", ensemble="vote")
    rows = {n: [float(v) for v in column] for n, column in zip("abcd", [[-2, 0.3, 2]] * 4, strict=True)}
    outputs = {output["name"]: output["data"] for output in live.rows("v", rows).json()["outputs"]}
    for index, vote in enumerate(outputs["prediction"]):
        members = [outputs[f"{name}@1"][index] >= 0.5 for name in names]
        assert vote == float(sum(members) >= 2)


def test_enrichment_imputation_and_overriding(live: Any, scaled: Models) -> None:
    house = live.house
    reader = DictReader({("JFK",): {"y": 5.0}, ("LGA",): {"y": None}}, ("origin",), ("y",))
    house.readers.known["v"] = reader
    house.model("m", scaled(1.0), "x", "y")
    house.endpoint("plain", "m", enrich=Ref("default", "v"))
    house.endpoint("filled", "m", enrich=Ref("default", "v"), impute={"Y": 100})
    sent = {"origin": ["JFK", "LGA", "EWR"], "x": [1.0, 2.0, 3.0]}
    plain = live.rows("plain", sent).json()
    assert plain["outputs"][0]["data"] == [6.0, None, None]
    assert plain["parameters"] == {"features_missing": ["y"]}
    filled = live.rows("filled", sent, parameters={"event_time": "2013-07-01T06:00:00Z"}).json()
    assert filled["outputs"][0]["data"] == [6.0, 102.0, 103.0] and filled["parameters"] == {"features_missing": ["y"]}
    assert reader.times[0] is None and len(reader.times[1]) == 3
    assert live.rows("plain", {**sent, "y": [0.0, 0.0, 0.0]}).json()["outputs"][0]["data"] == [1.0, 2.0, 3.0]
    lacking = live.rows("plain", {"x": [1.0]}).json()["error"]
    assert "'origin'" in lacking and "origin BYTES, x FP32" in lacking
    row = house.predictions("endpoint = 'plain' AND prediction = 6.0")[0]
    assert row["inputs"] == {"origin": "JFK", "x": 1.0} and row["features"] == {"x": 1.0, "y": 5.0}
    told = live.http.get("/v2/models/plain").json()["inputs"]
    assert told[-1] == {"name": "y", "datatype": "FP32", "shape": [-1], "parameters": {"optional": True}}


@pytest.mark.parametrize(
    ("more", "kind", "says"),
    [
        ({"impute": {"z": 1}}, Invalid, "no feature"),
        ({"impute": {"x": "$mean"}}, Invalid, "no statistics of x"),
        ({"impute": {"x": "$mode"}}, Invalid, r"\$mode"),
        ({"impute": {"x": "big"}}, Invalid, "a number"),
        ({"using": "ensemble", "ensemble": "stack"}, Invalid, "a stack needs the model"),
        ({"options": {"workers": 0}}, Invalid, "workers = 0"),
        ({"options": {"timeout": 5}}, Invalid, "timeout"),
        ({"options": {"timeout_ms": 0}}, Invalid, "positive"),
        ({"log_percent": 101.0}, Invalid, "101"),
        ({"project": "nope"}, NotFound, "project"),
    ],
)
def test_what_cannot_be_served_is_refused_at_once(
    house: House, scaled: Models, more: dict[str, Any], kind: type[MlboxError], says: str
) -> None:
    house.model("m", scaled(1.0), "x", "y")
    with pytest.raises(kind, match=says):
        house.endpoint("e", "m", **more)
    with pytest.raises(NotFound):
        house.endpoint("e", "m@9")
    assert house.catalog.rows("SELECT * FROM catalog.ml.endpoints") == []


def test_a_shadow_is_recorded_and_never_answers(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.model("m", scaled(9.0), "x", "y")
    live.house.endpoint("e", "m@1", shadow=Ref("default", "m", "2"))
    assert _value(live.rows("e", ROW, id="q")) == 2.0
    wait_until(lambda: len(live.house.predictions()) == 2)  # the shadow runs when the caller has his answer
    rows = live.house.predictions()
    assert {(row["shadow"], row["model_version"], row["prediction"]) for row in rows} == {
        (False, 1, 2.0),
        (True, 2, 18.0),
    }
    assert {row["request_id"] for row in rows} == {"q"}
    (view,) = live.house.catalog.rows("SELECT requests, errors FROM catalog.ml.endpoints")
    assert view == {"requests": 1, "errors": 0}


def test_log_percent_and_the_counts_of_the_view(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("none", "m", log_percent=0.0)
    live.house.endpoint("half", "m", log_percent=50.0)
    for _ in range(100):
        live.rows("none", ROW)
        live.rows("half", ROW)
    live.rows("half", {"x": [1.0]})
    rows = live.house.predictions()
    assert {row["endpoint"] for row in rows} == {"half"} and 20 < len(rows) < 80
    views = live.house.catalog.rows(
        "SELECT name, requests, errors, p50_ms > 0 AND p99_ms >= p50_ms AS timed, "
        "last_request IS NOT NULL AS seen, url "
        "FROM catalog.ml.endpoints ORDER BY name"
    )
    assert [(view["name"], view["requests"], view["errors"], view["timed"]) for view in views] == [
        ("half", 101, 1, True),
        ("none", 100, 0, None),
    ]
    assert views[0]["seen"] and views[0]["url"] == "/v2/models/default.half/infer"


def test_a_restart_keeps_endpoints_and_a_normal_stop_writes_everything(
    tmp_path: Path, scaled: Models, serve: Callable[[House], Any]
) -> None:
    from mlbox.base.settings import Settings

    house = House(tmp_path, Settings(log_flush_ms=3_600_000))
    house.model("m", scaled(1.0), "x", "y", alias="champion")
    house.endpoint("e", "m@champion")
    server = serve(house)
    for _ in range(25):
        httpx.post(f"{server.url}/v2/models/e/infer", json={"inputs": tensors(ROW)}, timeout=60).raise_for_status()
    server.stop()
    house.close()
    again = House(tmp_path)
    assert len(again.predictions()) == 25
    reply = httpx.post(f"{serve(again).url}/v2/models/e/infer", json={"inputs": tensors(ROW)}, timeout=60)
    assert _value(reply) == 2.0
    again.close()


def test_a_model_that_fails_is_its_senders_problem_only(live: Any) -> None:
    live.house.model("m", onnx_models.by_column(), "age", "weight", "city")
    live.house.endpoint("e", "m")
    columns = {"age": [None], "weight": [1.0], "city": ["Ulm"]}
    gap = [
        {"name": "age", "shape": [1], "datatype": "FP64", "data": [None]},
        *tensors({"weight": [1.0], "city": ["Ulm"]}),
    ]
    assert "'age' has a missing" in live.infer("e", {"inputs": gap}).json()["error"]
    reply = live.rows("e", {**columns, "age": [2.0]}).json()
    assert {o["name"]: o["data"] for o in reply["outputs"]} == {"prediction": [2.0], "value": [2.0], "place": ["Ulm"]}
    rows = live.house.predictions("status = 'ok'")
    assert rows[0]["features"] == {"age": 2.0, "weight": 1.0}


def test_an_endpoint_that_meets_a_defect_does_not_keep_the_others_from_following(
    live: Any, scaled: Models, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    live.house.model("m", scaled(1.0), "x", "y", alias="best")
    live.house.model("m", scaled(2.0), "x", "y")
    for name in ("e1", "e2", "e3"):
        live.house.endpoint(name, "m@best")
        assert live.rows(name, ROW).json()["outputs"][0]["data"] == [2.0]
    first = live.house.endpoints.directory.slots()[0].row.name
    build = live.house.endpoints._switching._build

    def breaks(row: Any) -> Any:
        if row.name == first:
            raise RuntimeError("/srv/secret of ours")
        return build(row)

    monkeypatch.setattr(live.house.endpoints._switching, "_build", breaks)
    live.house.alias("m", "best", 2)
    found = {name: live.rows(name, ROW).json()["outputs"][0]["data"] for name in ("e1", "e2", "e3")}
    assert found == {name: [2.0] if name == first else [4.0] for name in found}
    told = [event for event in live.house.events if event.kind == "endpoint.failed"]
    assert [event.object for event in told] == [first]
    assert "met a defect" in told[0].data["error"] and "secret" not in told[0].data["error"]
    assert "/srv/secret of ours" in caplog.text
    monkeypatch.undo()
    live.house.alias("m", "best", 1)
    assert live.rows(first, ROW).json()["outputs"][0]["data"] == [2.0]
