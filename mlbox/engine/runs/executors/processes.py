"""Processes of the system: their environment, identity, and end. Linux first, nothing that rules out macOS."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path


def scrubbed_environment(environment: Mapping[str, str]) -> dict[str, str]:
    """``environment`` without what is ours: a frozen executable's library path and Python settings would make
    the user's interpreter load our libraries. What PyInstaller set aside (``…_ORIG``) is put back."""
    result: dict[str, str] = {}
    for name, value in environment.items():
        if name.startswith(("PYTHON", "_PYI", "_MEI", "MLBOX_")) or name in {"VIRTUAL_ENV", "CONDA_PREFIX"}:
            continue
        result[name] = value
    for name in ("LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "LIBPATH"):
        original = result.pop(f"{name}_ORIG", None)
        if original is not None:
            result[name] = original
        elif getattr(sys, "frozen", False):
            result.pop(name, None)
    return result


def thread_variables(cpu: float | None) -> dict[str, str]:
    """How numerical libraries are told to use no more threads than the run has processors."""
    if not cpu:
        return {}
    names = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "POLARS_MAX_THREADS")
    return dict.fromkeys(names, str(max(1, round(cpu))))


def start_time(pid: int) -> str | None:
    """A mark of the process's birth, so that a number given to another process later is told apart.
    None: there is no such process, or it is dead and only waits to be reaped."""
    try:
        # the name in parentheses may hold spaces and parentheses: count from the last one
        fields = Path(f"/proc/{pid}/stat").read_text(errors="replace").rpartition(")")[2].split()
    except FileNotFoundError:
        return None if Path("/proc/self/stat").exists() else _start_time_by_ps(pid)
    except (OSError, ValueError):
        return None
    return None if fields[0] in {"Z", "X"} else fields[19]


def _start_time_by_ps(pid: int) -> str | None:
    answer = subprocess.run(
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    ).stdout.strip()
    if not answer or answer.startswith("Z"):
        return None
    return answer.split(None, 1)[1]


def same_process(pid: int, born: str | None) -> bool:
    """Whether ``pid`` is alive and the process that was born then."""
    return born is not None and start_time(pid) == born


def members(group: int) -> list[int]:
    """Processes of the group, and of the session that its leader began, without zombies; nothing where there is no
    ``/proc``."""
    found = []
    for name in os.listdir("/proc") if os.path.exists("/proc/self/stat") else ():
        if name.isdigit():
            pid = int(name)
            with suppress(OSError):  # asking the system is a hundred times quicker than reading every file
                if group in (os.getpgid(pid), os.getsid(pid)) and start_time(pid) is not None:
                    found.append(pid)
    return found


def memory_of(processes: list[int], limit: int) -> int:
    """Bytes of memory that they use together. What they share is counted once, which is slow, so only when a quick
    look says that it may be more than ``limit``."""
    page = os.sysconf("SC_PAGE_SIZE")
    quick = exact = 0
    for pid in processes:
        with suppress(OSError, IndexError, ValueError):
            quick += int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * page
    if quick <= limit:
        return quick
    for pid in processes:
        with suppress(OSError, IndexError, ValueError):
            text = Path(f"/proc/{pid}/smaps_rollup").read_text()
            exact += int(text.partition("\nPss:")[2].split(None, 1)[0]) * 1024
    return exact


def group_alive(group: int) -> bool:
    """Whether a process of the group or its session is left that is not a zombie."""
    if Path("/proc/self/stat").exists():
        return bool(members(group))
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        pass
    return True


def kill_group(group: int, grace: float) -> None:
    """End a process group whole, with those of its session that have made groups of their own: ask (SIGTERM), wait up
    to ``grace`` seconds, then kill."""
    if group <= 1 or group == os.getpgrp() or not group_alive(group):
        return
    _signal(group, signal.SIGTERM)
    _signal(group, signal.SIGCONT)  # a stopped process would never see the request
    deadline = time.monotonic() + grace
    pause = 0.01
    while group_alive(group):
        if time.monotonic() >= deadline:
            _signal(group, signal.SIGKILL)
            return
        time.sleep(pause)
        pause = min(pause * 2, 0.2)


def _signal(group: int, number: int) -> None:
    with suppress(ProcessLookupError, PermissionError):
        os.killpg(group, number)
    for pid in members(group):
        with suppress(ProcessLookupError, PermissionError):
            if os.getpgid(pid) != group:
                os.kill(pid, number)


def signal_name(number: int) -> str:
    """``SIGKILL`` for 9; the number itself when it has no name."""
    try:
        return signal.Signals(number).name
    except ValueError:
        return str(number)
