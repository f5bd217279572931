"""What a person sees while a statement takes its time: the seconds, and of a RUN its state and its log."""

from __future__ import annotations

import shutil
import sys
import time
from typing import TYPE_CHECKING, Any, TextIO

from mlbox.base.errors import MlboxError
from mlbox.base.names import literal
from mlbox.cli.conduct import Silent, Watcher

if TYPE_CHECKING:
    from mlbox.cli.door import Door

PATIENCE_SECONDS = 1.0
"""What is faster shows nothing."""
ASK_SECONDS = 0.5
"""Time between two looks at the runs."""
SLACK_MS = 250
RUNS = """
SELECT id, coalesce(name, "function"), state, progress, parent_id FROM ml.runs
WHERE project = {project} AND created_at >= now() - INTERVAL '{milliseconds} milliseconds' ORDER BY created_at, id
"""
ENDED = ("completed", "error", "cancelled", "interrupted")


def watcher(door: Door, text: str, err: TextIO | None = None) -> Watcher:
    """Who watches ``text``: the terminal behind standard error if there is one."""
    err = err or sys.stderr
    return Progress(door, text, err) if err.isatty() else Silent()


class Progress:
    """One line that is written over, and above it the new lines of the log."""

    def __init__(self, door: Door, text: str, err: TextIO) -> None:
        self._door = door
        self._err = err
        self._starts_run = _which_start_runs(text)
        self._drawn = False
        self._followed: Followed | None = None
        self._known = ""
        self._began = 0.0
        self._asked = 0.0

    def begin(self, number: int) -> None:
        """Forget the statement before."""
        self._began = self._asked = time.monotonic()
        follows = number < len(self._starts_run) and self._starts_run[number]
        self._followed = Followed(self._door, self._began) if follows else None
        self._known = ""

    def tick(self) -> None:
        """Draw the line anew; now and then look at the runs."""
        now = time.monotonic()
        if now - self._asked >= ASK_SECONDS:
            self._asked = now
            if self._followed is not None:
                self._show(self._followed.new_lines())
                self._known = self._followed.state
            else:
                self._known = self._share()
        if now - self._began >= PATIENCE_SECONDS:
            known = f"  {self._known}" if self._known else ""
            self._draw(f"{_seconds(now - self._began)}{known}  (Ctrl-C cancels)")

    def _share(self) -> str:
        try:
            share = self._door.progress()
        except MlboxError:
            return ""
        return f"{share:.0%}" if share else ""

    def say(self, text: str) -> None:
        """On a line of its own."""
        self._wipe()
        print(text, file=self._err, flush=True)

    def end(self) -> None:
        """Take the line away; what the log got last is still shown."""
        if self._followed is not None and self._began:
            self._show(self._followed.new_lines(last=True))
            self._followed = None
        self._wipe()

    def _show(self, lines: list[str]) -> None:
        if not lines:
            return
        self._wipe()
        for line in lines:
            print(f"\x1b[2m{line}\x1b[0m", file=self._err)
        self._err.flush()

    def _draw(self, text: str) -> None:
        room = shutil.get_terminal_size().columns - 1
        self._err.write(f"\r\x1b[K\x1b[2m{text[:room]}\x1b[0m")
        self._err.flush()
        self._drawn = True

    def _wipe(self) -> None:
        if self._drawn:
            self._err.write("\r\x1b[K")
            self._err.flush()
            self._drawn = False


class Followed:
    """The runs that a statement has started, and how far their logs were read."""

    def __init__(self, door: Door, began: float) -> None:
        self.state = ""
        """In a few words."""
        self._door = door
        self._began = began
        self._offsets: dict[str, int] = {}
        self._rest: dict[str, bytes] = {}

    def new_lines(self, *, last: bool = False) -> list[str]:
        """Whole lines since the last look, each with the name of its run; at the ``last`` look also an open one."""
        milliseconds = int((time.monotonic() - self._began) * 1000) + SLACK_MS
        try:
            found = self._door.ask(RUNS.format(project=literal(self._door.project), milliseconds=milliseconds))
            self.state = _state(found)
            trials = {row[4] for row in found if row[4]}
            # of a sweep the trials' logs would run into each other; `mlbox logs` has each
            return [
                f"{label} | {line}"
                for run, label, _, _, parent in found
                if parent is None and run not in trials
                for line in self._lines(run, last)
            ]
        except MlboxError:
            return []  # the statement itself will say what is wrong

    def _lines(self, run: str, last: bool) -> list[str]:
        read = self._door.log(run, self._offsets.get(run, 0))
        self._offsets[run] = self._offsets.get(run, 0) + len(read)
        whole, newline, rest = (self._rest.get(run, b"") + read).rpartition(b"\n")
        self._rest[run] = b"" if last else rest
        text = (whole + newline + rest if last else whole).decode("utf-8", "replace")
        return text.splitlines()


def _which_start_runs(text: str) -> list[bool]:
    from mlbox.sql.script import split

    try:
        return [statement.ours and statement.text[:5].upper().startswith(("RUN", "RERUN")) for statement in split(text)]
    except MlboxError:
        return []


def _state(found: list[list[Any]]) -> str:
    trials = [row for row in found if row[4]]
    if trials:
        ended = sum(row[2] in ENDED for row in trials)
        return f"{ended} of {len(trials)} trials so far have ended"
    active = [row for row in found if row[2] not in ENDED]
    told = []
    for _, label, state, progress, _ in active[:3]:
        told.append(f"{label} {state}" + (f" {progress:.0%}" if progress is not None else ""))
    return ", ".join(told)


def _seconds(elapsed: float) -> str:
    minutes, seconds = divmod(int(elapsed), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02}:{seconds:02}" if hours else f"{minutes}:{seconds:02}" if minutes else f"{seconds} s"
