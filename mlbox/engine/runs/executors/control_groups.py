"""Control groups of Linux: what a run and everything that it starts may use together, and their end as a whole.

A group is made where the system permits it: beside or below the server's own group, so that limits of a container or
a service around the server hold on. Where it is not permitted, callers have the limits of processes (``setrlimit``,
processor affinity). Version 2 (``cgroup.kill``, ``memory.max``, ``cpu.max``) and version 1 (``memory``, ``cpu``) of the
kernel's interface: https://docs.kernel.org/admin-guide/cgroup-v2.html and …/cgroup-v1/.
"""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

PERIOD_MICROSECONDS = 100_000
"""Over which a share of processors is measured; the kernel's own default."""

_MOUNTS = "/proc/self/mountinfo"


@dataclass(frozen=True, slots=True)
class ControlGroup:
    """One group: a folder, or in version 1 a folder for each controller. ``memory``: whether it bounds memory."""

    folders: tuple[Path, ...]
    memory: bool = False

    @classmethod
    def make(cls, name: str, memory: int | None = None, cpu: float | None = None) -> ControlGroup | None:
        """A new group with at most ``memory`` bytes and ``cpu`` processors; None where the system permits none."""
        found = cls((), False)
        parents = _parents()
        if (parent := parents.get("memory") or parents.get("")) and (folder := _folder(parent, name)):
            bounded = memory is not None and _bound(folder, ("memory.max", "memory.limit_in_bytes"), str(memory))
            for swap, value in (("memory.swap.max", "0"), ("memory.memsw.limit_in_bytes", str(memory))):
                if bounded:  # where the kernel counts swap
                    _write(folder / swap, value)
            _write(folder / "memory.oom.group", "1")
            found = cls((folder,), bounded)
        if cpu and (parent := parents.get("cpu") or parents.get("")) and (folder := _folder(parent, name)):
            share = str(max(1000, round(cpu * PERIOD_MICROSECONDS)))
            if not _write(folder / "cpu.max", f"{share} {PERIOD_MICROSECONDS}"):
                _write(folder / "cpu.cfs_quota_us", share)
            found = cls((*found.folders, *({folder} - set(found.folders))), found.memory)
        return found if found.folders else None

    @classmethod
    def of(cls, folders: Sequence[str], memory: bool) -> ControlGroup | None:
        """The group of a run that an earlier server started; None when it had none or it is gone."""
        present = tuple(Path(folder) for folder in folders if os.path.isdir(folder))
        return cls(present, memory) if present else None

    def members(self) -> list[int]:
        """Processes in it, of whatever session."""
        try:
            return [int(line) for line in (self.folders[0] / "cgroup.procs").read_text().split()]
        except (OSError, ValueError):
            return []

    def kill(self) -> None:
        """Kill all that is in it, until nothing is."""
        for _ in range(50):
            if not _write(self.folders[0] / "cgroup.kill", "1"):
                for pid in self.members():
                    with suppress(ProcessLookupError, PermissionError):
                        os.kill(pid, signal.SIGKILL)
            if not self.members():
                return
            time.sleep(0.01)

    def ran_out_of_memory(self) -> bool:
        """Whether the kernel has killed a process of it for using more than its limit."""
        for name in ("memory.events", "memory.oom_control"):
            with suppress(OSError):
                words = (self.folders[0] / name).read_text().split()
                return dict(zip(words[::2], words[1::2], strict=False)).get("oom_kill", "0") != "0"
        return False

    def remove(self) -> None:
        """Take it away once it is empty; a group with processes in it stays."""
        for folder in self.folders:
            with suppress(OSError):
                folder.rmdir()


@lru_cache(maxsize=1)
def _parents() -> dict[str, Path]:
    """The folder below which groups are made, for each controller of version 1, and under "" for version 2."""
    try:
        mounts = Path(_MOUNTS).read_text().splitlines()
        lines = [line.split(":", 2) for line in Path("/proc/self/cgroup").read_text().splitlines()]
    except OSError:
        return {}
    own = {controller: path for _, names, path in lines for controller in names.split(",")}
    found: dict[str, Path] = {}
    for line in mounts:
        before, _, after = line.partition(" - ")
        kind, _, options = (after.split(" ", 2) + ["", ""])[:3]
        root = Path(before.split(" ")[4])
        if kind == "cgroup2" and "" in own:
            inside = Path(own[""].lstrip("/"))
            found[""] = root / inside.parent  # a group with processes of its own gives no limits to those below it
        elif kind == "cgroup":
            for controller in {"memory", "cpu"} & set(options.split(" ")[-1].split(",")) & own.keys():
                found[controller] = root / own[controller].lstrip("/")
    return found


def _folder(parent: Path, name: str) -> Path | None:
    folder = parent / name
    try:
        folder.mkdir(exist_ok=True)
    except OSError:  # read-only, not ours, not mounted here
        return None
    return folder


def _bound(folder: Path, names: Sequence[str], value: str) -> bool:
    return any(_write(folder / name, value) for name in names)


def _write(file: Path, text: str) -> bool:
    try:
        descriptor = os.open(file, os.O_WRONLY)  # never made by us: a file that is not there is a missing ability
    except OSError:
        return False
    try:
        os.write(descriptor, text.encode())
    except OSError:
        return False
    finally:
        os.close(descriptor)
    return True
