"""The SDK's wheel: installers accept it, and it holds the SDK alone."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[3]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("wheel")
    subprocess.run([sys.executable, ROOT / "packaging/client_wheel.py", folder], check=True, capture_output=True)
    (made,) = folder.glob("*.whl")
    return made


def test_holds_the_client_alone(wheel: Path) -> None:
    names = [name for name in zipfile.ZipFile(wheel).namelist() if ".dist-info/" not in name]
    assert "mlbox/__init__.py" in names
    assert "mlbox/client/bootstrap.py" in names
    assert [name for name in names if name != "mlbox/__init__.py" and not name.startswith("mlbox/client/")] == []


def test_same_sources_give_the_same_bytes(wheel: Path, tmp_path: Path) -> None:
    subprocess.run([sys.executable, ROOT / "packaging/client_wheel.py", tmp_path], check=True, capture_output=True)
    assert (tmp_path / wheel.name).read_bytes() == wheel.read_bytes()


def test_installs_and_imports(wheel: Path, tmp_path: Path) -> None:
    """uv checks name, version and every hash of the record."""
    import uv

    target = tmp_path / "site"
    command = [uv.find_uv_bin(), "pip", "install", "--offline", "--no-deps", "--target", target, wheel]
    subprocess.run([*command, "--python", sys.executable], check=True, capture_output=True)
    code = (
        f"import sys; sys.path.insert(0, {str(target)!r}); import mlbox; "
        "print(mlbox.__file__, callable(mlbox.log_metric), [name for name in sys.modules if name == 'duckdb'])"
    )
    told = subprocess.run([sys.executable, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
    assert told.split() == [str(target / "mlbox" / "__init__.py"), "True", "[]"]
