"""What runs inside a Dask worker on behalf of a run, sent there as text: starts the process of the run, looks after it,
reads its output. Standard library and ``distributed`` alone.

The task holds a thread of its worker, so that a cluster takes no more runs than it has threads. It gives the thread
back when the run asks for a client, since its own tasks need one.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from typing import Any, Dict, List, Optional, Tuple

GRACE_SECONDS = 5.0
OUTPUT, STOP, CLIENT = "output.log", "stop", "wants-client"
_PAUSE_SECONDS = 0.1


def supervise(order: Dict[str, Any]) -> Dict[str, Any]:
    """The task: the process from its start to its end; how it ended. ``order`` has ``folder``, ``launcher``,
    ``variables``, ``name`` and ``memory`` and ``cpu`` (or None). Never raises: Dask would log the arguments."""
    try:
        return _supervise(order)
    except BaseException as error:
        return _told("NotStarted", "the run could not be started on the Dask worker: %r" % (error,))


def _supervise(order: Dict[str, Any]) -> Dict[str, Any]:
    from distributed import Variable, get_client, get_worker

    worker, folder = get_worker(), order["folder"]
    place = Variable(order["name"], client=get_client())
    if not _is_first(place):
        if os.path.isdir(folder):  # the same machine: what it wrote can be read, and removed, from here
            place.set(worker.address)
        return _told("WorkerLost", "the Dask worker that the run was on has gone")
    place.set(worker.address)
    shutil.rmtree(folder, ignore_errors=True)
    os.mkdir(folder, 0o700)
    variables = dict(os.environ)
    paths = [order["variables"].get("PYTHONPATH", ""), variables.get("PYTHONPATH", "")]
    variables.update(order["variables"])
    variables["PYTHONPATH"] = os.pathsep.join(path for path in paths if path)
    variables["MLBOX_DASK_SCHEDULER"] = worker.scheduler.address
    with open(os.path.join(folder, OUTPUT), "ab") as output:
        process = subprocess.Popen(
            [sys.executable, "-c", order["launcher"]],
            cwd=folder,
            env=variables,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    _give_processors(process.pid, order.get("cpu"))
    memory = _watch(process, folder, order.get("memory"))
    end_all(process.pid)
    report = _read_json(os.path.join(folder, "run", "exit.json"))
    if report is None:
        report = {"state": None}
    return {**report, "code": process.returncode, "memory": memory, "by": "worker"}


def _is_first(place: Any) -> bool:
    """Whether the run was not started before: Dask starts a task again when its worker is lost."""
    try:
        place.get(timeout="0.2s")
        return False
    except Exception:  # a time-out, of a kind that depends on the version
        return True


def _watch(process: Any, folder: str, memory: Optional[int]) -> bool:
    """Wait for the end of the process; whether it was ended for its memory."""
    from distributed import secede

    stopped_at: Optional[float] = None
    gave_back = False
    while True:
        try:
            process.wait(_PAUSE_SECONDS)
            return False
        except subprocess.TimeoutExpired:
            pass
        if stopped_at is None and os.path.exists(os.path.join(folder, STOP)):
            stopped_at = time.monotonic()
            _signal(process.pid, signal.SIGTERM)
            _signal(process.pid, signal.SIGCONT)
        if stopped_at is not None and time.monotonic() - stopped_at > GRACE_SECONDS:
            end_all(process.pid)
        if memory and _memory_of(members(process.pid)) > memory:
            end_all(process.pid)
            process.wait()
            return True
        if not gave_back and os.path.exists(os.path.join(folder, "run", CLIENT)):
            gave_back = True
            secede()


def read(folder: str, offset: int, size: int) -> Tuple[bytes, bool]:
    """Output from ``offset`` on; False: there is no such run here."""
    try:
        with open(os.path.join(folder, OUTPUT), "rb") as file:
            file.seek(offset)
            return file.read(size), True
    except OSError:
        return b"", False


def stop(folder: str) -> bool:
    """Ask that the run be ended; whether there is such a run here."""
    if not os.path.isdir(folder):
        return False
    with open(os.path.join(folder, STOP), "w"):
        return True


def remove(folder: str) -> bool:
    """Take away what was kept of an ended run."""
    shutil.rmtree(folder, ignore_errors=True)
    return True


def members(session: int) -> List[int]:
    """Processes of a session, without zombies."""
    found = []
    for entry in os.listdir("/proc") if os.path.exists("/proc/self/stat") else ():
        if entry.isdigit():
            try:
                with open("/proc/%s/stat" % entry, errors="replace") as file:
                    fields = file.read().rpartition(")")[2].split()
                if session in (int(fields[2]), int(fields[3])) and fields[0] not in ("Z", "X"):
                    found.append(int(entry))
            except (OSError, IndexError, ValueError):
                continue
    return found


def end_all(session: int) -> None:
    """Kill every process of a session."""
    _signal(session, signal.SIGKILL)


def _signal(session: int, number: int) -> None:
    for act, target in [(os.killpg, session)] + [(os.kill, pid) for pid in members(session)]:
        try:
            act(target, number)
        except (ProcessLookupError, PermissionError):
            pass


def _memory_of(processes: List[int]) -> int:
    """Bytes that they use together; what they share is counted for each."""
    total = 0
    for pid in processes:
        try:
            with open("/proc/%d/statm" % pid) as file:
                fields = file.read().split()
            total += (int(fields[1]) - int(fields[2])) * os.sysconf("SC_PAGE_SIZE")
        except (OSError, IndexError, ValueError):
            continue
    return total


def _give_processors(pid: int, cpu: Optional[float]) -> None:
    if not cpu or not hasattr(os, "sched_setaffinity"):
        return
    import math
    import random

    allowed = sorted(os.sched_getaffinity(0))
    try:
        os.sched_setaffinity(pid, random.sample(allowed, min(len(allowed), math.ceil(cpu))))
    except OSError:  # it has ended already
        pass


def _told(kind: str, reason: str) -> Dict[str, Any]:
    error = {"type": kind, "message": reason}
    return {"state": "error", "exit_code": None, "reason": reason, "error": error, "code": None, "memory": False}


def _read_json(file: str) -> Optional[Dict[str, Any]]:
    try:
        with open(file, encoding="utf-8") as text:
            return dict(json.load(text))
    except (OSError, ValueError):
        return None
