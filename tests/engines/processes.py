"""Processes of engines that are started for tests, known by the files that hold their ids."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path

_SECONDS = 15
"""For which one may take to end by itself: an API server waits a minute for those who watch it."""


@dataclass(frozen=True)
class Started:
    """How a process was started, to start it again."""

    file: Path
    command: list[str]
    folder: str
    variables: dict[str, str]

    @classmethod
    def of(cls, file: Path) -> Started:
        """The process whose id is in ``file``."""
        place = Path("/proc") / file.read_text().strip()
        command, variables = (_words(place / name) for name in ("cmdline", "environ"))
        return cls(file, command, os.readlink(place / "cwd"), dict(word.split("=", 1) for word in variables))

    def end(self) -> None:
        """Tell it to end, and wait until it is gone."""
        pid = int(self.file.read_text())
        os.kill(pid, signal.SIGTERM)
        give_up = time.monotonic() + _SECONDS
        while _runs(pid):
            if time.monotonic() > give_up:
                os.kill(pid, signal.SIGKILL)
            time.sleep(0.1)
        if str(self.file) in self.command:
            self.file.unlink(missing_ok=True)

    def begin(self, *more: str) -> None:
        """Start it, with more arguments."""
        with self.file.with_suffix(".log").open("ab") as log:
            process = subprocess.Popen(
                [*self.command, *more],
                cwd=self.folder,
                env=self.variables,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
            )
        if str(self.file) not in self.command:  # else it writes it itself, and takes one that is there for another's
            self.file.write_text(str(process.pid))


def again(file: Path, *more: str) -> None:
    """End a process and start it with more arguments."""
    known = Started.of(file)
    known.end()
    known.begin(*more)


def _words(path: Path) -> list[str]:
    return path.read_bytes().decode().rstrip("\0").split("\0")


def _runs(pid: int) -> bool:
    """One that has ended and that nobody has asked for its status runs no more."""
    try:
        return (Path("/proc") / str(pid) / "stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False
