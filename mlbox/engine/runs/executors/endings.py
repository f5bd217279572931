"""How a run ended, as it stands in its folder: ``exit.json`` (what its process said, or what was seen from outside) and
``stop.json`` (that it was told to stop, and why). A server started later reads the same answers there."""

from __future__ import annotations

import json
import os
import time
from pathlib import Path
from typing import Any, Literal, cast

from mlbox.engine.runs.executors.base import Handle, State, Status
from mlbox.engine.runs.executors.processes import signal_name


def note_stop(folder: Path, why: Literal["cancelled", "timeout", "memory"]) -> None:
    """Keep that the run was told to stop; the first reason stays."""
    file = folder / "stop.json"
    if not file.exists():
        folder.mkdir(parents=True, exist_ok=True)
        write_json(file, {"why": why, "at": time.time()})


def must_stop(handle: Handle, grace: float) -> bool:
    """Whether a run that goes on is to be stopped now: it is past its time, or who stopped it died with the last
    server. ``handle`` has ``folder`` and ``deadline``."""
    folder = Path(handle["folder"])
    stop = read_json(folder / "stop.json")
    if stop is not None:
        return time.time() - float(stop.get("at", 0)) > grace + 2
    if handle["deadline"] is None or time.time() <= handle["deadline"]:
        return False
    note_stop(folder, "timeout")
    return True


def without_report(code: int | None) -> dict[str, Any]:
    """How a process ended that could not say so itself; a negative ``code`` is the number of a signal."""
    if code is None:
        state, reason = "interrupted", "the process ended without saying how (killed from outside, machine restart)"
    elif code < 0:
        reason, state = f"killed by signal {-code} ({signal_name(-code)})", "error"
        if signal_name(-code) == "SIGKILL":
            reason += "; out of memory?"
    else:
        reason, state = f"the process ended with status {code} before the handler did", "error"
    error = {"type": "ProcessEnded", "message": reason} if state == "error" else None
    return {"state": state, "exit_code": code, "reason": reason, "error": error, "by": "executor"}


def out_of_memory(limit: int | None, code: int | None) -> dict[str, Any]:
    """How a run ended that used more than ``limit`` bytes, or more than the machine has."""
    given = "" if limit is None else f" of {size_text(limit)}"
    reason = f"out of memory: the run used more than its limit{given} and was ended"
    return {
        "state": "error",
        "exit_code": code,
        "reason": reason,
        "error": {"type": "OutOfMemory", "message": reason},
    }


def size_text(size: int) -> str:
    """Bytes as people write them: ``100 MB``, ``512 MiB``, ``489 kB``."""
    for base, unit in ((1 << 30, "GiB"), (10**9, "GB"), (1 << 20, "MiB"), (10**6, "MB")):
        if size >= base and size % base == 0:
            return f"{size // base} {unit}"
    if size < 10**6:
        return f"{size:,} bytes" if size < 1000 else f"{round(size / 1e3):,} kB"
    return f"{round(size / 1e6, 1):,} MB"


def ended(handle: Handle, report: dict[str, Any], code: int | None) -> Status:
    """The last status: the report's, unless the run was stopped by us. ``handle`` has ``folder`` and
    ``timeout_seconds``."""
    state = cast(State, report.get("state", "error"))
    exit_code = report.get("exit_code", code)
    stop = read_json(Path(handle["folder"]) / "stop.json")
    if stop is None or state == "completed":
        error = report.get("error")
        reason = report.get("reason") or (error or {}).get("message")
        return Status(state, exit_code, reason, error)
    if stop.get("why") == "memory":
        told = out_of_memory(handle.get("memory"), exit_code)
        return Status("error", exit_code, told["reason"], told["error"])
    if stop.get("why") == "timeout":
        reason = f"timed out after {handle['timeout_seconds']:g} s; all its processes were ended"
        return Status("error", exit_code, reason, {"type": "Timeout", "message": reason})
    return Status("cancelled", exit_code, "cancelled")


def read_json(file: Path) -> dict[str, Any] | None:
    """The object in ``file``; None when there is none."""
    try:
        body = json.loads(file.read_text())
    except (OSError, ValueError):
        return None
    return body if isinstance(body, dict) else None


def write_json(file: Path, body: dict[str, Any]) -> None:
    """Replace ``file`` in one step."""
    temporary = file.with_suffix(".new")
    temporary.write_text(json.dumps(body, default=str))
    os.replace(temporary, file)
