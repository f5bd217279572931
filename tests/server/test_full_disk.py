"""A disk that is full in the middle of an upload: a clear error, nothing half-registered, and the server lives."""

from __future__ import annotations

import hashlib
import json
import os
import resource
import subprocess
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from real_server import Server, wait_until

from mlbox.client.connection import Connection
from mlbox.client.tracking import start_run

ROOM = 48 << 20
LARGE = 80 << 20
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture(params=["a small disk", "a limit of the process"])
def crowded(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[tuple[Server, Callable[[], None]]]:
    """A server that cannot store ``LARGE`` bytes, and how to give it room."""
    home = tmp_path / "home"
    if request.param == "a small disk":
        home.mkdir()
        size = f"size={ROOM}"
        mounted = subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", str(home)], capture_output=True)
        if mounted.returncode:
            pytest.skip("mounting a small disk takes root")

        def give_room() -> None:
            subprocess.run(["mount", "-o", f"remount,size={4 * LARGE}", str(home)], check=True)

        server = Server(home)
    else:
        server = Server(home)
        before = resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, (ROOM // 2, resource.RLIM_INFINITY))

        def give_room() -> None:
            resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, before)

    try:
        yield server, give_room
    finally:
        server.stop()
        if request.param == "a small disk":
            subprocess.run(["umount", "-l", str(home)], check=False)


def test_a_full_disk_stores_nothing_and_harms_nothing(
    crowded: tuple[Server, Callable[[], None]], tmp_path: Path
) -> None:
    server, give_room = crowded
    data = os.urandom(1 << 20) * (LARGE >> 20)
    run = json.loads(server.request("POST", "/runs", {"name": "large"})[2])
    bearer = {**OCTETS, "Authorization": f"Bearer {run['token']}"}
    blob = f"/run-api/{run['run_id']}/blobs/{hashlib.sha256(data).hexdigest()}"
    file = f"/api/2.0/mlflow-artifacts/artifacts/0/{run['run_id']}/artifacts/large.bin"
    for method, path, headers in (
        ("PUT", blob, bearer),
        ("PUT", blob, {**bearer, "Upload-Offset": "0"}),
        ("PUT", file, OCTETS),
        ("POST", "/files?name=large.bin", OCTETS),
        ("PUT", f"/files/{'0' * 32}?name=large.bin", {**OCTETS, "Upload-Offset": "0"}),
    ):
        assert refused(server, method, path, data, headers) in ("full", "cut off"), path
        wait_until(lambda: left(server) == [])  # the client may hear of the end first
        assert server.sql("SELECT count(*) FROM ml.artifacts")[0]["rows"] == [[0]]
    source = tmp_path / "large.bin"
    source.write_bytes(data)
    with start_run("later", connection=Connection(server.url)) as later:
        later.log_metric("x", 1)
        later.log_artifact("small", b"small")
        wait_until(lambda: server.sql("SELECT name FROM ml.artifacts")[0]["rows"] == [["small"]])
        give_room()
        later.log_artifact("large", str(source))
    wait_until(lambda: len(server.sql("SELECT name FROM ml.artifacts")[0]["rows"]) == 2)
    assert server.sql("SELECT name, size FROM ml.artifacts ORDER BY name")[0]["rows"] == [
        ["large", LARGE],
        ["small", 5],
    ]
    assert server.process.poll() is None


def refused(server: Server, method: str, path: str, data: bytes, headers: dict[str, str]) -> str:
    """How an upload that does not fit ended; some clients hear of the end before they hear why."""
    try:
        status, _, body = server.request(method, path, data, headers)
    except OSError:
        return "cut off"
    text = body.decode()
    return "full" if status == 503 and "disk" in text and "is full" in text else f"{status} {text}"


def left(server: Server) -> list[str]:
    """Files of uploads that are not whole."""
    found = [*(server.home / "artifacts" / "incoming").iterdir(), *(server.home / "uploads").glob("*/*")]
    return [path.name for path in found]


def test_what_was_changed_on_disk_is_told_by_its_name(own_server: Server, tmp_path: Path) -> None:
    data = b"model" * 1000
    with start_run("changed", connection=Connection(own_server.url)) as run:
        digest = run.log_artifact("weights", data)
    wait_until(lambda: bool(own_server.sql("SELECT id FROM ml.artifacts")[0]["rows"]))
    artifact = own_server.sql("SELECT id FROM ml.artifacts")[0]["rows"][0][0]
    path = own_server.home / "artifacts" / digest[:2] / digest
    path.chmod(0o600)
    path.write_bytes(data[:-1] + b"x")
    status, _, body = own_server.request("GET", f"/artifacts/{artifact}/content")
    error = json.loads(body)["error"]
    assert status == 500 and error["message"].startswith("artifact 'weights' of default: ")
    assert "do not match its hash" in error["message"]
    assert f"restore {digest[:2]}/{digest} in the folder artifacts" in error["hint"]
    path.write_bytes(data)
    assert own_server.request("GET", f"/artifacts/{artifact}/content")[2] == data
