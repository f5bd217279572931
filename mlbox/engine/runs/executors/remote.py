"""What every executor needs whose runs start where there is nothing of ours: a launcher that fetches the client from
the run API, and the variables that the client reads."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from mlbox.engine.runs.client_zip import START
from mlbox.engine.runs.executors.base import RunSpec
from mlbox.engine.runs.executors.processes import thread_variables
from mlbox.engine.runs.package_sources import PackageSources

if TYPE_CHECKING:
    from mlbox.base.settings import Settings

FOLDER = PurePosixPath("/tmp/mlbox")
"""Everything of ours over there; the user may write to ``/tmp`` whoever he is."""
RUN_FOLDER = FOLDER / "run"

LAUNCHER = """
import io, os, sys, time, urllib.error, urllib.request, zipfile
address = "%s/run-api/%s/client" % (os.environ["MLBOX_URL"].rstrip("/"), os.environ["MLBOX_RUN_ID"])
request = urllib.request.Request(address, headers={"Authorization": "Bearer " + os.environ["MLBOX_TOKEN"]})
opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
stop_by = time.monotonic() + 120
while True:
    try:
        body = opener.open(request, timeout=30).read()
        break
    except OSError as error:
        if time.monotonic() > stop_by or 400 <= getattr(error, "code", 0) < 500:
            sys.exit("mlbox: %s cannot be reached from here: %s" % (address, error))
        time.sleep(0.25)
zipfile.ZipFile(io.BytesIO(body)).extractall(os.path.join(os.environ["MLBOX_REMOTE_FOLDER"], "client"))
requirements = os.environ.pop("MLBOX_REQUIREMENTS", "").split("\\n")
if requirements != [""]:
    import importlib.util, shutil, subprocess
    packages = os.path.join(os.environ["MLBOX_REMOTE_FOLDER"], "packages")
    uv = shutil.which("uv") or shutil.which("uv", path=os.path.dirname(sys.executable))
    install = [uv, "pip", "install", "--python"] if uv and not importlib.util.find_spec("pip") else []
    install = install + [sys.executable] if install else [sys.executable, "-m", "pip", "install"]
    if subprocess.run(install + ["--quiet", "--target", packages] + requirements).returncode:
        sys.exit("mlbox: the requirements cannot be installed here: " + ", ".join(requirements))
os.makedirs(os.environ["MLBOX_RUN_FOLDER"], exist_ok=True)
os.chdir(os.environ["MLBOX_RUN_FOLDER"])
os.execv(sys.executable, [sys.executable, *START])
""".strip().replace("*START", ", ".join(map(repr, START)))
"""Python 3.9 without anything installed; no proxy, since the server is ours."""

COMMAND = ("python3", "-c", LAUNCHER)


def remote_variables(spec: RunSpec, folder: PurePosixPath = FOLDER) -> dict[str, str]:
    """The environment of a run elsewhere, where everything of ours is in ``folder``: the user's, then ours."""
    variables = thread_variables(spec.resources.cpu)
    variables.update(spec.environment)
    path = [str(folder / "client"), str(folder / "packages"), spec.environment.get("PYTHONPATH", "")]
    variables.update(
        PYTHONPATH=os.pathsep.join(filter(None, path)),
        PYTHONUNBUFFERED="1",
        PYTHONIOENCODING="utf-8",
        MLBOX_URL=spec.url,
        MLBOX_TOKEN=spec.token,
        MLBOX_RUN_ID=spec.run_id,
        MLBOX_REMOTE_FOLDER=str(folder),
        MLBOX_RUN_FOLDER=str(folder / RUN_FOLDER.name),
    )
    return variables


def install_variables(spec: RunSpec, settings: Settings) -> dict[str, str]:
    """What the launcher installs first, and from where. Files of this machine are not over there."""
    if not spec.requirements:
        return {}
    sources = PackageSources.of(settings).container_variables("")
    found = {name: value for name, value in sources.items() if not value.startswith("/")}
    return {**found, "MLBOX_REQUIREMENTS": "\n".join(spec.requirements)}
