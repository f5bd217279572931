"""What a process of user code is started from: interpreter, files, variables."""

from __future__ import annotations

import hashlib
import json
import os
import re
import subprocess
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.engine.runs.client_zip import client_folder
from mlbox.engine.runs.environments import Environments, requirement_name
from mlbox.engine.runs.executors.processes import scrubbed_environment, thread_variables
from mlbox.engine.runs.interpreters import host_python

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

_VERSIONS = (
    "import importlib.metadata as m, json, sys\nfound = {}\n"
    "for name in sys.argv[1:]:\n"
    "    try: found[name] = m.version(name)\n"
    "    except m.PackageNotFoundError: pass\n"
    "print(json.dumps([list(sys.version_info[:2]), found]))"
)


@dataclass(frozen=True, slots=True)
class Launch:
    """Code or a model, with what it needs. Two of the same ``key`` are the same process."""

    name: str
    """For people: ``function p.f@2``, ``model p.m@3``."""
    spec: Mapping[str, Any]
    """What the process is told first; see ``mlbox.client.serving``."""
    requirements: tuple[str, ...] = ()
    python: str | None = None
    variables: Mapping[str, str] = field(default_factory=dict, repr=False)
    cpu: float | None = None
    memory: int | None = None
    log: str = ""
    """Id of the log that its output goes to."""
    project: str = ""
    """Whose endpoint it is for."""

    @property
    def key(self) -> str:
        """A hash of all of it."""
        parts = [self.name, dict(self.spec), self.requirements, self.python, dict(self.variables), self.cpu]
        text = json.dumps([*parts, self.memory, self.log, self.project], sort_keys=True, default=str)
        return hashlib.sha256(text.encode()).hexdigest()


class _Telling:
    """Writes what the building of an environment says to a log."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def write(self, text: str) -> None:
        """Append."""
        if text:
            with self._path.open("a", encoding="utf-8") as file:
                file.write(text)


class Places:
    """Makes ready what a launch needs."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self.home = home
        self._settings = settings
        self._environments = Environments(home, settings)

    def log(self, identifier: str) -> Path:
        """The file of a log."""
        return self.home.logs / f"{identifier}.log"

    def interpreter(self, launch: Launch) -> Path:
        """An interpreter with the requirements: the host's where it has the very versions, else a built one."""
        if launch.requirements and self._host_has(launch):
            return host_python(self._settings.python)
        log = _Telling(self.log(launch.log))
        return self._environments.prepare(launch.requirements, launch.python, log).python

    def variables(self, launch: Launch) -> dict[str, str]:
        """Those of the process."""
        variables = scrubbed_environment(os.environ)
        variables.update(thread_variables(launch.cpu or 1))
        variables.update(launch.variables)
        path = [str(client_folder(self.home.cache)), launch.variables.get("PYTHONPATH", "")]
        variables.update(PYTHONPATH=os.pathsep.join(filter(None, path)), PYTHONUNBUFFERED="1", PYTHONIOENCODING="utf-8")
        if launch.memory:
            variables["MLBOX_MEMORY_LIMIT"] = str(launch.memory)
        return variables

    def _host_has(self, launch: Launch) -> bool:
        wanted = {}
        for line in launch.requirements:
            match = re.fullmatch(r"\s*([A-Za-z0-9._-]+)\s*==\s*([^\s;,*]+)\s*", line)
            if match is None:
                return False
            wanted[requirement_name(match[1])] = match[2]
        host = host_python(self._settings.python)
        command = [str(host), "-c", _VERSIONS, *wanted]
        environment = scrubbed_environment(os.environ)
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
            version, found = json.loads(done.stdout.splitlines()[-1])
        except (OSError, subprocess.TimeoutExpired, ValueError, IndexError):
            return False
        same_python = launch.python is None or launch.python == ".".join(map(str, version))
        return same_python and found == wanted
