"""Environments of user code: the host's Python, or one built by uv for a list of requirements and kept by its hash."""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import secrets
import selectors
import shutil
import subprocess
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.errors import Invalid
from mlbox.engine.runs.executors.base import Waste
from mlbox.engine.runs.executors.processes import kill_group, scrubbed_environment
from mlbox.engine.runs.interpreters import host_python, probe, satisfies
from mlbox.engine.runs.package_sources import PackageSources
from mlbox.engine.runs.uv import find_uv, uv_environment

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings
    from mlbox.engine.runs.executors.base import LogSink

_MARKER = "mlbox-environment.json"
_EXPLANATION_LINES = 12
_PATIENCE_SECONDS = 0.5
"""How often the sink is asked, while nothing happens, whether to go on."""


@dataclass(frozen=True, slots=True)
class Environment:
    """An interpreter that is ready. ``key`` is "host" or the hash that names the folder."""

    python: Path
    key: str
    reused: bool

    def has(self, module: str) -> bool:
        """Whether ``module`` can be imported there (asks the interpreter, some 20 ms)."""
        return module in probe(self.python, (module,)).modules


def requirement_name(requirement: str) -> str:
    """The distribution that a requirement line names, normalised: ``Scikit_Learn[x]>=1`` → ``scikit-learn``."""
    match = re.match(r"\s*([A-Za-z0-9][A-Za-z0-9._-]*)", requirement)
    return re.sub(r"[-_.]+", "-", match[1]).lower() if match else ""


class Environments:
    """Builds and finds environments below ``<home>/environments``. Safe from many threads and processes."""

    def __init__(self, home: Home, settings: Settings) -> None:
        self._folder = home.environments
        self._settings = settings

    def prepare(self, requirements: tuple[str, ...], python: str | None, sink: LogSink) -> Environment:
        """The environment of ``requirements``, building it when it is not there.

        ``python`` is a path, a version or a ``requires-python`` range; None takes the host's. Building is told to
        ``sink``; if that raises, building stops. Raises ``Invalid`` for a requirement that cannot be installed,
        with uv's explanation in ``details["explanation"]``; ``Unavailable`` when uv or Python is missing.
        """
        wanted = tuple(sorted({line.strip() for line in requirements if line.strip()}))
        interpreter = self._interpreter(python, needs_path=not wanted)
        if not wanted:
            return Environment(Path(interpreter), "host", True)
        key = self._key(wanted, interpreter)
        folder = self._folder / key
        if _usable(folder):
            return Environment(folder / "bin" / "python", key, True)
        self._folder.mkdir(parents=True, exist_ok=True)
        with _locked(self._folder / f"{key}.lock", sink):
            if _usable(folder):  # another run has built it meanwhile
                return Environment(folder / "bin" / "python", key, True)
            sink.write(f"building environment: {', '.join(wanted)}\n")
            self._build(folder, wanted, interpreter, sink)
        return Environment(folder / "bin" / "python", key, False)

    def _interpreter(self, python: str | None, needs_path: bool) -> str:
        """A path where the host has one that fits, else (for uv) the wish itself."""
        if python and (os.sep in python or python.startswith("~")):
            return str(host_python(python))
        host = host_python(self._settings.python)
        if not python or satisfies(probe(host).version, python):
            return str(host)
        if needs_path:
            plain = re.fullmatch(r"\s*(?:==|>=|~=)?\s*(3\.\d+)(?:\.\d+)?\s*", python)
            found = shutil.which(f"python{plain[1]}") if plain else None
            if found is None or not satisfies(probe(Path(found)).version, python):
                raise Invalid(
                    f"the function asks for Python {python}, the host's is {host}",
                    hint="add a requirement, so that an environment is built with that version, or install it",
                )
            return found
        return python

    @staticmethod
    def _key(requirements: tuple[str, ...], interpreter: str) -> str:
        identity = os.path.realpath(interpreter) if os.sep in interpreter else interpreter
        text = json.dumps([1, requirements, identity])
        return hashlib.sha256(text.encode()).hexdigest()[:20]

    def _build(self, folder: Path, requirements: tuple[str, ...], interpreter: str, sink: LogSink) -> None:
        uv = find_uv(self._settings.uv)
        for leftover in self._folder.glob(f".{folder.name}.*"):  # of a build that was killed
            shutil.rmtree(leftover, ignore_errors=True)
        building = self._folder / f".{folder.name}.{secrets.token_hex(4)}"
        try:
            # relocatable: the scripts must not hold the name of the temporary folder
            venv = [str(uv), "venv", "--quiet", "--relocatable", "--no-project", "--python", interpreter, str(building)]
            output = _run(venv, sink, {})
            if output is not None:
                raise Invalid(f"no environment with Python {interpreter} can be made", hint=output)
            install = [str(uv), "pip", "install", "--python", str(building / "bin" / "python"), *requirements]
            output = _run(install, sink, PackageSources.of(self._settings).uv_variables())
            if output is not None:
                raise _not_installable(requirements, output)
            body = {"requirements": requirements, "python": interpreter, "built_at": now().isoformat()}
            (building / _MARKER).write_text(json.dumps(body))
            if folder.exists():  # broken: its interpreter has gone
                os.replace(folder, self._folder / f".{folder.name}.broken{secrets.token_hex(4)}")
            os.replace(building, folder)
        finally:
            for leftover in self._folder.glob(f".{folder.name}.*"):
                shutil.rmtree(leftover, ignore_errors=True)


def _usable(folder: Path) -> bool:
    """Whether the environment is there; it is marked as used now."""
    marker = folder / _MARKER
    if not (marker.is_file() and (folder / "bin" / "python").exists()):
        return False
    with suppress(OSError):
        os.utime(marker)
    return True


def unused_environments(folder: Path, used: Collection[str], before: float) -> Iterator[Waste]:
    """Environments that no run of ``used`` (their keys) is in and that none was given since ``before`` (seconds)."""
    for path in sorted(folder.iterdir()) if folder.is_dir() else ():
        marker = path / _MARKER
        if path.name in used or not marker.is_file() or marker.stat().st_mtime >= before:
            continue
        size = sum(file.lstat().st_size for file in path.rglob("*") if not file.is_dir())
        body = json.loads(marker.read_text())
        why = f"of {', '.join(body.get('requirements', ()))}; not used for long"
        yield Waste("environment", path.name, why, size, partial(shutil.rmtree, path))


@contextmanager
def _locked(file: Path, sink: LogSink) -> Iterator[None]:
    """The build of one environment by one builder; the system frees the lock when its owner dies."""
    handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        told = False
        while True:
            try:
                fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except OSError:
                sink.write("" if told else "waiting for the same environment, which another run is building\n")
                told = True
                time.sleep(_PATIENCE_SECONDS / 5)
        yield
    finally:
        os.close(handle)


def _run(command: list[str], sink: LogSink, variables: Mapping[str, str]) -> str | None:
    """Run uv, telling its lines to ``sink``; None when it succeeded, else its explanation. ``variables`` win over what
    the host's pip and uv are told."""
    environment = uv_environment({**scrubbed_environment(os.environ), **variables})
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        stdin=subprocess.DEVNULL,
        env=environment,
        start_new_session=True,
    )
    lines: list[str] = []
    try:
        for line in _lines(process):
            kept = "" if line.startswith("Using Python ") else line
            if kept:
                lines.append(kept)
            sink.write(kept)
        status = process.wait()
    except BaseException:
        kill_group(process.pid, grace=1.0)
        raise
    finally:
        if process.stdout is not None:
            process.stdout.close()
        process.wait()
    return None if status == 0 else _explanation(lines)


def _lines(process: subprocess.Popen[bytes]) -> Iterator[str]:
    """Lines as they come; nothing ("") now and then in between, so that the reader can give up."""
    assert process.stdout is not None
    handle, rest = process.stdout.fileno(), b""
    with selectors.DefaultSelector() as selector:
        selector.register(handle, selectors.EVENT_READ)
        while True:
            if not selector.select(_PATIENCE_SECONDS):
                yield ""
                continue
            data = os.read(handle, 1 << 16)
            if not data:
                break
            *whole, rest = (rest + data).split(b"\n")
            for line in whole:
                yield line.decode(errors="replace") + "\n"
    if rest:
        yield rest.decode(errors="replace") + "\n"


def _explanation(lines: list[str]) -> str:
    """The words of uv from its first error on, without its decoration."""
    kept: list[str] = []
    for line in lines:
        text = re.sub(r"^[\s×╰├─▶│]*((error|cause|Caused by|hint):\s*)?", "", line.rstrip())
        if re.match(r"\s*(error:|×|╰|├|cause:|Caused by:|hint:)", line) or kept:
            kept.append(text)
    kept = kept or [line.strip() for line in lines[-_EXPLANATION_LINES:]]
    return "\n".join(line for line in kept[:_EXPLANATION_LINES] if line)


def _not_installable(requirements: tuple[str, ...], explanation: str) -> Invalid:
    """The error that names the requirements which uv blames."""
    text = explanation.lower()

    def said(line: str, pattern: str) -> bool:
        name = rf"(?<![\w.-]){re.escape(requirement_name(line))}(?![\w-])"
        return re.search(pattern.replace("NAME", name), text) is not None

    named = [line for line in requirements if said(line, "NAME")]
    missing = [line for line in named if said(line, r"NAME\S* (was|were) not found|no versions? of NAME")]
    blamed = missing or named or list(requirements)
    quoted = ", ".join(repr(line) for line in blamed)
    one = len(blamed) == 1
    return Invalid(
        f"requirement {quoted} cannot be installed" if one else f"requirements {quoted} cannot be installed together",
        hint=explanation,
        details={"explanation": explanation, "requirements": list(requirements)},
    )
