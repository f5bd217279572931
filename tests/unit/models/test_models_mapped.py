"""Large models as files that processes share."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx_models
import pytest

from mlbox.engine.models.mapped import LARGE, MODEL, WEIGHTS, MappedModels
from mlbox.engine.models.sessions import OnnxSession, Sessions

ROWS = np.random.default_rng(1).normal(size=(7, 2)).astype(np.float32)


class Bytes:
    def __init__(self, content: bytes) -> None:
        self.content = content

    def read(self, digest: str) -> bytes:
        return self.content


@pytest.fixture(scope="module")
def wide() -> bytes:
    content = onnx_models.wide()
    assert len(content) > LARGE
    return content


def test_a_shared_model_says_exactly_what_the_model_says(tmp_path: Path, wide: bytes) -> None:
    sessions = Sessions(Bytes(wide))
    sessions.mapped = MappedModels(tmp_path / "mapped")
    shared = sessions.get("a" * 64)
    (folder,) = [path for path in (tmp_path / "mapped").iterdir() if path.is_dir()]
    assert (folder / WEIGHTS).stat().st_size >= len(wide) // 2
    assert (folder / MODEL).stat().st_size < len(wide) // 2
    (ours,), (own,) = shared.run({"X": ROWS}), OnnxSession(wide).run({"X": ROWS})
    np.testing.assert_array_equal(ours, own)
    assert str(folder / WEIGHTS) in Path("/proc/self/maps").read_text()
    again = Sessions(Bytes(wide))
    again.mapped = MappedModels(tmp_path / "mapped")
    before = (folder / WEIGHTS).stat().st_mtime_ns
    np.testing.assert_array_equal(again.get("a" * 64).run({"X": ROWS})[0], own)
    assert (folder / WEIGHTS).stat().st_mtime_ns == before


def test_processes_that_come_together_make_it_once(tmp_path: Path, wide: bytes) -> None:
    (tmp_path / "m.onnx").write_bytes(wide)
    text = (
        "import sys; from pathlib import Path; from mlbox.engine.models.mapped import MappedModels;"
        f"found = MappedModels(Path({str(tmp_path / 'mapped')!r})).find('b' * 64, Path(sys.argv[1]).read_bytes);"
        "print(found.stat().st_ino)"
    )
    started = [
        subprocess.Popen([sys.executable, "-c", text, str(tmp_path / "m.onnx")], stdout=subprocess.PIPE, text=True)
        for _ in range(3)
    ]
    assert len({process.communicate(timeout=120)[0] for process in started}) == 1
    assert all(process.returncode == 0 for process in started)


def test_what_shares_nothing_is_loaded_as_it_is(tmp_path: Path, wide: bytes) -> None:
    mapped = MappedModels(tmp_path / "mapped")
    assert mapped.find("c" * 64, lambda: onnx_models.scaled(1.0)) is None  # small
    assert not (tmp_path / "mapped").exists()
    assert mapped.find("d" * 64, lambda: b"\0" * (LARGE + 1)) is None  # no model: told by whoever loads the bytes
    (tmp_path / "file").write_text("")
    assert MappedModels(tmp_path / "file" / "mapped").find("e" * 64, lambda: wide) is None  # no place to write
    place = mapped.find("f" * 64, lambda: wide)
    assert place is not None
    place.write_bytes(b"broken")
    sessions = Sessions(Bytes(wide))
    sessions.mapped = mapped
    np.testing.assert_array_equal(sessions.get("f" * 64).run({"X": ROWS})[0], OnnxSession(wide).run({"X": ROWS})[0])
