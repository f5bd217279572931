"""Callers of other servers get their answers with another address and nothing else: MLflow's clients and serving
payloads, boto3's client of SageMaker, the shapes of KServe's V1 protocol and of TensorFlow Serving."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import botocore
import numpy as np
import onnx_models
import pandas as pd
import pytest
import tensor_models
from examples_of import examples
from hypothesis import given, settings
from hypothesis import strategies as st
from mlflow.deployments import get_deploy_client
from mlflow.models import convert_input_example_to_serving_input
from mlflow.pyfunc.scoring_server.client import ScoringServerClient
from real_server import Server, wait_until

from mlbox.base.errors import Invalid
from mlbox.serve.invocations import decode
from mlbox.serve.needs import Need

BOTH = pd.DataFrame({"x": [1.0, 2.0], "y": [0.5, 2.0]})
DOUBLED = [3.0, 8.0]
"""Twice the sums."""


@pytest.fixture(scope="module", params=[1, 2], ids=["one", "workers"])
def asked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """A model of two numbers, one of a text among its inputs, one of a tensor, and one whose outputs are others."""
    running = Server(tmp_path_factory.mktemp("asked") / "home", "--workers", str(request.param))
    model = running.home.parent / "m.onnx"
    model.write_bytes(onnx_models.scaled(2.0))
    running.sql(
        f"CREATE MODEL m FROM '{model}' INPUT (x DOUBLE, y DOUBLE); CREATE ENDPOINT e USING MODEL m;"
        "CREATE ENDPOINT shaped USING MODEL m POSTPROCESS (prediction + 1 AS more, prediction > 5 AS much)"
    )
    model.write_bytes(onnx_models.by_column())
    running.sql(f"CREATE MODEL texts FROM '{model}' INPUT (age BIGINT, weight DOUBLE, city VARCHAR)")
    running.sql("CREATE ENDPOINT texts USING MODEL texts")
    model.write_bytes(tensor_models.segmenter(2.0))
    running.sql(f"CREATE MODEL images FROM '{model}'; CREATE ENDPOINT images USING MODEL images")
    yield running
    running.stop()


def ask(server: Server, path: str, body: Any, kind: str = "application/json") -> tuple[int, Any]:
    sent = body if isinstance(body, bytes) else json.dumps(body).encode()
    status, _, content = server.request("POST", path, sent, {"Content-Type": kind})
    return status, json.loads(content)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/models/e:predict",
        "/v1/models/default.e:predict",
        "/v1/models/e/versions/1:predict",
        "/v2/models/e/invocations",
        "/v2/models/e/versions/1/invocations",
        "/endpoints/e/invocations",
        "/serving-endpoints/e/invocations",
    ],
)
def test_the_paths_of_other_servers(asked: Server, path: str) -> None:
    assert ask(asked, path, {"instances": [[1, 0.5], [2, 2]]}) == (200, {"predictions": DOUBLED})


@pytest.mark.parametrize(
    "body",
    [
        {"instances": [{"x": 1, "y": 0.5}, {"y": 2, "x": 2}]},
        {"instances": [[1, 0.5], {"x": 2, "y": 2}], "signature_name": "serving_default"},
        {"inputs": {"x": [1, 2], "y": [0.5, 2]}},
        {"inputs": [[1, 0.5], [2, 2]]},
        {"dataframe_records": [{"x": 1, "y": 0.5}, {"x": 2, "y": 2}], "params": {}},
        {"dataframe_split": {"index": [7, 8], "columns": ["y", "x"], "data": [[0.5, 1], [2, 2]]}},
        b"x,y\n1,0.5\n2,2\n",
        b'\xef\xbb\xbf"y","x"\r\n0.5,1e0\r\n2.0,2\r\n',
    ],
)
def test_the_bodies_of_other_servers(asked: Server, body: Any) -> None:
    kind = "text/csv; charset=utf-8" if isinstance(body, bytes) else "application/json"
    assert ask(asked, "/endpoints/e/invocations", body, kind) == (200, {"predictions": DOUBLED})


@pytest.mark.parametrize(
    "example", [BOTH, BOTH.to_numpy(), BOTH.to_dict(orient="records"), BOTH.to_dict(orient="list")]
)
def test_what_mlflow_makes_of_an_example(asked: Server, example: Any) -> None:
    payload = convert_input_example_to_serving_input(example)
    assert ask(asked, "/endpoints/e/invocations", payload.encode()) == (200, {"predictions": DOUBLED})


def test_clients_of_mlflow(asked: Server) -> None:
    host, _, port = asked.url.removeprefix("http://").partition(":")
    scoring = ScoringServerClient(host, f"{port}/endpoints/e")
    assert scoring.invoke(BOTH).get_predictions()[0].tolist() == DOUBLED
    assert scoring.invoke(BOTH.to_numpy()).get_predictions()[0].tolist() == DOUBLED
    found = get_deploy_client(asked.url).predict(endpoint="e", inputs={"dataframe_split": BOTH.to_dict(orient="split")})
    assert found == {"predictions": DOUBLED}
    with pytest.raises(Exception, match="the request has no input 'y'; the endpoint needs: x FP32, y FP32"):
        scoring.invoke(BOTH[["x"]])


def test_the_client_of_sagemaker(asked: Server) -> None:
    client = boto3.client(
        "sagemaker-runtime",
        endpoint_url=asked.url,
        region_name="eu-central-1",
        aws_access_key_id="any",
        aws_secret_access_key="any",
        config=botocore.config.Config(signature_version=botocore.UNSIGNED),
    )
    body = BOTH.to_csv(index=False)
    answer = client.invoke_endpoint(EndpointName="e", ContentType="text/csv", Body=body)
    assert json.loads(answer["Body"].read()) == {"predictions": DOUBLED}


def test_one_tensor_a_row(asked: Server) -> None:
    images = np.arange(2 * 3 * 4 * 4, dtype=np.float32).reshape(2, 3, 4, 4)
    status, told = ask(asked, "/v1/models/images:predict", {"instances": images.tolist()})
    assert status == 200, told
    tensor = {"name": "image", "shape": [2, 3, 4, 4], "datatype": "FP32", "data": images.ravel().tolist()}
    whole = ask(asked, "/v2/models/images/infer", {"inputs": [tensor]})[1]["outputs"]
    assert len(whole) > 1
    for output in whole:
        values = np.array([row[output["name"]] for row in told["predictions"]])
        assert values.shape == tuple(output["shape"]) and values.ravel().tolist() == output["data"]


def test_several_outputs_are_objects(asked: Server) -> None:
    wanted = [{"more": 4.0, "much": False}, {"more": 9.0, "much": True}]
    assert ask(asked, "/v1/models/shaped:predict", {"instances": [[1, 0.5], [2, 2]]}) == (200, {"predictions": wanted})


def test_cells_of_csv_are_what_the_endpoint_takes(asked: Server) -> None:
    """A text that looks like a number stays one, and a cell without a value is one."""
    body = b'age,city,weight\n3,007,1.5\n4,"Bonn, am Rhein",\n'
    status, told = ask(asked, "/endpoints/texts/invocations", body, "text/csv")
    assert status == 200, told
    rows = [{"age": 3, "city": "007", "weight": 1.5}, {"age": 4, "city": "Bonn, am Rhein", "weight": None}]
    assert told == ask(asked, "/endpoints/texts/invocations", {"dataframe_records": rows})[1]
    wait_until(lambda: asked.sql("SELECT count(*) FROM ml.predictions WHERE endpoint = 'texts'")[0]["rows"][0][0] >= 4)
    kept = asked.sql("SELECT inputs.city FROM ml.predictions WHERE endpoint = 'texts'")[0]["rows"]
    assert {json.loads(city) if city[0] == '"' else city for (city,) in kept} == {"007", "Bonn, am Rhein"}


def test_the_id_of_the_caller_is_kept(asked: Server) -> None:
    ask(asked, "/serving-endpoints/e/invocations", {"instances": [[1, 2]], "client_request_id": "mine"})
    wait_until(lambda: asked.sql("SELECT count(*) FROM ml.predictions WHERE request_id = 'mine'")[0]["rows"] == [[1]])


def test_whether_a_model_is_ready(asked: Server) -> None:
    for path in ("/v1/models/e", "/v1/models/e/"):
        status, _, content = asked.request("GET", path)
        assert status == 200 and json.loads(content)["ready"] is True
    assert asked.request("GET", "/v1/models/nobody")[0] == 404
    assert asked.request("GET", "/v1/models")[2] == asked.request("GET", "/v2/models")[2]


@pytest.mark.parametrize(
    ("body", "says"),
    [
        ({}, "the request has no instances"),
        ({"instances": []}, "the request has no rows"),
        ({"instances": [[1, 2]], "inputs": [[1, 2]]}, "the request has instances and inputs"),
        ({"instances": [[1, 2, 3]]}, "instance 0 has 3 values; the endpoint takes 2: x, y"),
        ({"instances": [[1, 2], 3]}, "instance 1 has one value; the endpoint takes 2: x, y"),
        ({"instances": [[1, {"b64": "YQ=="}]]}, "row 0: 'y' is {'b64': 'YQ=='}, which is no number"),
        ({"instances": [{"z": 1}]}, "the request has no input 'x'"),
        ({"instances": {"x": 1}}, "the request is in no form of another server: Expected `array | null`"),
        ({"rows": [{"x": 1, "y": 2}]}, "unknown field `rows`"),
        ({"inputs": {"x": [1, 2], "y": [1]}}, "the columns of inputs have different lengths: x 2, y 1"),
        ({"dataframe_split": {"columns": ["x", "y"], "data": [[1, 2], [3]]}}, "row 1 of dataframe_split has 1 values"),
        ({"dataframe_split": {"columns": ["x", "X"], "data": [[1, 2]]}}, "dataframe_split has a column twice"),
        ({"dataframe_records": [{"x": 1, "y": 2}], "params": {"top_k": 3}}, "params 'top_k' reach no model here"),
        (b"{", "the body is not valid JSON"),
    ],
)
def test_bad_bodies(asked: Server, body: Any, says: str) -> None:
    status, told = ask(asked, "/endpoints/e/invocations", body)
    assert status == 400 and says in told["error"], told


@pytest.mark.parametrize(
    ("body", "says"),
    [
        (b"", "the CSV is empty"),
        (b"x,y\n", "the request has no rows"),
        (b"1,2\n3,4\n", "the request has no input 'x'"),
        (b"x,y\n1,2\n3\n", "row 1 of the CSV has 1 values for 2 columns"),
        (b"x,X\n1,2\n", "the CSV has a column twice"),
        (b'x,y\n"1,2\n', "the body is not valid CSV"),
        (b"x,y\n\xff,2\n", "the body is not valid CSV"),
        (b"x,y\none,2\n", "input 'x' has datatype BYTES, the endpoint takes FP32"),
        (b"x,y\n1_0,2\n", "input 'x' has datatype BYTES"),
    ],
)
def test_bad_csv(asked: Server, body: bytes, says: str) -> None:
    status, told = ask(asked, "/endpoints/e/invocations", body, "text/csv")
    assert status == 400 and says in told["error"], told


def test_values_without_names_are_all_inputs_or_the_required_ones() -> None:
    needs = [Need("customer", "BYTES"), Need("age", "FP64", required=False), Need("spent", "FP64", required=False)]

    def sent(*instances: Any) -> dict[str, Any]:
        columns = decode(json.dumps({"instances": instances}).encode(), b"", needs).columns
        return {name: column.values for name, column in columns.items()}

    assert sent("c") == sent(["c"]) == {"customer": ["c"]}
    assert sent(["c", 1, 2]) == {"customer": ["c"], "age": [1], "spent": [2]}
    for wrong, count in ((["c", 1], "2 values"), ([], "0 values"), (["c", 1, 2, 3], "4 values")):
        with pytest.raises(Invalid, match=f"{count}; the endpoint takes 1: customer, or all 3 with age, spent"):
            sent(wrong)


@pytest.mark.parametrize("number", [-(2**63), 2**63 - 1, -1, 0])
def test_whole_numbers_of_a_csv_stay_what_they_are(number: int) -> None:
    column = decode(f"n,m\n{number},1.5\n".encode(), b"text/csv", []).columns["n"]
    assert column.datatype.name == "INT64" and list(column.values) == [number]


def test_types_that_are_not_taken(asked: Server) -> None:
    for kind in ("application/vnd.apache.arrow.stream", "application/x-parquet"):
        status, told = ask(asked, "/endpoints/e/invocations", b"x", kind)
        assert status == 415, told
    assert ask(asked, "/endpoints/nobody/invocations", {"instances": [[1, 2]]})[0] == 404
    assert asked.request("GET", "/endpoints/e/invocations")[0] == 405


_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=3),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from("xyz"), inner, max_size=3),
    max_leaves=8,
)
_NAMES = st.sampled_from(["instances", "inputs", "dataframe_split", "dataframe_records", "params", "x"])


@settings(max_examples=examples(1000))
@given(body=st.dictionaries(_NAMES, _VALUES, max_size=2))
def test_whatever_is_sent_is_answered_or_refused(asked: Server, body: dict[str, Any]) -> None:
    status, told = ask(asked, "/endpoints/e/invocations", body)
    assert status in (200, 400), told
