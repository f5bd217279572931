from __future__ import annotations

import hashlib
import io
import threading
from pathlib import Path

import pytest

from mlbox.base.errors import Invalid, NotFound, SystemError, Unavailable
from mlbox.engine.storage.artifacts import ArtifactStore


@pytest.fixture
def store(tmp_path: Path) -> ArtifactStore:
    return ArtifactStore(tmp_path / "artifacts")


def incoming(store: ArtifactStore) -> list[Path]:
    return list(store.path("0" * 64).parent.parent.joinpath("incoming").iterdir())


def test_bytes_come_back_by_their_hash(store: ArtifactStore) -> None:
    blob = store.put_bytes(b"hello")
    assert blob.digest == hashlib.sha256(b"hello").hexdigest()
    assert blob.size == store.size(blob.digest) == 5
    assert store.read(blob.digest) == b"hello"
    assert store.path(blob.digest).read_bytes() == b"hello"


def test_a_stream_a_file_and_chunks_are_the_same_bytes(store: ArtifactStore, tmp_path: Path) -> None:
    data = bytes(range(256)) * 10_000
    (tmp_path / "file").write_bytes(data)
    blobs = {
        store.put_stream(io.BytesIO(data)),
        store.put_stream(iter([data[:7], b"", data[7:]])),
        store.put_path(tmp_path / "file"),
    }
    assert len(blobs) == 1
    assert store.read(blobs.pop().digest) == data


def test_empty_bytes_are_an_artifact(store: ArtifactStore) -> None:
    assert store.read(store.put_bytes(b"").digest) == b""


def test_an_announced_hash_must_be_right_and_nothing_stays_otherwise(store: ArtifactStore) -> None:
    wrong = hashlib.sha256(b"other").hexdigest()
    with pytest.raises(Invalid, match="announced"):
        store.put_stream((b"hello",), expected=wrong)
    assert not store.has(wrong)
    assert not store.has(hashlib.sha256(b"hello").hexdigest())
    assert incoming(store) == []


def test_a_stream_that_breaks_leaves_nothing(store: ArtifactStore) -> None:
    def broken() -> object:
        yield b"half"
        raise ConnectionResetError("gone")

    with pytest.raises(ConnectionResetError):
        store.put_stream(broken())
    assert incoming(store) == []


def test_bytes_changed_on_disk_are_told(store: ArtifactStore) -> None:
    blob = store.put_bytes(b"hello")
    assert store.read(blob.digest) == b"hello"
    path = store.path(blob.digest)
    path.chmod(0o600)
    path.write_bytes(b"hullo, longer")
    with pytest.raises(SystemError, match="changed on disk"):
        store.open(blob.digest)


def test_missing_bytes_and_wrong_names(store: ArtifactStore, tmp_path: Path) -> None:
    with pytest.raises(NotFound):
        store.open("a" * 64)
    with pytest.raises(NotFound):
        store.size("a" * 64)
    for wrong in ("", "../../etc/passwd", "A" * 64, "a" * 63, "a" * 64 + "\n"):
        with pytest.raises(Invalid):
            store.path(wrong)
    with pytest.raises(NotFound, match="nowhere"):
        store.put_path(tmp_path / "nowhere")


def test_delete(store: ArtifactStore) -> None:
    blob = store.put_bytes(b"hello")
    assert store.delete(blob.digest)
    assert not store.delete(blob.digest)
    assert not store.has(blob.digest)
    assert store.put_bytes(b"hello") == blob
    assert store.read(blob.digest) == b"hello"


def test_a_full_disk_is_told_as_such(store: ArtifactStore) -> None:
    writer = store.writer()
    try:
        writer._file.close()
        writer._file = open("/dev/full", "wb", buffering=0)  # noqa: SIM115 - the kernel's own full disk
        with pytest.raises(Unavailable, match="full"):
            writer.write(b"x" * 10)
    finally:
        writer.discard()
    assert incoming(store) == []


def test_many_writers_of_the_same_bytes(store: ArtifactStore) -> None:
    data = b"x" * 300_000
    digests: list[str] = []
    threads = [threading.Thread(target=lambda: digests.append(store.put_bytes(data).digest)) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(digests) == 8 and len(set(digests)) == 1
    assert store.read(digests[0]) == data
    assert incoming(store) == []
