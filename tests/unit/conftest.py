"""A small HTTP server that speaks the run API and keeps what it receives: the client's counterpart in unit tests."""

from __future__ import annotations

import hashlib
import json
import re
import socket
import threading
from array import array
from binascii import a2b_base64
from collections.abc import Iterator
from contextlib import suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest


def unpacked(event: dict[str, Any]) -> list[dict[str, Any]]:
    """Packed points as an event each, others as they are."""
    if event["kind"] != "points":
        return [event]
    kinds = {"values": "d", "at": "d", "steps": "q"}
    columns = {key: array(kind, a2b_base64(event[key])) for key, kind in kinds.items() if key in event}
    names = {"values": "value", "at": "at", "steps": "step"}
    return [
        {"kind": "metric", "name": event["name"], **{names[key]: column[number] for key, column in columns.items()}}
        for number in range(len(columns["values"]))
    ]


class Receiver:
    """Accepts batches once, checks digests and the token; can go away and come back at another address."""

    token = "token-of-the-run"

    def __init__(self, server_file: Path) -> None:
        self.server_file = server_file
        self.spec: dict[str, Any] = {}
        self.files: dict[str, bytes] = {}
        self.batches: dict[str, list[dict[str, Any]]] = {}
        self.blobs: dict[str, bytes] = {}
        self.statements: list[dict[str, Any]] = []
        self.answer: tuple[int, dict[str, Any]] = (200, {"results": []})
        self.connections: list[socket.socket] = []
        self.repeats = 0
        self.lose_answers = 0
        """So many batches are taken in, and their answer is lost on the way."""
        self.lock = threading.Lock()
        self.start()

    @property
    def events(self) -> list[dict[str, Any]]:
        """In the order of arrival."""
        with self.lock:
            return [event for batch in self.batches.values() for event in batch]

    def of_kind(self, kind: str) -> list[dict[str, Any]]:
        """Those of one kind; packed points of metrics are metrics."""
        return [event for each in self.events for event in unpacked(each) if event["kind"] == kind]

    def start(self) -> None:
        """On a free port, which the server file names."""
        receiver = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def setup(self) -> None:
                super().setup()
                receiver.connections.append(self.connection)

            def handle_any(self) -> None:
                body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
                status, data = receiver.respond(self.command, self.path, self.headers, body)
                if status == 0:
                    self.close_connection = True
                    return
                self.send_response(status)
                self.send_header("Content-Length", str(len(data)))
                self.end_headers()
                self.wfile.write(data)

            do_GET = do_POST = do_PUT = handle_any  # noqa: N815

            def log_message(self, *arguments: Any) -> None:
                pass

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.server.daemon_threads = True
        self.url = f"http://127.0.0.1:{self.server.server_address[1]}"
        self.thread = threading.Thread(target=self.server.serve_forever, args=(0.02,), daemon=True)
        self.thread.start()
        self.server_file.write_text(json.dumps({"url": self.url}))

    def stop(self) -> None:
        self.server.shutdown()
        self.server.server_close()
        for connection in self.connections:  # as the death of a process does
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)
        self.connections.clear()
        self.thread.join()

    def respond(self, method: str, path: str, headers: Any, body: bytes) -> tuple[int, bytes]:
        if path == "/sql":
            self.statements.append({**json.loads(body), "authorization": headers.get("Authorization")})
            return self.answer[0], json.dumps(self.answer[1]).encode()
        if headers.get("Authorization") != f"Bearer {self.token}":
            return 401, json.dumps({"error": {"code": "unauthorized", "message": "who are you?"}}).encode()
        if method == "POST" and path.endswith("/events"):
            return self._take(json.loads(body))
        blob = re.search("/blobs/([0-9a-f]{64})$", path)
        if method == "PUT" and blob:
            if hashlib.sha256(body).hexdigest() != blob[1]:
                return 400, b'{"error": {"code": "invalid", "message": "the hash differs"}}'
            self.blobs[blob[1]] = body
            return 200, json.dumps({"digest": blob[1], "size": len(body)}).encode()
        name = path.rpartition("/")[2]
        if name in self.files:
            return 200, self.files[name]
        if path.count("/") == 2:
            return 200, json.dumps(self.spec).encode()
        return 404, b"{}"

    def _take(self, body: dict[str, Any]) -> tuple[int, bytes]:
        with self.lock:
            if body["batch"] in self.batches:
                self.repeats += 1
            else:
                self.batches[body["batch"]] = body["events"]
            if self.lose_answers:
                self.lose_answers -= 1
                return 0, b""
        return 200, json.dumps({"accepted": len(body["events"])}).encode()


@pytest.fixture
def receiver(tmp_path: Path) -> Iterator[Receiver]:
    running = Receiver(tmp_path / "server.json")
    yield running
    running.stop()


def find_pythons() -> dict[str, Path]:
    """Other interpreters of this machine by version, those that the client promises to run on."""
    found = {}
    for folder in sorted(Path.home().glob(".pyenv/versions/3.*")):
        match = re.fullmatch(r"3\.(\d+)\.\d+", folder.name)
        if match and int(match[1]) >= 9 and (folder / "bin" / "python").exists():
            found[f"3.{match[1]}"] = folder / "bin" / "python"
    return found


@pytest.fixture(params=["3.9", "3.12", "3.13"])
def other_python(request: pytest.FixtureRequest) -> Path:
    """An interpreter of another version than ours."""
    found = find_pythons().get(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} below ~/.pyenv/versions")
    return found
