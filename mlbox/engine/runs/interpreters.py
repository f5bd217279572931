"""Interpreters of the host: which Python runs the user's code, and what it can do."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.runs.executors.processes import scrubbed_environment

OLDEST = (3, 9)
"""The oldest Python that the client supports."""

_PROBE = (
    "import importlib.util as u, json, sys\n"
    "print(json.dumps([list(sys.version_info[:3]), [n for n in sys.argv[1:] if u.find_spec(n)]]))"
)


@dataclass(frozen=True, slots=True)
class Interpreter:
    """An interpreter that answers, and those of the asked modules that it can import."""

    path: Path
    version: tuple[int, int, int]
    modules: frozenset[str]


def probe(path: Path, modules: tuple[str, ...] = ()) -> Interpreter:
    """Ask the interpreter at ``path``; raises ``Invalid`` when it does not answer or is too old."""
    environment = scrubbed_environment(os.environ)
    try:
        # not isolated: what the user's site and .pth files give is what the run will see
        command = [str(path), "-c", _PROBE, *modules]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, env=environment, check=False)
        version, found = json.loads(done.stdout.splitlines()[-1])
    except (OSError, subprocess.TimeoutExpired, ValueError, IndexError) as error:
        raise Invalid(f"{path} is not a Python that answers: {error}", hint="correct the setting python") from None
    if tuple(version[:2]) < OLDEST:
        raise Invalid(
            f"{path} is Python {'.'.join(map(str, version))}; functions need 3.9 or later",
            hint="name a newer one with the setting python",
        )
    return Interpreter(path, (version[0], version[1], version[2]), frozenset(found))


def host_python(configured: str = "") -> Path:
    """The interpreter of functions without requirements: the configured one, our own when we are not frozen,
    else the newest on PATH."""
    if configured:
        found = shutil.which(os.path.expanduser(configured))
        if found is None:
            raise Invalid(f"the Python of the settings is not there: {configured}", hint="correct the setting python")
        return Path(found)
    if not getattr(sys, "frozen", False):
        return Path(sys.executable)
    return _on_path()


def _on_path() -> Path:
    ourselves = Path(sys.executable).resolve()
    names = ["python3", "python", *(f"python3.{minor}" for minor in range(20, OLDEST[1] - 1, -1))]
    for name in names:
        found = shutil.which(name)
        if found is None or Path(found).resolve() == ourselves:
            continue
        try:
            probe(Path(found))
        except Invalid:
            continue
        return Path(found)
    raise Unavailable(
        "no Python 3.9 or later was found on PATH to run the function",
        hint="install one, or name it with the setting python (MLBOX_PYTHON=/path/to/python3)",
    )


def satisfies(version: tuple[int, int, int], wanted: str) -> bool:
    """Whether ``version`` meets a ``requires-python`` (``>=3.10,<3.13``) or a plain version (``3.12``)."""
    for part in wanted.split(","):
        match = re.fullmatch(r"\s*(>=|<=|==|!=|~=|>|<)?\s*([0-9]+(?:\.[0-9]+)*)(?:\.\*)?\s*", part)
        if not match:
            return False
        operator, numbers = match[1] or "==", tuple(int(number) for number in match[2].split("."))
        if not _compare(version, operator, numbers):
            return False
    return True


def _compare(version: tuple[int, ...], operator: str, wanted: tuple[int, ...]) -> bool:
    prefix = version[: len(wanted)]
    padded = wanted + (0,) * (3 - len(wanted))
    if operator == "~=":
        return version >= padded and prefix[:-1] == wanted[:-1]
    answers = {
        "==": prefix == wanted,
        "!=": prefix != wanted,
        ">=": version >= padded,
        "<=": version <= padded,
        ">": version > padded,
        "<": version < padded,
    }
    return answers[operator]
