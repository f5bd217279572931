"""What stands before containers: who is handed a connection, who is not, and what happens when nobody can be."""

from __future__ import annotations

import asyncio
import http.client
import subprocess
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest
import uvloop
from waiting import wait_until

from mlbox.serve.deploy.front import Front


class Backend:
    """A replica that tells its name, and whether it is ready."""

    def __init__(self, name: str, host: str, port: int = 0) -> None:
        self.ready = True
        self.closing = False
        backend = self

        class Answers(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                health = self.path.startswith("/v2/health")
                body = name.encode()
                self.send_response(200 if backend.ready or not health else 503)
                self.send_header("content-length", str(len(body)))
                self.end_headers()
                self.wfile.write(body)

            def do_POST(self) -> None:
                body = self.rfile.read(int(self.headers["content-length"]))
                self.send_response(200)
                self.send_header("content-length", str(len(body)))
                if backend.closing:
                    self.send_header("connection", "close")
                    self.close_connection = True
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: Any) -> None:
                return

        self.server = ThreadingHTTPServer((host, port), Answers)
        self.port = self.server.server_port
        threading.Thread(target=self.server.serve_forever, daemon=True).start()

    def end(self) -> None:
        self.server.shutdown()
        self.server.server_close()


class Running:
    """A front on a loop of its own."""

    def __init__(self, names: list[str], port: int, patience: float = 20.0) -> None:
        self._started = threading.Event()
        self._loop = uvloop.new_event_loop()
        self.front = Front(names, port, patience)
        self.port = 0
        threading.Thread(target=self._run, daemon=True).start()
        self._started.wait(10)

    def _run(self) -> None:
        self.port = self._loop.run_until_complete(self.front.start("127.0.0.1", 0))
        self._started.set()
        self._loop.run_forever()

    def ask(self, body: bytes | None = None) -> bytes:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)
        connection.request("GET" if body is None else "POST", "/who", body)
        answer = connection.getresponse()
        said = answer.read()
        connection.close()
        return b"%d" % answer.status if answer.status != 200 else said

    def end(self) -> None:
        asyncio.run_coroutine_threadsafe(self.front.stop(), self._loop).result(10)
        self._loop.call_soon_threadsafe(self._loop.stop)


@pytest.fixture
def two() -> Iterator[tuple[Backend, Backend, Running]]:
    first = Backend("first", "127.0.0.1")
    second = Backend("second", "127.0.0.2", first.port)
    running = Running(["127.0.0.1", "127.0.0.2", "nobody.invalid"], first.port)
    wait_until(lambda: {running.ask() for _ in range(4)} == {b"first", b"second"})
    yield first, second, running
    running.end()
    for backend in (first, second):
        backend.end()


def test_each_in_turn_and_a_body_of_any_size(two: tuple[Backend, Backend, Running]) -> None:
    _, _, running = two
    said = [running.ask() for _ in range(20)]
    assert (said.count(b"first"), said.count(b"second")) == (10, 10)
    large = bytes(range(256)) * 40_000
    assert running.ask(large) == large


def test_one_that_is_not_ready_gets_no_more_and_keeps_what_it_has(two: tuple[Backend, Backend, Running]) -> None:
    first, _, running = two
    kept = [http.client.HTTPConnection("127.0.0.1", running.port, timeout=30) for _ in range(2)]
    for connection in kept:
        connection.request("GET", "/who")
        connection.getresponse().read()
    first.ready = False
    wait_until(lambda: {running.ask() for _ in range(6)} == {b"second"})
    names = set()
    for connection in kept:
        connection.request("GET", "/who")
        names.add(connection.getresponse().read())
    assert names == {b"first", b"second"}
    first.ready = True
    wait_until(lambda: {running.ask() for _ in range(6)} == {b"first", b"second"})


def test_one_that_has_died_is_passed_over_at_once(two: tuple[Backend, Backend, Running]) -> None:
    first, _, running = two
    first.end()
    assert {running.ask() for _ in range(10)} == {b"second"}


def test_a_connection_waits_until_somebody_is_ready() -> None:
    backend = Backend("late", "127.0.0.1")
    backend.ready = False
    running = Running(["127.0.0.1"], backend.port)
    said: list[bytes] = []
    asking = threading.Thread(target=lambda: said.append(running.ask(b"patient")))
    asking.start()
    backend.ready = True
    asking.join(30)
    assert said == [b"patient"]
    running.end()
    backend.end()


def test_when_nobody_is_ready_in_time_it_says_so() -> None:
    backend = Backend("never", "127.0.0.1")
    backend.ready = False
    running = Running(["127.0.0.1"], backend.port, patience=0.3)
    assert running.ask() == b"503"
    running.end()
    backend.end()


def test_a_front_outlives_replicas_that_close_each_connection() -> None:
    """As those that drain do; the loop's own half-close ended the process then."""
    backend = Backend("one", "127.0.6.2")
    backend.closing = True
    program = f"from mlbox.serve.deploy.front import run; run(['127.0.6.2'], {backend.port}, '127.0.0.1', 0)"
    front = subprocess.Popen([sys.executable, "-c", program], stdout=subprocess.PIPE, text=True)
    assert front.stdout is not None
    address = front.stdout.readline().rpartition("/")[2].strip()
    failures: list[str] = []

    def call(kept: bool) -> None:
        connection = http.client.HTTPConnection(address, timeout=20)
        try:
            for _ in range(750):
                connection.request("POST", "/x", b"y" * 300)
                assert connection.getresponse().read() == b"y" * 300
                if not kept:
                    connection.close()
        except (OSError, http.client.HTTPException) as error:
            failures.append(repr(error))

    threads = [threading.Thread(target=call, args=(kept,)) for kept in (True, True, False, False)]
    try:
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        assert (failures, front.poll()) == ([], None)
    finally:
        front.terminate()
        backend.end()
    assert front.wait(20) == 0
