"""Clients who are slow with headers, with bodies, or with reading hold nobody but themselves."""

from __future__ import annotations

import http.client
import json
import resource
import socket
from collections.abc import Iterator
from pathlib import Path

import onnx_models
import pytest
from real_server import Server, wait_until

GOOD = {"rows": [{"x": 1, "y": 2}]}
MANY = 200
HEAD = b"POST /v2/models/e/infer HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
HELD = """
import os, time

def held(x, y):
    while not os.path.exists("GATE"): time.sleep(0.02)
    return x + y
"""


@pytest.fixture(scope="module")
def served(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(max(soft, 4096), hard), hard))
    running = Server(tmp_path_factory.mktemp("slow") / "home", environment={"MLBOX_BODY_SECONDS": "2"})
    model = running.home.parent / "m.onnx"
    model.write_bytes(onnx_models.scaled(2.0))
    running.sql(
        f"CREATE MODEL m FROM '{model}' INPUT (x DOUBLE, y DOUBLE);"
        f"CREATE ENDPOINT e USING MODEL m WITH (max_queue = {MANY + 50})"
    )
    yield running
    running.stop()


def _connect(server: Server, sent: bytes) -> socket.socket:
    host, port = server.url.removeprefix("http://").split(":")
    connection = socket.create_connection((host, int(port)), timeout=60)
    connection.sendall(sent)
    return connection


def _is_answered(server: Server) -> None:
    """Inference, and the API beside it."""
    status, _, body = server.request("POST", "/v2/models/e/infer", GOOD)
    assert status == 200 and json.loads(body)["rows"][0]["prediction"] == 6.0
    assert server.sql("SELECT 1")[0]["rows"] == [[1]]


def _in_flight(server: Server) -> float:
    text = server.request("GET", "/metrics")[2].decode()
    return sum(float(line.split()[-1]) for line in text.splitlines() if line.startswith("mlbox_endpoint_in_flight{"))


def _has_an_answer(connection: socket.socket) -> bool:
    try:
        return bool(connection.recv(1, socket.MSG_PEEK | socket.MSG_DONTWAIT))
    except BlockingIOError:
        return False


def test_slow_headers_hold_nobody(served: Server) -> None:
    slow = [_connect(served, HEAD[: 10 + number % 60]) for number in range(MANY)]
    _is_answered(served)
    for connection in slow:
        connection.sendall(b"X")
    _is_answered(served)
    assert _in_flight(served) == 0
    for connection in slow:
        connection.close()


@pytest.mark.nightly
def test_headers_that_do_not_come_are_not_waited_for(served: Server) -> None:
    connection = _connect(served, HEAD)
    assert connection.recv(1024).partition(b"\r\n")[0] in (b"", b"HTTP/1.1 408 Request Timeout")


def test_slow_bodies_hold_nobody_and_are_ended(served: Server) -> None:
    slow = [_connect(served, HEAD + b"Content-Length: 1000\r\n\r\n{") for _ in range(MANY)]
    wait_until(lambda: _in_flight(served) > MANY // 2 or _has_an_answer(slow[0]))  # on a machine that stood still
    _is_answered(served)
    for connection in slow:
        assert connection.recv(4096).startswith(b"HTTP/1.1 408")
        connection.close()
    wait_until(lambda: _in_flight(served) == 0)


def test_bodies_that_drip_have_no_more_time_than_others(served: Server) -> None:
    """A byte now and then is no reason to wait longer."""
    connection = _connect(served, HEAD + b"Content-Length: 1000\r\n\r\n")
    connection.settimeout(0.2)
    answer = b""
    for _ in range(300):
        try:
            answer = connection.recv(4096)
            break
        except TimeoutError:
            connection.sendall(b" ")
    connection.settimeout(60)
    while b"body_seconds" not in answer and (more := connection.recv(4096)):
        answer += more
    assert answer.startswith(b"HTTP/1.1 408") and b"body_seconds" in answer
    connection.close()


@pytest.mark.parametrize("path", ["/v2/models/e/infer", "/v2/models/e/generate_stream", "/sql"])
@pytest.mark.parametrize("chunks", [b"zz\r\n{}", b"2\r\n{}\r\n-1\r\n", b"5\r\n{"], ids=["size", "later", "cut"])
def test_chunks_that_are_none_are_the_senders_mistake(served: Server, path: str, chunks: bytes) -> None:
    head = HEAD.replace(b"/v2/models/e/infer", path.encode()) + b"Transfer-Encoding: chunked\r\n\r\n"
    with _connect(served, head + chunks) as connection:
        connection.shutdown(socket.SHUT_WR)
        answer = http.client.HTTPResponse(connection)
        answer.begin()
        body = answer.read()
    assert answer.status == 400, body
    error = json.loads(body)
    told = error if path != "/sql" else error["error"]
    assert told["code"] == "broken_body" and "a chunk is" in told["hint"]
    _is_answered(served)


def test_slow_bodies_of_statements_hold_nobody(served: Server) -> None:
    head = b"POST /sql HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\nContent-Length: 1000\r\n\r\n{"
    slow = [_connect(served, head) for _ in range(MANY)]
    _is_answered(served)
    for connection in slow:
        connection.close()
    _is_answered(served)


def test_answers_that_are_not_read_hold_nobody(served: Server) -> None:
    """Each has megabytes to read, far more than the kernel keeps for him."""
    content = json.dumps({"rows": [{"x": number, "y": 1} for number in range(20_000)]}).encode()
    slow = [_connect(served, HEAD + b"Content-Length: %d\r\n\r\n" % len(content) + content) for _ in range(20)]
    wait_until(lambda: _in_flight(served) == 0)
    for _ in range(10):
        _is_answered(served)
    whole = b""
    while b'"rows":' not in whole:  # who reads at last gets what is his
        whole += slow[0].recv(1 << 20)
    assert whole.startswith(b"HTTP/1.1 200")
    for connection in slow:
        connection.close()
    _is_answered(served)


def test_what_is_too_much_or_too_late_is_refused_with_a_time_to_come_again(served: Server, tmp_path: Path) -> None:
    (tmp_path / "held.py").write_text(HELD.replace("GATE", str(tmp_path / "gate")))
    served.sql(f"CREATE FUNCTION held FROM '{tmp_path}/held.py'")
    served.sql("CREATE ENDPOINT narrow USING FUNCTION held WITH (max_queue = 3, timeout_ms = 60000)")
    content = json.dumps(GOOD).encode()
    head = HEAD.replace(b"/e/", b"/narrow/") + b"Content-Length: %d\r\n\r\n" % len(content)
    slow = [_connect(served, head + content) for _ in range(3)]
    wait_until(lambda: _in_flight(served) == 3)
    status, headers, body = served.request("POST", "/v2/models/narrow/infer", GOOD)
    assert (status, json.loads(body)["code"]) == (503, "overloaded")
    assert int(headers["retry-after"]) >= 1
    _is_answered(served)  # the queue is the endpoint's own
    (tmp_path / "gate").touch()
    for connection in slow:
        assert connection.recv(4096).startswith(b"HTTP/1.1 200")
        connection.close()
    assert served.request("POST", "/v2/models/narrow/infer", GOOD)[0] == 200
    status, headers, body = served.request("POST", "/v2/models/e/infer", GOOD, {"X-Request-Timeout-Ms": "0.0001"})
    assert (status, json.loads(body)["code"]) == (503, "deadline_exceeded") and int(headers["retry-after"]) >= 1
