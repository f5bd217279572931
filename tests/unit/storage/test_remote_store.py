"""Artifacts in an object store: an S3 server in a process of its own, and file systems of fsspec."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from everything import write_files
from real_server import Server

from mlbox.base.errors import Invalid, NotFound, SystemError, Unavailable
from mlbox.engine.storage.artifacts import ArtifactStore
from mlbox.engine.storage.remote import store_at

SERVE = """
from moto.server import ThreadedMotoServer
server = ThreadedMotoServer(ip_address="127.0.0.1", port=0, verbose=False)
server.start()
print(server.get_host_and_port()[1], flush=True)
import sys
sys.stdin.read()
"""
Opens = Callable[[str], ArtifactStore]


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Options for a server with the bucket ``bucket``."""
    import s3fs

    process = subprocess.Popen([sys.executable, "-c", SERVE], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    options = {"key": "k", "secret": "s", "endpoint_url": f"http://127.0.0.1:{process.stdout.readline().strip()}"}
    s3fs.S3FileSystem(**options).mkdir("bucket")
    yield json.dumps(options), process
    process.kill()
    process.wait()


@pytest.fixture(params=["s3", "file", "memory"])
def opens(request: pytest.FixtureRequest, tmp_path: Path) -> Opens:
    """Opens the store of an address with a cache of that name: each is another machine."""
    options = request.getfixturevalue("s3")[0] if request.param == "s3" else ""
    address = {"s3": f"s3://bucket/{tmp_path.name}", "file": f"file://{tmp_path}/far", "memory": f"memory://{tmp_path}"}
    return lambda name: store_at(address[request.param], options, tmp_path / name)


def test_what_one_machine_writes_another_reads(opens: Opens) -> None:
    here, there = opens("here"), opens("there")
    blob = here.put_bytes(b"model" * 4_000_000)  # more than one part of an upload
    assert there.has(blob.digest) and there.size(blob.digest) == blob.size == 20_000_000
    assert there.read(blob.digest) == here.read(blob.digest) == b"model" * 4_000_000
    assert there.path(blob.digest).is_file()
    assert there.put_bytes(b"model" * 4_000_000) == blob
    assert here.delete(blob.digest)
    assert not there.has(blob.digest)
    with pytest.raises(NotFound):
        there.size(blob.digest)


def test_a_changed_copy_is_fetched_anew_and_a_changed_object_is_told(opens: Opens) -> None:
    here, there, third = opens("here"), opens("there"), opens("third")
    blob = here.put_bytes(b"weights")
    copy = there.path(blob.digest)
    copy.chmod(0o600)
    copy.write_bytes(b"Weights")
    assert there.read(blob.digest) == b"weights"
    files, place = vars(here)["_files"], f"{vars(here)['_root']}/{blob.digest[:2]}/{blob.digest}"
    files.pipe_file(place, b"Weights")
    with pytest.raises(SystemError, match="was changed in"):
        third.read(blob.digest)
    assert here.read(blob.digest) == b"weights"  # its copy is right


def test_wrong_bytes_leave_nothing(opens: Opens) -> None:
    here = opens("here")
    with pytest.raises(Invalid, match="was announced"):
        here.put_stream([b"other"], expected="0" * 64)
    assert not here.has("0" * 64)


def test_a_server_keeps_its_artifacts_there(s3: tuple[str, subprocess.Popen[str]], tmp_path: Path) -> None:
    """What a run logs is in the bucket; without its copy the model is fetched, and the file can be downloaded."""
    options, _ = s3
    environment = {"MLBOX_ARTIFACT_STORE": "s3://bucket/server", "MLBOX_ARTIFACT_STORE_OPTIONS": options}
    write_files(tmp_path)
    server = Server(tmp_path / "home", environment=environment)
    try:
        script = "CREATE FUNCTION train FROM 'train.py'; RUN train AS fit; CREATE MODEL m FROM RUN fit"
        status, _, body = server.request("POST", "/sql", {"sql": script, "folder": str(tmp_path)})
        assert status == 200, body
        (found,) = server.sql("SELECT id, digest FROM ml.artifacts WHERE name = 'model'")[0]["rows"]
        server.stop()
        shutil.rmtree(tmp_path / "home" / "artifacts")
        server.start()
        assert server.sql("SELECT ml.predict('m', {'spent': 5.0})")[0]["rows"] == [[0.5]]
        status, _, content = server.request("GET", f"/artifacts/{found[0]}/content")
        assert (status, hashlib.sha256(content).hexdigest()) == (200, found[1])
        server.sql("RUN train")  # its code is fetched too
    finally:
        server.stop()


def test_a_store_that_is_away_acknowledges_nothing(tmp_path: Path) -> None:
    options = json.dumps({"key": "k", "secret": "s", "endpoint_url": "http://127.0.0.1:9"})
    store = store_at("s3://bucket/away", options, tmp_path / "here")
    with pytest.raises(Unavailable, match="cannot be used"):
        store.put_bytes(b"x")
    with pytest.raises(Invalid, match="Protocol not known"):
        store_at("nowhere://x", "", tmp_path / "here")
