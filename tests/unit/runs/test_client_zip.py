"""The client as a zip and as a folder."""

from __future__ import annotations

import shutil
import zipfile
from pathlib import Path

import pytest

import mlbox
from mlbox.engine.runs import client_zip as module
from mlbox.engine.runs.client_zip import client_folder, client_sources, client_zip


def test_the_zip_holds_the_client_and_nothing_else(tmp_path: Path) -> None:
    path = client_zip(tmp_path / "cache")
    names = zipfile.ZipFile(path).namelist()
    assert names == sorted(names)
    assert "mlbox/__init__.py" in names
    assert "mlbox/client/bootstrap.py" in names
    assert all(name == "mlbox/__init__.py" or name.startswith("mlbox/client/") for name in names)
    first = path.read_bytes()
    assert client_zip(tmp_path / "cache") == path
    path.unlink()
    assert client_zip(tmp_path / "cache").read_bytes() == first
    assert [entry.name for entry in (tmp_path / "cache").iterdir()] == [path.name]


def test_the_folder_holds_the_same(tmp_path: Path) -> None:
    folder = client_folder(tmp_path)
    assert folder == client_folder(tmp_path)
    found = {path.relative_to(folder).as_posix(): path.read_bytes() for path in folder.rglob("*.py")}
    assert found == client_sources()


def test_the_frozen_executable_takes_its_data(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    package = Path(mlbox.__file__).parent
    bundled = tmp_path / "bundle" / "mlbox_client" / "mlbox"
    shutil.copytree(package / "client", bundled / "client", ignore=shutil.ignore_patterns("__pycache__"))
    (bundled / "__init__.py").write_text("__version__ = 'of the bundle'\n")
    monkeypatch.setattr("sys._MEIPASS", str(tmp_path / "bundle"), raising=False)
    cached = (client_sources, module._digest)
    for function in cached:
        function.cache_clear()
    try:
        archive = zipfile.ZipFile(client_zip(tmp_path / "cache"))
    finally:
        for function in cached:
            function.cache_clear()
    assert archive.read("mlbox/__init__.py") == b"__version__ = 'of the bundle'\n"
