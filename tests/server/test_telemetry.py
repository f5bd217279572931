"""Requests that can be followed: ids, log lines, traces at a collector; and pages of other origins."""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx_models
import pytest
from otlp_collector import Collector, lines_of
from real_server import Server, wait_until

PAGE = "https://app.example.com"
ROWS = {"rows": [{"f0": 1.0, "f1": 2.0}]}
CODE = """
import mlbox

def score(x):
    asked = mlbox.request_headers()
    return {"prediction": float(x), "parent": asked.get("traceparent", ""), "request": asked.get("x-request-id", "")}
"""
GRAPH = """
steps:
  - {name: half, kind: map, set: {y: x / 2}}
  - {name: elsewhere, kind: remote, url: URL/others}
"""
PREPARE = """
CREATE FEATURE SET customers (ENTITY customer, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT 7 AS customer, TIMESTAMPTZ '2026-01-01' AS ts, 10.0 AS f0;
CREATE FEATURE VECTOR v AS FEATURES (customers.f0);
CREATE MODEL m FROM 'FOLDER/m.onnx';
CREATE ENDPOINT e USING MODEL m PATH '/here';
CREATE ENDPOINT rich USING MODEL m ENRICH WITH FEATURE VECTOR v;
CREATE ENDPOINT g USING GRAPH 'FOLDER/graph.yaml';
CREATE FUNCTION f FROM 'FOLDER/code.py' HANDLER score;
CREATE ENDPOINT p USING FUNCTION f;
"""


@pytest.fixture(scope="module")
def collector() -> Iterator[Collector]:
    made = Collector()
    yield made
    made.close()


@pytest.fixture(scope="module")
def followed(tmp_path_factory: pytest.TempPathFactory, collector: Collector) -> Iterator[Server]:
    """A server with two workers that tells everything; endpoints e, rich (enriched), g (a graph) and p (Python)."""
    folder = tmp_path_factory.mktemp("followed")
    (folder / "m.onnx").write_bytes(onnx_models.scaled(1.0))
    (folder / "graph.yaml").write_text(GRAPH.replace("URL", collector.url))
    (folder / "code.py").write_text(CODE)
    environment = {
        "MLBOX_TRACE_URL": collector.url,
        "MLBOX_LOG_FORMAT": "json",
        "MLBOX_LOG_REQUESTS": "all",
        "MLBOX_CORS_ORIGINS": f"{PAGE}, https://other.example.com",
        "MLBOX_WORKERS": "2",
    }
    running = Server(folder / "home", environment=environment)
    running.sql(PREPARE.replace("FOLDER", str(folder)))
    yield running
    running.stop()


def log_of(server: Server, identity: str) -> list[dict[str, Any]]:
    """Lines of the log that belong to a request."""
    lines = lines_of((server.home / "logs" / "server.log").read_text())
    return [line for line in lines if line.get("request_id") == identity]


def post(server: Server, path: str, body: Any, **headers: str) -> tuple[int, dict[str, str], Any]:
    status, told, content = server.request(
        "POST", path, body, {name.replace("_", "-"): value for name, value in headers.items()}
    )
    return status, {name.lower(): value for name, value in told.items()}, json.loads(content)


# -- ids --------------------------------------------------------------------------------------------------------------


def test_the_id_of_a_request_is_everywhere_the_same(followed: Server) -> None:
    status, headers, body = post(followed, "/v2/models/e/infer", ROWS, x_request_id="order-4711")
    assert (status, headers["x-request-id"], body["id"]) == (200, "order-4711", "order-4711")
    query = "SELECT count(*) FROM ml.predictions WHERE request_id = 'order-4711'"
    wait_until(lambda: followed.sql(query)[-1]["rows"] == [[1]])
    wait_until(lambda: len(log_of(followed, "order-4711")) == 1)
    (line,) = log_of(followed, "order-4711")
    told = {name: line[name] for name in ("level", "logger", "method", "path", "status")}
    assert told == {
        "level": "info",
        "logger": "mlbox.requests",
        "method": "POST",
        "path": "/v2/models/e/infer",
        "status": 200,
    }
    assert line["duration_ms"] > 0
    assert len(line["trace_id"]) == 32


@pytest.mark.parametrize(
    "path", ["/v2/models/e/infer", "/v2/models/g/infer", "/sql", "/nowhere", "/v2/models/no/infer"]
)
def test_errors_carry_it(followed: Server, path: str) -> None:
    given = f"wrong-{secrets.token_hex(4)}"
    status, headers, _ = followed.request("POST", path, {"nonsense": 1}, {"X-Request-Id": given})
    assert status >= 400
    assert {name.lower(): value for name, value in headers.items()}["x-request-id"] == given
    wait_until(lambda: log_of(followed, given))
    assert log_of(followed, given)[-1]["status"] == status


def test_without_one_it_is_made(followed: Server) -> None:
    for path in ("/v2/models/e/infer", "/v2/models/g/infer"):
        _, headers, body = post(followed, path, {"rows": [{"f0": 1.0, "f1": 2.0, "x": 1.0}]})
        assert headers["x-request-id"] == body["id"]
    _, headers, _ = post(followed, "/sql", {"sql": "SELECT 1"})
    assert len(headers["x-request-id"]) == 32
    wait_until(lambda: log_of(followed, headers["x-request-id"]))


def test_the_body_names_the_prediction_and_the_header_the_request(followed: Server) -> None:
    _, headers, body = post(followed, "/v2/models/e/infer", {**ROWS, "id": "of-body"}, x_request_id="of-header")
    assert (body.get("id"), headers["x-request-id"]) == ("of-body", "of-header")


def test_what_cannot_stand_in_a_log_is_left_out(followed: Server) -> None:
    _, headers, _ = post(followed, "/v2/models/e/infer", ROWS, x_request_id='a b\t"c"' + "x" * 500)
    assert headers["x-request-id"] == 'ab"c"' + "x" * (200 - 7)


# -- traces -----------------------------------------------------------------------------------------------------------


def trace() -> tuple[str, str, str]:
    """A trace, a span of the caller, and both as a header."""
    made, parent = secrets.token_hex(16), secrets.token_hex(8)
    return made, parent, f"00-{made}-{parent}-01"


def test_endpoint_model_and_enrichment_are_spans_of_the_callers_trace(followed: Server, collector: Collector) -> None:
    made, parent, header = trace()
    body = {"rows": [{"customer": 7, "f1": 1.0}]}
    _, headers, _ = post(followed, "/v2/models/rich/infer", body, traceparent=header)
    wait_until(lambda: len(collector.of(made)) >= 4)
    spans = collector.of(made)
    assert set(spans) == {"POST /v2/models/rich/infer", "endpoint rich", "enrich default.v", "model default.m@1"}
    served, endpoint = spans["POST /v2/models/rich/infer"], spans["endpoint rich"]
    assert (served.parent, served.kind) == (parent, 2)
    assert served.attributes["http.response.status_code"] == 200
    assert served.attributes["mlbox.request_id"] == headers["x-request-id"]
    assert served.instance.startswith("worker-")
    assert endpoint.parent == served.id
    assert endpoint.attributes["mlbox.endpoint"] == "default.rich"
    assert endpoint.attributes["mlbox.version"] == "1"
    assert spans["enrich default.v"].parent == spans["model default.m@1"].parent == endpoint.id
    assert spans["model default.m@1"].attributes["mlbox.rows"] == 1
    wait_until(lambda: log_of(followed, headers["x-request-id"]))


def test_a_graph_hands_the_trace_on_to_other_services(followed: Server, collector: Collector) -> None:
    made, _, header = trace()
    status, _, body = post(
        followed, "/v2/models/g/event", {"x": 4}, traceparent=header, tracestate="a=1", x_request_id="handed-on"
    )
    assert (status, body["y"]) == (200, 2)
    wait_until(lambda: len(collector.of(made)) >= 4)
    spans = collector.of(made)
    assert set(spans) == {"POST /v2/models/g/event", "endpoint g", "step half", "step elsewhere"}
    assert {each.instance for each in spans.values()} == {"server"}  # a graph is answered by the server itself
    (got,) = [each for each in collector.asked if each.get("x-request-id") == "handed-on"]
    assert got["traceparent"] == f"00-{made}-{spans['step elsewhere'].id}-01"
    assert got["tracestate"] == "a=1"


def test_python_code_can_go_on_with_it(followed: Server, collector: Collector) -> None:
    made, _, header = trace()
    rows = {"rows": [{"x": 2.0}]}
    _, _, body = post(followed, "/v2/models/p/infer", rows, traceparent=header, x_request_id="in-python")
    wait_until(lambda: len(collector.of(made)) >= 3)
    (process,) = [each for name, each in collector.of(made).items() if name.startswith("process function default.f@1")]
    assert body["rows"][0]["parent"] == f"00-{made}-{process.id}-01"
    assert body["rows"][0]["request"] == "in-python"
    assert process.parent == collector.of(made)["endpoint p"].id


def test_an_error_marks_its_spans_and_what_is_not_sampled_is_not_sent(followed: Server, collector: Collector) -> None:
    made, _, header = trace()
    dropped, parent, _ = trace()
    post(followed, "/v2/models/e/infer", ROWS, traceparent=f"00-{dropped}-{parent}-00")
    status, _, _ = post(followed, "/v2/models/nothing/infer", ROWS, traceparent=header)
    assert status == 404
    wait_until(lambda: "endpoint nothing" in collector.of(made))
    assert collector.of(made)["endpoint nothing"].failed
    assert collector.of(dropped) == {}
    followed.request("GET", "/health")
    assert not [span for span in collector.spans if "/health" in span.name]


# -- pages of other origins -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", ["/v2/models/e/infer", "/v2/models/g/infer", "/here", "/features/default.v"])
def test_a_page_that_may_asks_first_and_then_reads_the_answer(followed: Server, path: str) -> None:
    asks = {"Origin": PAGE, "Access-Control-Request-Method": "POST", "Access-Control-Request-Headers": "content-type"}
    status, headers, _ = followed.request("OPTIONS", path, None, asks)
    told = {name.lower(): value for name, value in headers.items()}
    assert status == 204
    assert told["access-control-allow-origin"] == PAGE
    assert told["vary"] == "origin"
    assert "POST" in told["access-control-allow-methods"]
    assert {"content-type", "authorization"} <= set(told["access-control-allow-headers"].split(", "))
    assert told["access-control-max-age"] == "600"
    assert "access-control-allow-credentials" not in told
    _, headers, body = followed.request("POST", path, {"keys": [7]}, {"Origin": PAGE})
    told = {name.lower(): value for name, value in headers.items()}
    assert told["access-control-allow-origin"] == PAGE  # of an error too: the page is to read what is wrong
    assert "x-request-id" in told["access-control-expose-headers"]
    assert b"may not use this server" not in body


@pytest.mark.parametrize(
    ("origin", "path"),
    [(PAGE, path) for path in ("/sql", "/metrics", "/", "/run-api/x")]
    + [(origin, "/v2/models/e/infer") for origin in ("https://evil.example", "null", f"{PAGE}.evil.example")],
)
def test_other_pages_and_other_paths_stay_out(followed: Server, origin: str, path: str) -> None:
    for method, more in (("OPTIONS", {"Access-Control-Request-Method": "POST"}), ("POST", {})):
        status, headers, _ = followed.request(method, path, None if more else ROWS, {"Origin": origin, **more})
        assert status == 403
        assert "access-control-allow-origin" not in {name.lower() for name in headers}


def test_without_the_setting_all_stay_out(server: Server) -> None:
    status, headers, _ = server.request(
        "OPTIONS", "/v2/models/e/infer", None, {"Origin": PAGE, "Access-Control-Request-Method": "POST"}
    )
    assert status == 403
    assert not [name for name in headers if name.lower().startswith("access-control")]


@pytest.mark.parametrize(
    ("variable", "value", "says"),
    [
        ("MLBOX_CORS_ORIGINS", "app.example.com", "no origin"),
        ("MLBOX_LOG_FORMAT", "xml", "log_format = 'xml'"),
        ("MLBOX_LOG_REQUESTS", "some", "log_requests = 'some'"),
        ("MLBOX_TRACE_SHARE", "2", "trace_share = 2"),
        ("MLBOX_WORKERS", "65", "workers = 65"),
    ],
)
@pytest.mark.nightly
def test_settings_that_make_no_sense(tmp_path: Path, variable: str, value: str, says: str) -> None:
    with pytest.raises(AssertionError, match="did not start") as caught:
        Server(tmp_path / "home", environment={variable: value, "MLBOX_TRACE_URL": "http://127.0.0.1:1"})
    assert says in str(caught.value)
    assert "Traceback" not in str(caught.value)
