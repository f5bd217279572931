"""Uploads and downloads that break off and go on: the connection, the client and the server may end in the middle."""

from __future__ import annotations

import hashlib
import json
import os
import socket
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
from cutting import Cutting
from real_server import Server, wait_until

from mlbox.client.connection import Connection
from mlbox.client.failures import MlboxClientError
from mlbox.client.tracking import start_run

SIZE = 24 << 20
CUT = 16 << 20
SLACK = 3 << 20
"""Bytes that may be sent twice for each cut: the pieces that server, client and the way between hold in memory."""
OCTETS = {"Content-Type": "application/octet-stream"}


@pytest.fixture
def large(tmp_path: Path) -> Iterator[Path]:
    """A file of random bytes."""
    path = tmp_path / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    yield path


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def begin(server: Server, project: str = "default") -> tuple[str, dict[str, str]]:
    """A run, and headers that open its API."""
    run = json.loads(server.request("POST", "/runs", {"name": "large", "project": project})[2])
    return run["run_id"], {**OCTETS, "Authorization": f"Bearer {run['token']}"}


def wait_for_part(server: Server, name: str, size: int) -> None:
    """The server has read what was carried to it: how fast it does is not what is asked here."""

    def there() -> bool:
        parts = (server.home / "uploads").glob(f"*/{name}")  # none before its first byte
        return any(part.stat().st_size > size - SLACK for part in parts)

    wait_until(there)


def test_an_upload_goes_on_after_a_broken_connection(server: Server, large: Path) -> None:
    stages = iter((CUT // 2, CUT))
    way = Cutting(server.url, [CUT // 2, CUT // 2], before_cut=lambda: wait_for_part(server, "large.bin", next(stages)))
    try:
        path = Connection(way.url).upload("large.bin", large)
    finally:
        way.close()
    assert digest(Path(path)) == digest(large)
    assert way.cut.is_set() and way.sent < SIZE + 2 * SLACK


def test_an_upload_goes_on_after_its_client_was_killed(server: Server, large: Path) -> None:
    """The next process that sends the same file goes on where the killed one was."""
    budgets = [1 << 60, CUT]  # the first connection only asks for the offset
    stuck = Cutting(server.url, budgets, stand_still=True, before_cut=lambda: wait_for_part(server, "k.bin", CUT))
    code = f"from mlbox.client.connection import Connection; Connection({stuck.url!r}).upload('k.bin', {str(large)!r})"
    client = subprocess.Popen([sys.executable, "-c", code])
    assert stuck.cut.wait(60)
    client.kill()
    client.wait()
    way = Cutting(server.url, [])
    try:
        path = Connection(way.url).upload("k.bin", large)
    finally:
        way.close()
        stuck.close()
    assert digest(Path(path)) == digest(large)
    assert way.sent < SIZE - CUT + SLACK


def test_an_artifact_goes_on_after_the_server_was_killed(own_server: Server, large: Path) -> None:
    way = Cutting(own_server.url, [1 << 60, 1 << 60, CUT], stand_still=True)
    run = start_run("large", connection=Connection(way.url))
    told: list[Any] = []
    logging = threading.Thread(target=lambda: told.append(run.log_artifact("large", str(large))))
    logging.start()
    assert way.cut.wait(60)
    own_server.kill()
    own_server.start()
    way.to, way.stand_still = own_server.url, False
    logging.join(120)
    run.end()
    wait_until(lambda: own_server.sql("SELECT digest, size FROM ml.artifacts")[0]["rows"] == [[digest(large), SIZE]])
    way.close()
    assert told == [digest(large)]
    assert list((own_server.home / "artifacts" / "incoming").iterdir()) == []


def test_the_run_api_takes_parts(server: Server) -> None:
    run, headers = begin(server)
    data = os.urandom(3 << 20)
    blob = f"/run-api/{run}/blobs/{hashlib.sha256(data).hexdigest()}"

    def offset(path: str = blob) -> tuple[str, str]:
        status, told, _ = server.request("HEAD", path, None, headers)
        assert status == 200
        lower = {name.lower(): value for name, value in told.items()}
        return lower["upload-offset"], lower["upload-complete"]

    assert offset() == ("0", "?0")
    half = len(data) // 2
    send_part(server, blob, headers, data[:half], announced=len(data))
    wait_until(lambda: offset() == (str(half), "?0"))
    status, _, body = server.request("PUT", blob, data[half + 1 :], {**headers, "Upload-Offset": str(half + 1)})
    assert (status, json.loads(body)["error"]["details"]) == (409, {"offset": half})
    other, other_headers = begin(server)  # a second run of the project goes on with the same bytes
    path = blob.replace(run, other)
    status, _, body = server.request("PUT", path, data[half:], {**other_headers, "Upload-Offset": str(half)})
    assert (status, json.loads(body)["size"]) == (200, len(data))
    assert offset() == (str(len(data)), "?1")
    wrong = blob[:-1] + ("0" if blob[-1] != "0" else "1")
    send_part(server, wrong, headers, data[:half], announced=len(data))
    wait_until(lambda: offset(wrong) == (str(half), "?0"))
    status, _, body = server.request("PUT", wrong, data[half:], {**headers, "Upload-Offset": str(half)})
    assert status == 400 and "was announced" in json.loads(body)["error"]["message"]
    assert offset(wrong) == ("0", "?0")
    status, _, _ = server.request("PUT", blob, b"", {**headers, "Upload-Offset": "x"})
    assert status in (200, 400)


def send_part(server: Server, path: str, headers: dict[str, str], data: bytes, announced: int) -> None:
    """The beginning of a body, and then the connection is gone."""
    parts = urlsplit(server.url)
    head = {**headers, "Host": parts.netloc, "Content-Length": str(announced), "Upload-Offset": "0"}
    with socket.create_connection((parts.hostname, parts.port)) as connection:
        lines = "".join(f"{name}: {value}\r\n" for name, value in head.items())
        connection.sendall(f"PUT {path} HTTP/1.1\r\n{lines}\r\n".encode() + data)


def test_a_file_by_parts(server: Server) -> None:
    data = os.urandom(2 << 20)
    path = f"/files/{'ab' * 16}?name=part.bin&digest={hashlib.sha256(data).hexdigest()}"
    send_part(server, path, OCTETS, data[:1000], announced=len(data))

    def offset() -> str:
        told = server.request("HEAD", path)[1]
        return {name.lower(): value for name, value in told.items()}["upload-offset"]

    wait_until(lambda: offset() == "1000")
    assert all(each["id"] != "ab" * 16 for each in json.loads(server.request("GET", "/files")[2])["files"])
    status, _, body = server.request("PUT", path, data[1000:], {**OCTETS, "Upload-Offset": "1000"})
    told = json.loads(body)
    assert (status, told["id"], Path(told["path"]).read_bytes() == data) == (200, "ab" * 16, True)
    assert json.loads(server.request("PUT", path, b"", OCTETS)[2]) == told  # once more is harmless
    assert server.request("PUT", path.replace("ab" * 16, "..%2f.."), b"", OCTETS)[0] in (400, 404)
    for wrong in ("", "e3b0c442", hashlib.sha256(data).hexdigest().upper()):
        status, _, body = server.request("PUT", f"/files/{'cd' * 16}?name=part.bin&digest={wrong}", data, OCTETS)
        assert status == 400 and "is not a SHA-256" in json.loads(body)["error"]["message"]


@pytest.fixture(scope="module")
def stored(server: Server, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    """Id of a large artifact, and its file."""
    path = tmp_path_factory.mktemp("stored") / "large.bin"
    path.write_bytes(os.urandom(SIZE))
    with start_run("stored", connection=Connection(server.url)) as run:
        found = run.log_artifact("stored", str(path))
    wait_until(lambda: bool(server.sql(f"SELECT id FROM ml.artifacts WHERE digest = '{found}'")[0]["rows"]))
    return server.sql(f"SELECT id FROM ml.artifacts WHERE digest = '{found}'")[0]["rows"][0][0], path


def test_a_download_goes_on_where_it_broke(server: Server, stored: tuple[str, Path], tmp_path: Path) -> None:
    artifact, path = stored
    way = Cutting(server.url, [CUT // 2, CUT // 2])
    try:
        target = Connection(way.url).download(artifact, tmp_path / "back.bin")
    finally:
        way.close()
    assert digest(Path(target)) == digest(path)
    assert way.fetched < SIZE + 2 * SLACK and not Path(f"{target}.part").exists()
    Path(f"{target}.part").write_bytes(b"x" * 1000)  # of something else
    with pytest.raises(MlboxClientError, match="do not match their hash"):
        Connection(server.url).download(artifact, target)
    Path(f"{target}.part").write_bytes(b"x" * (SIZE + 1))
    assert digest(Path(Connection(server.url).download(artifact, target))) == digest(path)
    with pytest.raises(MlboxClientError, match="has no artifact .nothing."):
        Connection(server.url).download("nothing", tmp_path / "nothing")


RANGES: dict[str, Callable[[bytes], bytes]] = {
    "bytes=0-9": lambda data: data[:10],
    "bytes=100-": lambda data: data[100:],
    "bytes=-7": lambda data: data[-7:],
    f"bytes=5-{SIZE * 2}": lambda data: data[5:],
}


@pytest.mark.parametrize("wanted", RANGES)
def test_ranges(server: Server, stored: tuple[str, Path], wanted: str) -> None:
    artifact, path = stored
    data = path.read_bytes()
    address = f"/artifacts/{artifact}/content"
    status, headers, body = server.request("GET", address, None, {"Range": wanted})
    part = RANGES[wanted](data)
    lower = {name.lower(): value for name, value in headers.items()}
    first = data.index(part)
    assert (status, body == part) == (206, True)
    assert lower["content-range"] == f"bytes {first}-{first + len(part) - 1}/{SIZE}"
    assert lower["etag"] == f'"{digest(path)}"'
    status, _, body = server.request("GET", address, None, {"Range": wanted, "If-Range": '"other"'})
    assert (status, len(body)) == (200, SIZE)


def test_ranges_that_are_none(server: Server, stored: tuple[str, Path]) -> None:
    address = f"/artifacts/{stored[0]}/content"
    status, _, body = server.request("GET", address, None, {"Range": f"bytes={SIZE}-"})
    assert (status, json.loads(body)["error"]["details"]) == (416, {"size": SIZE})
    for odd in ("bytes=0-1,5-6", "lines=1-2", "bytes=9-2"):
        assert server.request("GET", address, None, {"Range": odd})[0] == 200
    status, headers, body = server.request("HEAD", address)
    lower = {name.lower(): value for name, value in headers.items()}
    assert (status, body, lower["content-length"], lower["accept-ranges"]) == (200, b"", str(SIZE), "bytes")


@pytest.mark.nightly
def test_memory_stays_small(own_server: Server, tmp_path: Path) -> None:
    """The server holds a piece of an artifact at a time, either way."""
    path, size = tmp_path / "huge.bin", 256 << 20
    with path.open("wb") as file:
        for _ in range(size >> 20):
            file.write(os.urandom(1 << 10) * 1024)
    own_server.sql("SELECT 1")

    def peak() -> int:
        text = Path(f"/proc/{own_server.process.pid}/status").read_text()
        return int(next(line.split()[1] for line in text.splitlines() if line.startswith("VmHWM"))) << 10

    before = peak()
    with start_run("huge", connection=Connection(own_server.url)) as run:
        run.log_artifact("huge", str(path))
    wait_until(lambda: bool(own_server.sql("SELECT id FROM ml.artifacts")[0]["rows"]))
    artifact = own_server.sql("SELECT id FROM ml.artifacts")[0]["rows"][0][0]
    target = Connection(own_server.url).download(artifact, tmp_path / "back.bin")
    assert digest(Path(target)) == digest(path)
    assert peak() - before < size // 3
