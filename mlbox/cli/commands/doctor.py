"""``mlbox doctor``: is everything here that mlbox needs?"""

from __future__ import annotations

import argparse
import json
import os
import platform
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

from mlbox.base.errors import MlboxError
from mlbox.base.home import Home, HomeLock, find_home
from mlbox.base.settings import Settings
from mlbox.base.suggest import did_you_mean

HELP = "check this machine and the home, and say what to mend"


OTHER_VARIABLES = "home url without_ui chromium hypothesis python debug delivery_seconds run_id run_folder".split()
"""Variables that are no settings: the client's, and those of building and testing."""


class Finding(NamedTuple):
    """``level`` is ok, note or problem; only problems make the exit status 1."""

    name: str
    level: str
    text: str


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> int:
    """One line a check."""
    home = find_home(arguments.home)
    checks: list[Callable[[Home], Finding]] = [
        _system,
        _home,
        _space,
        _server,
        _uv,
        _python,
        _dashboard,
        _engines,
        _environment,
    ]
    findings = [check(home) for check in checks]
    if arguments.json:
        print(json.dumps([finding._asdict() for finding in findings], indent=2))
    else:
        for finding in findings:
            print(f"{finding.level:<8} {finding.name:<10} {finding.text}")
    return 1 if any(finding.level == "problem" for finding in findings) else 0


def _system(home: Home) -> Finding:
    form = "executable" if getattr(sys, "frozen", False) else f"Python {platform.python_version()}"
    return Finding("system", "ok", f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, {form}")


def _home(home: Home) -> Finding:
    if not home.path.exists():
        return Finding("home", "ok", f"{home.path} (not made yet; mlbox up makes it)")
    if not os.access(home.path, os.W_OK):
        return Finding("home", "problem", f"{home.path} cannot be written; choose another with --home DIR")
    if home.server() is not None:
        return Finding("home", "ok", f"{home.path}, owned by the server")
    lock = HomeLock(home)
    try:
        lock.acquire()
    except MlboxError as error:
        return Finding("home", "note", error.message)
    lock.release()
    return Finding("home", "ok", str(home.path))


def _space(home: Home) -> Finding:
    folder = next(path for path in (home.path, *home.path.parents) if path.exists())
    free = shutil.disk_usage(folder).free / 1e9
    level = "problem" if free < 0.5 else "note" if free < 5 else "ok"
    return Finding("space", level, f"{free:.1f} GB free")


def _server(home: Home) -> Finding:
    from mlbox.cli.door import request

    server = home.server()
    if server is None:
        return Finding("server", "note", "none runs on this home; mlbox up starts it")
    try:
        version = request(f"{server['url']}/health", None, timeout=5)["version"]
    except MlboxError as error:
        return Finding("server", "problem", error.message)
    return Finding("server", "ok", f"{server['url']} answers, version {version}")


def _uv(home: Home) -> Finding:
    from mlbox.engine.runs.uv import find_uv

    try:
        return Finding("uv", "ok", str(find_uv()))
    except MlboxError as error:
        return Finding("uv", "problem", f"{error.message}; functions with requirements cannot run")


def _python(home: Home) -> Finding:
    from mlbox.engine.runs.interpreters import host_python

    try:
        found = host_python("")
        return Finding("python", "ok", f"{found} runs your functions")
    except MlboxError as error:
        return Finding("python", "problem", f"{error.message}")


def _dashboard(home: Home) -> Finding:
    from mlbox.ui.assets import find_static

    found: Path | None = find_static()
    if found is None:
        return Finding("dashboard", "note", "its pages are not built; make ui builds them")
    return Finding("dashboard", "ok", "built")


def _engines(home: Home) -> Finding:
    from mlbox.engine.runs.executors.base import EXECUTORS

    return Finding("engines", "ok", ", ".join(EXECUTORS.names()))


def _environment(home: Home) -> Finding:
    """Variables that look like settings and are none are told, since nothing else would."""
    known = {f"MLBOX_{name}".upper() for name in (*Settings.__dataclass_fields__, *OTHER_VARIABLES)}
    unknown = sorted(name for name in os.environ if name.startswith("MLBOX_") and name not in known)
    if not unknown:
        return Finding("variables", "ok", "every MLBOX_.. variable is known")
    told = [f"{name} is no setting; {did_you_mean(name, known) or 'mlbox config lists them'}" for name in unknown]
    return Finding("variables", "note", "; ".join(told))
