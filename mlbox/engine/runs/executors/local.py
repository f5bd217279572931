"""Runs on this machine: a process of the environment's Python, in a session of its own, so that it outlives the server.

What is known of a run lies in its folder: ``exit.json`` (how it ended) and ``stop.json`` (that and why it was told to
stop), so that a server started later gives the same answers.
"""

from __future__ import annotations

import json
import os
import subprocess
import threading
import time
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from mlbox.base.errors import Invalid, Unavailable
from mlbox.engine.runs.client_zip import START, client_folder
from mlbox.engine.runs.csv_inputs import as_csv
from mlbox.engine.runs.environments import Environment, Environments, requirement_name
from mlbox.engine.runs.executors.base import EXECUTORS, Capabilities, Handle, LogSink, RunSpec, Status
from mlbox.engine.runs.executors.control_groups import ControlGroup
from mlbox.engine.runs.executors.endings import ended, note_stop, out_of_memory, read_json, without_report, write_json
from mlbox.engine.runs.executors.ends import Ends
from mlbox.engine.runs.executors.processes import (
    kill_group,
    members,
    memory_of,
    same_process,
    scrubbed_environment,
    start_time,
    thread_variables,
)
from mlbox.engine.runs.executors.processors import Processors

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings

GRACE_SECONDS = 5.0
"""From the request to stop until the process group is killed."""

_DELIVERY_SECONDS = "3"
"""A run that ends while the server is away need not wait for it: the server reads the spool from the run's folder."""

_LOG_CHUNK = 1 << 20


class LocalExecutor:
    """Subprocesses of this machine.

    Where the system permits it, a run and all that it starts are in a control group that bounds their memory and
    their share of the processors, and that is ended whole. Limits that need no privilege hold besides: ``memory`` is
    the data size of each process of the run (``RLIMIT_DATA``, set by the run itself before the user's code is read),
    and, without a group, what all of them use together, looked at with each poll; ``cpu`` is the number of processors
    that they may be on, and of threads that numerical libraries are told to use.
    """

    name = "local"
    capabilities = Capabilities(memory_limit=True, cpu_limit=hasattr(os, "sched_setaffinity"))

    def __init__(self, *, home: Home, settings: Settings, each_process: bool = True) -> None:
        """Without ``each_process``, memory is limited for all processes together only."""
        self._home = home
        self._each_process = each_process
        self._environments = Environments(home, settings)
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        self._processors = Processors()
        self._ends = Ends()
        self._lock = threading.Lock()

    def submit(self, spec: RunSpec, sink: LogSink) -> Handle:
        """Prepare the environment and start the process."""
        environment = self._environment(spec, sink)
        folder = spec.run_folder
        folder.mkdir(parents=True, exist_ok=True)
        for leftover in ("exit.json", "stop.json", "ended"):
            (folder / leftover).unlink(missing_ok=True)
        inputs = self._inputs(spec, environment)
        write_json(folder / "spec.json", _spec_for_client(spec, inputs))
        variables = self._variables(spec, inputs)
        group = _bounded(spec)
        if group is not None:
            variables["MLBOX_CONTROL_GROUP"] = os.pathsep.join(str(part) for part in group.folders)
        spec.log_path.parent.mkdir(parents=True, exist_ok=True)
        with spec.log_path.open("ab") as log:
            try:
                child = subprocess.Popen(
                    [str(environment.python), *START],
                    cwd=folder,
                    env=variables,
                    stdin=subprocess.DEVNULL,
                    stdout=log,
                    stderr=subprocess.STDOUT,
                    start_new_session=True,
                )
            except OSError as error:
                raise Unavailable(f"the run's process cannot be started: {error}") from None
        with self._lock:
            self._children[str(folder)] = child
        if spec.resources.cpu:
            self._processors.give(child.pid, spec.resources.cpu)
        deadline = None if spec.timeout_seconds is None else time.time() + spec.timeout_seconds
        return {
            "pid": child.pid,
            "born": start_time(child.pid),
            "folder": str(folder),
            "log": str(spec.log_path),
            "deadline": deadline,
            "timeout_seconds": spec.timeout_seconds,
            "environment": environment.key,
            "memory": spec.resources.memory,
            "group": [str(folder) for folder in group.folders] if group else [],
            "group_memory": bool(group and group.memory),
        }

    def poll(self, handle: Handle) -> Status:
        """How it is now; ends what is past its time or was told to stop and did not."""
        folder = Path(handle["folder"])
        code, alive = self._process(handle)
        if alive:
            self._enforce(handle, folder)
            return Status("running")
        if (group := _group(handle)) is not None:
            if group.ran_out_of_memory():
                note_stop(folder, "memory")
            group.remove()
        report = read_json(folder / "exit.json")
        if report is None:
            report = without_report(code)
            with suppress(OSError):
                write_json(folder / "exit.json", report)
        error = report.get("error") or {}
        if handle.get("memory") and str(error.get("type", "")).endswith("MemoryError"):
            told = out_of_memory(handle["memory"], code)
            report = {**report, "reason": told["reason"], "error": {**error, **told["error"]}}
        return ended(handle, report, code)

    def on_end(self, handle: Handle, act: Callable[[], None]) -> None:
        """The system tells of the end of a process."""
        self._ends.tell(handle["pid"], act)

    def logs(self, handle: Handle, offset: int) -> tuple[bytes, int]:
        """Output from ``offset`` on."""
        try:
            with open(handle["log"], "rb") as log:
                log.seek(offset)
                data = log.read(_LOG_CHUNK)
        except FileNotFoundError:
            return b"", offset
        return data, offset + len(data)

    def cancel(self, handle: Handle) -> None:
        """Ask the whole group to end; it is killed when it has not after the grace."""
        if self.poll(handle).ended:
            return
        self._stop(handle, "cancelled")

    def reattach(self, handle: Handle) -> bool:
        """Whether the process lives or has left word how it ended."""
        return self._process(handle)[1] or (Path(handle["folder"]) / "exit.json").exists()

    def _environment(self, spec: RunSpec, sink: LogSink) -> Environment:
        names = {requirement_name(line) for line in spec.requirements}
        if spec.inputs and spec.requirements and "pyarrow" not in names:
            try:
                return self._environments.prepare((*spec.requirements, "pyarrow"), spec.python, sink)
            except Invalid:
                sink.write("pyarrow does not go with these requirements; frames will travel as CSV\n")
        return self._environments.prepare(spec.requirements, spec.python, sink)

    @staticmethod
    def _inputs(spec: RunSpec, environment: Environment) -> dict[str, Any]:
        if not spec.inputs:
            return {}
        if environment.has("pyarrow"):
            return {name: {"path": str(path), "format": "parquet"} for name, path in spec.inputs.items()}
        return {name: as_csv(path, spec.run_folder / "inputs" / f"{name}.csv") for name, path in spec.inputs.items()}

    def _variables(self, spec: RunSpec, inputs: dict[str, Any]) -> dict[str, str]:
        variables = scrubbed_environment(os.environ)
        variables.update(thread_variables(spec.resources.cpu))
        variables["MLBOX_DELIVERY_SECONDS"] = _DELIVERY_SECONDS
        variables.update(spec.environment)
        path = [str(client_folder(self._home.cache)), spec.environment.get("PYTHONPATH", "")]
        variables.update(
            PYTHONPATH=os.pathsep.join(filter(None, path)),
            PYTHONUNBUFFERED="1",
            PYTHONIOENCODING="utf-8",
            MLBOX_URL=spec.url,
            MLBOX_TOKEN=spec.token,
            MLBOX_RUN_ID=spec.run_id,
            MLBOX_SPOOL="collected",
            MLBOX_RUN_FOLDER=str(spec.run_folder),
            MLBOX_CODE_FOLDER=str(spec.code_folder),
            MLBOX_INPUTS=json.dumps(inputs),
        )
        if spec.server_file is not None:
            variables["MLBOX_SERVER_FILE"] = str(spec.server_file)
        if spec.resources.memory and self._each_process:
            variables["MLBOX_MEMORY_LIMIT"] = str(spec.resources.memory)
        return variables

    def _process(self, handle: Handle) -> tuple[int | None, bool]:
        """Exit status where we are the parent, and whether the process lives. What it left behind is ended, once."""
        ended = Path(handle["folder"]) / "ended"
        with self._lock:
            child = self._children.get(handle["folder"])
        if child is None or child.pid != handle["pid"]:
            alive = same_process(handle["pid"], handle["born"])
            if not alive and not ended.exists() and ended.parent.is_dir():
                self._end_leftovers(handle)
                ended.touch()
            return None, alive
        if child.returncode is None:
            with suppress(ChildProcessError):
                # look without reaping: while it is not reaped, its number cannot be given to another group
                if os.waitid(os.P_PID, child.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is None:
                    return None, True
            self._end_leftovers(handle)
            ended.touch()
        return child.wait(), False

    @staticmethod
    def _end_leftovers(handle: Handle) -> None:
        """Children of a process that has ended; never a later group that was given the same number."""
        if start_time(handle["pid"]) is None:
            kill_group(handle["pid"], grace=0.0)
        if (group := _group(handle)) is not None:
            group.kill()

    def _enforce(self, handle: Handle, folder: Path) -> None:
        stop = read_json(folder / "stop.json")
        if stop is not None:
            if time.time() - float(stop.get("at", 0)) > GRACE_SECONDS + 1:  # its stopper died with the last server
                kill_group(handle["pid"], grace=0.0)
        elif handle["deadline"] is not None and time.time() > handle["deadline"]:
            self._stop(handle, "timeout")
        elif handle.get("memory") and _beyond_memory(handle):
            note_stop(folder, "memory")
            kill_group(handle["pid"], grace=0.0)

    @staticmethod
    def _stop(handle: Handle, why: Literal["cancelled", "timeout"]) -> None:
        note_stop(Path(handle["folder"]), why)
        threading.Thread(target=kill_group, args=(handle["pid"], GRACE_SECONDS), daemon=True).start()


def _bounded(spec: RunSpec) -> ControlGroup | None:
    """A group for a run with limits. Without limits there is nothing to bound, and entering one can take 15 ms."""
    limits = spec.resources
    if not limits.memory and not limits.cpu:
        return None
    return ControlGroup.make(f"mlbox-{spec.run_id}-{spec.attempt}", limits.memory, limits.cpu)


def _group(handle: Handle) -> ControlGroup | None:
    return ControlGroup.of(handle.get("group", ()), bool(handle.get("group_memory")))


def _beyond_memory(handle: Handle) -> bool:
    group = _group(handle)
    if group is not None and group.memory:
        return group.ran_out_of_memory()
    limit: int = handle["memory"]
    return memory_of(members(handle["pid"]), limit) > limit


def _spec_for_client(spec: RunSpec, inputs: dict[str, Any]) -> dict[str, Any]:
    """What the run API answers; on disk it also serves while the server is away."""
    return {
        "run_id": spec.run_id,
        "project": spec.project,
        "function": spec.function,
        "handler": spec.handler,
        "file": spec.file,
        "parameters": dict(spec.parameters),
        "returns": list(spec.returns),
        "inputs": {**inputs, **{name: {"artifact": dict(known)} for name, known in spec.artifacts.items()}},
        "attempt": spec.attempt,
    }


EXECUTORS.add("local", LocalExecutor)
