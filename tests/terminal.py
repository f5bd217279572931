"""A program behind a real pseudo-terminal, and the screen that a person would see (pyte emulates the terminal)."""

from __future__ import annotations

import fcntl
import os
import pty
import select
import signal
import struct
import subprocess
import sys
import termios
import time
from pathlib import Path
from typing import Any

import pyte

ROWS, COLUMNS = 60, 120
SECONDS = 60.0


class _Answering(pyte.HistoryScreen):
    """Answers what the program asks its terminal, the place of the cursor above all."""

    descriptor: int

    def write_process_input(self, data: str) -> None:
        os.write(self.descriptor, data.encode())


class Terminal:
    """``mlbox`` (or another program) on a terminal of 60 lines; use it in a ``with``."""

    def __init__(
        self,
        *arguments: str,
        environment: dict[str, str],
        folder: Path | None = None,
        program: tuple[str, ...] = (sys.executable, "-m", "mlbox"),
    ) -> None:
        self._screen = _Answering(COLUMNS, ROWS, history=5000, ratio=0.5)
        self._stream = pyte.ByteStream(self._screen)
        self.descriptor, child = pty.openpty()
        self._screen.descriptor = self.descriptor
        self._sent_from = 0
        """The line in which keys were pressed since the last prompt."""
        fcntl.ioctl(child, termios.TIOCSWINSZ, struct.pack("HHHH", ROWS, COLUMNS, 0, 0))
        self.process = subprocess.Popen(
            [*program, *arguments],
            stdin=child,
            stdout=child,
            stderr=child,
            env={**os.environ, "TERM": "xterm", **environment},
            cwd=folder,
            start_new_session=True,
            preexec_fn=lambda: fcntl.ioctl(0, termios.TIOCSCTTY, 0),
        )
        os.close(child)

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: Any) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGKILL)
            self.process.wait()
        os.close(self.descriptor)

    @property
    def _line(self) -> int:
        """The line of the cursor, counted from the first that was ever shown."""
        return len(self._screen.history.top) + self._screen.cursor.y + 1

    @property
    def text(self) -> str:
        """All lines so far, those that have scrolled away too."""
        above = ["".join(line[column].data for column in range(COLUMNS)) for line in self._screen.history.top]
        return "\n".join(line.rstrip() for line in (*above, *self._screen.display)).rstrip()

    def send(self, keys: str) -> None:
        """Press keys."""
        if not self._sent_from:
            self._sent_from = self._line
        os.write(self.descriptor, keys.encode())

    def enter(self, text: str) -> None:
        """Type a line and press Enter."""
        self.send(text + "\r")

    def wait_for(self, wanted: str) -> str:
        """Go on until the screen shows ``wanted``; returns what stands on it and above."""
        stop_by = time.monotonic() + SECONDS
        while wanted not in self.text:
            assert time.monotonic() < stop_by, f"{wanted!r} did not appear on:\n{self.text}"
            assert self._read(0.2) or self.process.poll() is None, f"it ended without {wanted!r}:\n{self.text}"
        return self.text

    def prompt(self, project: str = "default") -> str:
        """Wait for an empty prompt below where keys were pressed last; returns all that is shown."""
        stop_by = time.monotonic() + SECONDS
        while not (
            self._line > self._sent_from and self._screen.display[self._screen.cursor.y].rstrip() == f"{project}>"
        ):
            assert time.monotonic() < stop_by, f"no prompt on:\n{self.text}"
            assert self._read(0.2) or self.process.poll() is None, f"it ended:\n{self.text}"
        self._sent_from = 0
        return self.text

    def wait_below(self, wanted: str) -> None:
        """Wait until ``wanted`` stands below the line of the cursor, as a menu does."""
        stop_by = time.monotonic() + SECONDS
        while not any(wanted in line for line in self._screen.display[self._screen.cursor.y + 1 :]):
            assert time.monotonic() < stop_by, f"{wanted!r} is not offered on:\n{self.text}"
            assert self._read(0.2) or self.process.poll() is None, f"it ended:\n{self.text}"

    def ask(self, line: str, project: str = "default") -> str:
        """Enter a line at the prompt and wait for the next prompt; returns what was printed between."""
        before = len(self.prompt(project).splitlines())
        self.enter(line)
        return "\n".join(self.prompt(project).splitlines()[before:-1])

    def leave(self) -> int:
        """Wait for the end; the exit status."""
        while self._read(0.2) or self.process.poll() is None:
            pass
        return self.process.wait(timeout=60)

    def _read(self, seconds: float) -> bool:
        ready, _, _ = select.select([self.descriptor], [], [], seconds)
        if not ready:
            return False
        try:
            data = os.read(self.descriptor, 65536)
        except OSError:  # the other side is closed
            return False
        self._stream.feed(data)
        return bool(data)
