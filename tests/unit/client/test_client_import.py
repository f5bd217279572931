"""What `import mlbox` costs, and on which interpreters the client works."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import mlbox
from mlbox.engine.runs.client_zip import START, client_folder, client_zip


def run(python: Path | str, code: str, path: Path) -> str:
    environment = {**os.environ, "PYTHONPATH": str(path), "PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run([str(python), "-c", code], capture_output=True, text=True, env=environment, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return done.stdout


def imported(code: str, path: Path) -> set[str]:
    environment = {**os.environ, "PYTHONPATH": str(path)}
    command = [sys.executable, "-X", "importtime", "-c", code]
    lines = subprocess.run(
        command, capture_output=True, text=True, env=environment, check=True, cwd=path.parent
    ).stderr.splitlines()
    return {line.rpartition("|")[2].strip() for line in lines if line.startswith("import time:")}


def test_import_loads_nothing_but_itself(tmp_path: Path) -> None:
    path = client_folder(tmp_path)
    assert imported("import mlbox", path) - imported("pass", path) == {"mlbox", "__future__"}


def test_the_start_of_a_run_loads_no_library_of_frames_and_no_inspection(tmp_path: Path) -> None:
    path = client_folder(tmp_path)
    loaded = imported("import mlbox.client.bootstrap", path)
    assert "mlbox.client.outbox" in loaded
    assert not {"numpy", "pandas", "pyarrow", "asyncio", "logging", "inspect", "zipfile", "urllib.request"} & loaded


def test_a_run_that_logs_nothing_loads_next_to_nothing_of_the_standard_library(tmp_path: Path) -> None:
    path = client_folder(tmp_path)
    (tmp_path / "job.py").write_text("def job(ctx, depth: int = 3):\n    pass\n")
    spec = {"run_id": "r1", "file": "job.py", "handler": "job", "parameters": {"depth": 4}}
    (tmp_path / "spec.json").write_text(json.dumps(spec))
    environment = {
        **os.environ,
        "PYTHONPATH": str(path),
        "MLBOX_RUN_ID": "r1",
        "MLBOX_RUN_FOLDER": str(tmp_path),
        "MLBOX_CODE_FOLDER": str(tmp_path),
        "MLBOX_SPOOL": "collected",
    }
    told = "import atexit, sys; atexit.register(lambda: print(*sys.modules)); "
    command = [sys.executable, START[0], told + START[1]]
    done = subprocess.run(command, capture_output=True, text=True, env=environment, cwd=tmp_path, check=True)
    assert json.loads((tmp_path / "exit.json").read_text())["state"] == "completed", done.stderr
    bare = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, env=environment, check=True)
    loaded = set(done.stdout.split()) - set(bare.stdout.split())
    assert "job" in loaded
    assert not loaded & {"typing", "json", "re", "enum", "functools", "collections", "threading", "signal", "inspect"}
    assert not (tmp_path / "spool").exists()


def test_every_public_name_is_there_and_listed() -> None:
    for name in mlbox.__all__:
        assert getattr(mlbox, name) is not None
    assert set(mlbox.__all__) <= set(dir(mlbox))
    listed = {name for names in mlbox._MODULES.values() for name in names}
    assert listed | {"__version__"} == set(mlbox.__all__)


def test_an_unknown_name_is_an_attribute_error() -> None:
    assert not hasattr(mlbox, "no_such_thing")


def test_works_from_the_zip_on_other_interpreters(other_python: Path, tmp_path: Path) -> None:
    code = (
        "import mlbox, pkgutil, importlib\n"
        "[getattr(mlbox, name) for name in mlbox.__all__]\n"
        "import mlbox.client\n"
        "names = [m.name for m in pkgutil.iter_modules(mlbox.client.__path__)]\n"
        "[importlib.import_module('mlbox.client.' + name) for name in names]\n"
        "print(len(names), mlbox.__version__, '.zip' in mlbox.__file__)"
    )
    count, version, zipped = run(other_python, code, client_zip(tmp_path)).split()
    assert int(count) >= 12
    assert (version, zipped) == (mlbox.__version__, "True")


PACKED = """
import pathlib, sys, tempfile
import mlbox
from mlbox.client.packing import Wanted, packed
from mlbox.client.unpacking import file_of, unpack

class Board:
    def __init__(self, cells):
        self.cells = cells

@mlbox.packager(Board, hint="board")
class Boards:
    def pack(self, value, folder):
        (folder / "b").mkdir()
        (folder / "b" / "cells.txt").write_text(value.cells)
        return folder / "b"
    def unpack(self, path):
        return Board((path / "cells.txt").read_text())

place = pathlib.Path(tempfile.mkdtemp(dir="."))
given = (("board", Board("ab"), "board"), ("set", {2, 1}, None), ("text", "x", "document"), ("any", 1j, "object"))
for name, value, kind in given:
    with packed(name, value, Wanted(kind)) as payload:
        data = payload.content if isinstance(payload.content, bytes) else open(payload.content, "rb").read()
    (place / name).write_bytes(data)
    back = unpack(name, payload._asdict(), file_of(payload._asdict(), str(place / name)))
    print(back.cells if name == "board" else back, end=" ")
"""


def test_packagers_work_on_other_interpreters(other_python: Path, tmp_path: Path) -> None:
    assert run(other_python, PACKED, client_zip(tmp_path)).split() == ["ab", "{1,", "2}", "x", "1j"]


def test_outside_of_a_run_the_logging_calls_say_what_to_do(tmp_path: Path) -> None:
    code = "import mlbox\ntry: mlbox.log_metric('a', 1)\nexcept mlbox.MlboxClientError as error: print(error)"
    said = run(sys.executable, "import os; os.environ.pop('MLBOX_RUN_ID', None)\n" + code, client_folder(tmp_path))
    assert "not a run of mlbox" in said
    assert "CREATE FUNCTION" in said
