"""Inference over HTTP against a running server."""

from __future__ import annotations

import gzip
import json
import socket
import time
from collections.abc import Callable
from http.client import HTTPResponse
from itertools import pairwise
from typing import Any
from urllib.parse import urlsplit

import numpy as np
import onnx_models
import pytest

Models = Callable[..., bytes]


def test_columns_matrix_and_the_record_of_both(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(2.0), "x", "y")
    live.house.endpoint("score", "m")
    reply = live.rows("score", {"x": [1.0, 2.0], "Y": [0.5, None]}, id="r1").json()
    assert reply["model_name"] == "score" and reply["model_version"] == "1" and reply["id"] == "r1"
    assert reply["outputs"][0] == {"name": "prediction", "datatype": "FP64", "shape": [2], "data": [3.0, None]}
    assert reply["outputs"][1]["name"] == "value" and reply["outputs"][1]["datatype"] == "FP32"
    assert reply["parameters"] == {"features_missing": ["y"]}
    nested = {"name": "X", "shape": [2, 2], "datatype": "FP32", "data": [[1, 2], [3, 4]]}
    assert live.infer("default.score", {"inputs": [nested]}).json()["outputs"][0]["data"] == [6.0, 14.0]
    rows = live.house.predictions()
    first = rows[0]
    assert [row["row_id"] for row in rows[:2]] == ["r1/0", "r1/1"]
    assert first["inputs"] == {"x": 1.0, "Y": 0.5} and first["features"] == {"x": 1.0, "y": 0.5}
    assert rows[1]["features"] == {"x": 2.0, "y": None} and rows[1]["prediction"] is None
    assert first["model"] == "m" and first["model_version"] == 1 and first["status"] == "ok"
    assert first["outputs"] == {"value": 3.0} and first["event_time"] == first["predicted_at"]
    assert [row["prediction"] for row in rows[2:]] == [6.0, 14.0] and rows[2]["inputs"] is None


def test_a_classifier_gives_label_and_probabilities_as_scikit_learn_does(live: Any) -> None:
    trained = onnx_models.gradient_boosting(zipmap=True)
    live.house.model("late", trained.onnx, "a", "b", "c", "d")
    live.house.endpoint("late", "late")
    some = trained.rows[:300]
    columns = {n: [None if np.isnan(v) else float(v) for v in some[:, i]] for i, n in enumerate("abcd")}
    reply = live.rows("late", columns).json()  # more rows than go inline: a thread answers
    expected = trained.model.predict_proba(some)
    by_name = {output["name"]: output for output in reply["outputs"]}
    assert np.abs(np.array(by_name["prediction"]["data"]) - expected[:, 1]).max() < 1e-5
    assert by_name["output_label"]["datatype"] == "INT64" and by_name["output_probability"]["shape"] == [300, 2]
    assert by_name["output_label"]["data"] == trained.model.predict(some).tolist()
    row = live.house.predictions()[0]
    assert len(row["outputs"]["output_probability"]) == 2


def test_event_times_and_row_ids(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m")
    parameters = {"event_time": ["2013-07-01T06:00:00Z", "2013-07-01T09:00:00+02:00"], "row_ids": ["f1", 2]}
    live.rows("e", {"x": [1.0, 2.0], "y": [1.0, 2.0]}, parameters=parameters).raise_for_status()
    rows = live.house.predictions()
    assert [row["row_id"] for row in rows] == ["2", "f1"] or [row["row_id"] for row in rows] == ["f1", "2"]
    times = {row["row_id"]: row["event_time"].isoformat() for row in rows}
    assert times == {"f1": "2013-07-01T06:00:00+00:00", "2": "2013-07-01T07:00:00+00:00"}
    for wrong in ({"event_time": "soon"}, {"event_time": ["2013-07-01"]}, {"row_ids": ["a"]}):
        assert live.rows("e", {"x": [1.0, 2.0], "y": [1.0, 2.0]}, parameters=wrong).status_code == 400


def test_selected_outputs_gzip_and_versions_in_the_path(live: Any, scaled: Models) -> None:
    import json

    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m")
    body = {
        "inputs": [{"name": n, "shape": [1, 1], "datatype": "INT32", "data": [[3]]} for n in "xy"],
        "outputs": [{"name": "value"}],
    }
    packed = gzip.compress(json.dumps(body).encode())
    reply = live.infer("e", packed, headers={"content-encoding": "gzip"}).json()
    assert reply["outputs"] == [{"name": "value", "datatype": "FP32", "shape": [1], "data": [6.0]}]
    assert live.http.post("/v2/models/e/versions/1/infer", json=body).status_code == 200
    assert live.http.post("/v2/models/e/versions/7/infer", json=body).status_code == 404
    assert live.infer("e", {**body, "outputs": [{"name": "valeu"}]}).json()["hint"] == "outputs: prediction, value"


def test_what_the_server_tells_about_itself(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m")
    assert live.http.get("/v2").json()["extensions"] == ["binary_tensor_data", "generate"]
    assert live.http.get("/v2/health/live").status_code == 200
    assert live.http.get("/v2/models/e/ready").json() == {"name": "default.e", "ready": True}
    told = live.http.get("/v2/models/default.e").json()
    assert told["inputs"] == [{"name": n, "datatype": "FP32", "shape": [-1]} for n in "xy"]
    assert [output["name"] for output in told["outputs"]] == ["prediction", "value"]


@pytest.mark.parametrize(
    ("inputs", "says"),
    [
        ([{"name": "x", "shape": [1], "datatype": "FP64", "data": [1]}], "'y'; the endpoint needs: x FP32, y FP32"),
        ([{"name": "x", "shape": [2], "datatype": "FP64", "data": [1]}], "1 values, its shape [2] needs 2"),
        ([{"name": "x", "shape": [1], "datatype": "FP6", "data": [1]}], "unknown datatype"),
        ([{"name": "x", "shape": [1], "datatype": "INT8", "data": [200]}], "200 does not fit in INT8"),
        ([{"name": "x", "shape": [1], "datatype": "INT64", "data": [1.5]}], "1.5 is not INT64"),
        ([{"name": "x", "shape": [1], "datatype": "FP64", "data": ["a"]}], "'a' is not FP64"),
        ([{"name": "x", "shape": [1], "datatype": "BOOL", "data": [1]}], "1 is not BOOL"),
        ([{"name": "x", "shape": [0], "datatype": "FP64", "data": []}], "holds nothing"),
        ([{"name": "x", "shape": [-1], "datatype": "FP64", "data": [1]}], "holds nothing"),
        (
            [{"name": n, "shape": [1, 1, 1], "datatype": "FP64", "data": [1]} for n in "xy"],
            "a feature is [n] or [n, 1]",
        ),
        ([{"name": "x", "shape": [1], "datatype": "FP64"}], "neither data"),
        ([{"name": "X", "shape": [1, 3], "datatype": "FP64", "data": [1, 2, 3]}], "3 columns"),
        ([{"name": "x", "shape": [2], "datatype": "FP64", "data": [[1], [2, 3]]}], "row 1"),
        (
            [{"name": "y", "shape": [1], "datatype": "FP64", "data": [10**400]}],
            "'y': a whole number has more digits than fit",
        ),
        (
            [{"name": n, "shape": [1], "datatype": "FP64", "data": [10**400]} for n in "xy"],
            "'x': a whole number has more",
        ),
        ([], "no inputs"),
    ],
)
def test_a_bad_request_names_its_tensor_and_is_recorded(live: Any, scaled: Models, inputs: Any, says: str) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m")
    reply = live.infer("e", {"inputs": inputs})
    assert reply.status_code == 400 and says in reply.json()["error"] and reply.json()["code"] == "invalid"
    row = live.house.predictions()[0]
    assert row["status"] == "error" and says in row["error"] and row["features"] is None
    good = live.rows("e", {"x": [1.0], "y": [1.0]})
    assert good.json()["outputs"][0]["data"] == [2.0]


def test_text_for_a_number_and_lengths_that_differ(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m")
    assert "datatype BYTES" in live.rows("e", {"x": ["a"], "y": [1.0]}).json()["error"]
    assert "'y' has 1 rows" in live.rows("e", {"x": [1.0, 2.0], "y": [1.0]}).json()["error"]
    twice = live.infer("e", {"inputs": [*({"name": n, "shape": [1], "datatype": "FP64", "data": [1]} for n in "xX")]})
    assert "given twice" in twice.json()["error"]


def test_paths_methods_json_and_size(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("score", "m")
    missing = live.infer("scroe", {"inputs": []})
    assert missing.status_code == 404 and "score" in missing.json()["hint"]
    assert live.infer("score", b"{]").status_code == 400
    assert live.infer("score", b"").status_code == 400
    assert live.infer("score", b'{"inputs": 3}').status_code == 400
    assert live.infer("score", b"\xff\xfe").status_code == 400
    wrong = live.http.get("/v2/models/score/infer")
    assert wrong.status_code == 405 and wrong.headers["allow"] == "POST"
    assert live.http.delete("/v2/models/score").status_code == 405
    assert live.http.get("/v2/nothing").status_code == 404
    large = live.http.post("/v2/models/score/infer", content=b" " * (65 << 20))
    assert large.status_code == 413


def test_a_time_limit_is_an_answer_too(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("e", "m", options={"timeout_ms": 0.001})
    rows = {"x": [1.0] * 200_000, "y": [2.0] * 200_000}
    late = live.rows("e", rows)
    assert late.status_code == 503 and late.headers["retry-after"] == "1" and "time limit" in late.json()["error"]
    assert live.rows("e", {"x": [1.0], "y": [2.0]}).status_code == 503  # it was over before the body was read
    assert live.house.predictions()[0]["status"] == "error"


def test_a_bare_name_in_two_projects_is_ambiguous(live: Any, scaled: Models) -> None:
    from mlbox.base.clock import now
    from mlbox.engine.catalog.tables import projects

    live.house.catalog.write(lambda c: projects.upsert(c, projects.ProjectRow("fraud", None, None, now())))
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.endpoint("score", "m")
    live.house.endpoint("score", "m", project="fraud")
    both = live.rows("score", {"x": [1.0], "y": [1.0]})
    assert both.status_code == 409 and "default.score, fraud.score" in both.json()["hint"]
    assert live.rows("fraud.score", {"x": [1.0], "y": [1.0]}).status_code == 200


def test_the_real_triton_client_with_binary_tensors(live: Any, scaled: Models) -> None:
    import tritonclient.http as triton

    live.house.model("m", scaled(3.0), "x", "y")
    live.house.endpoint("e", "m")
    client = triton.InferenceServerClient(live.server.url.removeprefix("http://"))
    assert client.is_server_live() and client.is_server_ready() and client.is_model_ready("e")
    assert client.get_model_metadata("e")["platform"] == "onnx"
    values = np.arange(6, dtype=np.float32)
    inputs = []
    for name in ("x", "y"):
        inputs.append(triton.InferInput(name, [6], "FP32"))
        inputs[-1].set_data_from_numpy(values)
    extra = triton.InferInput("carrier", [6], "BYTES")
    extra.set_data_from_numpy(np.array(["AA", "ü", "", "UA", "DL", "B6"], dtype=object))
    result = client.infer("e", [*inputs, extra], request_id="q7", parameters={"row_ids": list("abcdef")})
    assert result.as_numpy("prediction").tolist() == (6 * values).tolist()
    assert result.get_response()["id"] == "q7"
    wanted = [triton.InferRequestedOutput("prediction", binary_data=False)]
    for packed in (None, "gzip", "deflate"):
        result = client.infer("e", inputs, outputs=wanted, request_compression_algorithm=packed)
        assert result.as_numpy("prediction").tolist() == (6 * values).tolist()
    with pytest.raises(triton.InferenceServerException, match="the endpoint needs"):
        client.infer("e", inputs[:1])
    rows = live.house.predictions("status = 'ok' AND row_id = 'b'")
    assert rows[0]["inputs"] == {"x": 1.0, "y": 1.0, "carrier": "ü"}


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("cuts", [(), (1,), (20, 40)])
def test_a_body_comes_in_pieces_on_a_kept_connection(live: Any, scaled: Models, chunked: bool, cuts: Any) -> None:
    live.house.model("m", scaled(1.0), "a", "b")
    live.house.endpoint("e", "m")
    tensor = {"name": "X", "shape": [1, 2], "datatype": "FP32", "data": [1.5, 2.5]}
    body = json.dumps({"inputs": [tensor]}).encode()
    url = urlsplit(live.server.url)
    length = "Transfer-Encoding: chunked" if chunked else f"Content-Length: {len(body)}"
    head = f"POST /v2/models/e/infer HTTP/1.1\r\nHost: {url.netloc}\r\n{length}\r\n\r\n".encode()
    pieces = [body[begin:end] for begin, end in pairwise((0, *cuts, len(body)))]
    with socket.create_connection((url.hostname, url.port), timeout=30) as connection:
        for _ in range(3):
            connection.sendall(head)
            for piece in pieces:
                time.sleep(0.02)
                connection.sendall(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            if chunked:
                connection.sendall(b"0\r\n\r\n")
            with HTTPResponse(connection, method="POST") as answer:
                answer.begin()
                assert json.loads(answer.read())["outputs"][0]["data"] == [4.0]
