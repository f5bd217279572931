"""Artifacts in an object store: an S3 server in a process of its own, and file systems of fsspec."""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from everything import write_files
from fresh_home import fresh_home
from real_server import Server
from s3_server import s3_server

from mlbox.app.house import House
from mlbox.base.errors import Invalid, NotFound, SystemError, Unavailable
from mlbox.base.settings import Settings
from mlbox.engine.runs.garbage_bytes import GarbageBytes
from mlbox.engine.storage.artifacts import ArtifactStore
from mlbox.engine.storage.remote import store_at

Opens = Callable[[str], ArtifactStore]


@pytest.fixture(scope="module")
def s3() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Options for a server with the bucket ``bucket``."""
    import s3fs

    with s3_server() as (address, process):
        options = {"key": "k", "secret": "s", "endpoint_url": address}
        s3fs.S3FileSystem(**options).mkdir("bucket")
        yield json.dumps(options), process


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
    files, root = vars(here)["_connected"]
    place = f"{root}/{blob.digest[:2]}/{blob.digest}"
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


def test_a_store_of_one_home_is_swept(opens: Opens, tmp_path: Path) -> None:
    """Objects tell their age; claims hold; another home at the same address is told, and so is a copy of this one."""
    here = opens("here")
    blobs = [here.put_bytes(b"%d" % number) for number in range(3)]
    listed = {kept.digest: (kept.size, abs(time.time() - kept.at) < 100) for kept in here.all()}
    assert listed == {blob.digest: (1, True) for blob in blobs}
    later = time.time() + 1
    assert not here.claims.is_claimed(blobs[1].digest, 0.0)
    assert here.claim(blobs[1].digest)
    assert not here.claims.sweep(blobs[1].digest, later - 100, here.delete)
    assert here.claims.sweep(blobs[0].digest, later, here.delete)
    assert not here.has(blobs[0].digest) and here.has(blobs[1].digest)
    assert opens("here").sharers() == []  # type: ignore[attr-defined]
    opens("there").put_bytes(b"of another home")
    (other,) = here.sharers()  # type: ignore[attr-defined]
    assert str(tmp_path) in other
    shutil.copytree(tmp_path / "here", tmp_path / "copy")
    shutil.copy(tmp_path / "here.store.json", tmp_path / "copy.store.json")
    assert len(opens("copy").sharers()) == 2  # type: ignore[attr-defined]


def test_a_server_sweeps_its_bucket_unless_others_use_it(s3: tuple[str, subprocess.Popen[str]], tmp_path: Path) -> None:
    options, _ = s3
    settings = Settings(artifact_store=f"s3://bucket/{tmp_path.name}", artifact_store_options=options)
    house = House.open(fresh_home(tmp_path / "home"), settings)
    other = store_at(settings.artifact_store, options, tmp_path / "other")
    try:
        kept = house.artifacts.put_bytes(b"0")
        old = [replace(each, at=each.at - 200_000) for each in house.artifacts.all()]
        garbage = GarbageBytes(house.catalog, house.artifacts, settings)
        house.artifacts.all = lambda: iter(old)  # type: ignore[method-assign]
        (waste,) = garbage.waste([])
        assert (waste.kind, waste.size) == ("artifact bytes", 1)
        other.put_bytes(b"1")
        (waste,) = garbage.waste([])
        assert waste.kind == "shared bytes" and f"{tmp_path} on" in waste.why
        waste.remove()
        assert house.artifacts.has(kept.digest)
    finally:
        house.close()
