"""The client SDK as it goes on the path of the user's interpreter: a zip for elsewhere, a folder for this machine.

A folder, because Python compiles modules of a zip anew at every start; in a folder it keeps what it has compiled.
"""

from __future__ import annotations

import hashlib
import os
import secrets
import shutil
import sys
import zipfile
from functools import cache
from importlib.resources import files
from importlib.resources.abc import Traversable
from pathlib import Path

from mlbox.base.errors import Internal

START = ("-c", "from mlbox.client.bootstrap import main; main()")
"""What an interpreter is told that has the client on its path: ``-m`` would load a third more of the library."""


def client_zip(cache_folder: Path) -> Path:
    """``<cache>/client-<hash>.zip`` with ``mlbox/__init__.py`` and ``mlbox/client/**``; built when it is not there.
    The same sources give the same bytes."""
    sources = client_sources()
    target = cache_folder / f"client-{_digest()}.zip"
    if not target.is_file():
        cache_folder.mkdir(parents=True, exist_ok=True)
        temporary = cache_folder / f".client-{secrets.token_hex(6)}.zip"
        with zipfile.ZipFile(temporary, "w", zipfile.ZIP_DEFLATED) as archive:
            for name, data in sources.items():
                archive.writestr(zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0)), data, zipfile.ZIP_DEFLATED)
        os.replace(temporary, target)
    return target


def client_folder(cache_folder: Path) -> Path:
    """The same, unpacked: ``<cache>/client-<hash>``."""
    target = cache_folder / f"client-{_digest()}"
    if (target / "mlbox" / "__init__.py").is_file():
        return target
    building = cache_folder / f".client-{secrets.token_hex(6)}"
    for name, data in client_sources().items():
        file = building / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_bytes(data)
    try:
        os.rename(building, target)
    except OSError:  # another thread was first
        shutil.rmtree(building, ignore_errors=True)
    return target


def is_current(path: Path) -> bool:
    """Whether a copy in the cache is of the sources that there are."""
    return path.name.partition(".")[0] == f"client-{_digest()}"


@cache
def client_sources() -> dict[str, bytes]:
    """Name in the zip → source, sorted. In the frozen executable they are data below ``mlbox_client/``."""
    bundled = getattr(sys, "_MEIPASS", None)
    root: Traversable = Path(bundled) / "mlbox_client" / "mlbox" if bundled else files("mlbox")
    start = root.joinpath("__init__.py")
    if not start.is_file():
        raise Internal("the sources of the client SDK are missing from this build of mlbox")
    found = {"mlbox/__init__.py": start.read_bytes()}
    _collect(root.joinpath("client"), "mlbox/client", found)
    return dict(sorted(found.items()))


@cache
def _digest() -> str:
    digest = hashlib.sha256()
    for name, data in client_sources().items():
        digest.update(f"{name}\0{len(data)}\0".encode())
        digest.update(data)
    return digest.hexdigest()[:16]


def _collect(folder: Traversable, name: str, found: dict[str, bytes]) -> None:
    for entry in folder.iterdir():
        if entry.is_dir() and entry.name != "__pycache__":
            _collect(entry, f"{name}/{entry.name}", found)
        elif entry.name.endswith(".py"):
            found[f"{name}/{entry.name}"] = entry.read_bytes()
