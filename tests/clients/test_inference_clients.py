"""KServe's and MLServer's Python clients against a real server; each has an environment of its own."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_models
import pytest
import tensor_models
from foreign_clients import python_of, why_not
from real_server import Server, wait_until

pytestmark = pytest.mark.timeout(900)
MISSING = "the request has no input 'y'; the endpoint needs: x FP32, y FP32"


def _tensors(**columns: list[float]) -> dict[str, Any]:
    return {
        "inputs": [
            {"name": name, "shape": [len(values)], "datatype": "FP64", "data": values}
            for name, values in columns.items()
        ]
    }


@pytest.fixture(scope="module")
def asked(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    running = Server(tmp_path_factory.mktemp("asked") / "home")
    model = running.home.parent / "m.onnx"
    model.write_bytes(onnx_models.scaled(2.0))
    running.sql(f"CREATE MODEL m FROM '{model}' INPUT (x DOUBLE, y DOUBLE); CREATE ENDPOINT e USING MODEL m")
    model.write_bytes(tensor_models.segmenter(2.0))
    running.sql(f"CREATE MODEL images FROM '{model}'; CREATE ENDPOINT images USING MODEL images")
    yield running
    running.stop()


def _run(client: str, server: Server) -> dict[str, Any]:
    reason = why_not(client)
    if reason:
        pytest.skip(reason)
    script = Path(__file__).with_name(f"{client}_script.py")
    done = subprocess.run([python_of(client), script, server.url], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def test_kserve(asked: Server) -> None:
    told = _run("kserve", asked)
    assert [told[name] for name in ("live", "ready", "model", "nobody")] == [True, True, True, False]
    assert len(told["widths"]) == 23 and set(map(tuple, told["widths"].values())) == {(0.0, 4.0, 4.0)}
    assert (told["id"], told["name"]) == ("k", "e")
    assert told["outputs"] == {"prediction": [0.0, 4.0, 4.0], "value": [0.0, 4.0, 4.0]}
    assert told["images"] == [[[2, 3, 4, 4], True]] * 2
    assert (told["v1"], told["v1_ready"]) == ({"predictions": [0.0, 4.0]}, True)
    assert told["misshapen"] == [400, "input 'image' has shape [1, 3, 2, 8], the model takes [-1, 3, 4, 4]"]
    assert told["missing"] == [400, MISSING]
    assert told["unknown"] == [404, "there is no endpoint 'nobody'"]
    carriers = "SELECT inputs.carrier FROM ml.predictions WHERE endpoint = 'e'"
    wait_until(lambda: {row[0] for row in asked.sql(carriers)[0]["rows"]} >= {"AA", "ü"})


def test_mlserver(asked: Server) -> None:
    told = _run("mlserver", asked)
    assert (told["server"], told["model"]) == (["binary_tensor_data", "generate"], ["x", "y"])
    assert told["frame"] == {"prediction": [8.0, 12.0], "value": [8.0, 12.0]}
    assert told["bytes"] == told["columns"] == [8.0, 12.0] and told["matrix"] == [6.0, 14.0]
    assert told["images"] == [[-1, 3, 4, 4], [2, 3, 4, 4], True]
    assert (told["id"], told["version"]) == ("m", "1")
    assert told["missing"] == [400, MISSING]


@pytest.mark.parametrize("more", [(), ("--batch-size", "2", "--binary-data")], ids=["alone", "batched"])
def test_mlserver_infer(asked: Server, tmp_path: Path, more: tuple[str, ...]) -> None:
    """Its command line: a file of requests, each with its own answer or error."""
    reason = why_not("mlserver")
    if reason:
        pytest.skip(reason)
    requests = [_tensors(x=[1.0], y=[2.0]), _tensors(x=[1.0, 2.0], y=[2.0, 5.5]), _tensors(x=[1.0])]
    (tmp_path / "in").write_text("".join(json.dumps(request) + "\n" for request in requests))
    command = [str(python_of("mlserver").with_name("mlserver")), "infer", "--url", asked.url.removeprefix("http://")]
    files = ["-i", str(tmp_path / "in"), "-o", str(tmp_path / "out"), "--retries", "1"]
    done = subprocess.run([*command, "-m", "e", *files, *more], capture_output=True, text=True, timeout=300)
    assert done.returncode == 0, done.stderr
    answers = {}
    for line in (tmp_path / "out").read_text().splitlines():
        answer = json.loads(line)
        answers[answer["parameters"]["batch_index"]] = answer
    assert [answers[index]["outputs"][0]["data"] for index in (0, 1)] == [[6.0], [6.0, 15.0]]
    assert MISSING in answers[2]["error"]["msg"]
