"""``mlbox logs``: what a run printed."""

from __future__ import annotations

import argparse
import sys
import time
from typing import TYPE_CHECKING

from mlbox.base.errors import Conflict, NotFound
from mlbox.base.home import find_home
from mlbox.base.names import literal
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from mlbox.cli.door import Door

HELP = "print the log of a run, by id, prefix of one, or name (its latest)"
ENDED = ("completed", "error", "cancelled", "interrupted")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("run", help="id, prefix of an id (8 or more), or name")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")


def _find(door: Door, wanted: str) -> str:
    """The run that is meant; raises ``NotFound``, or ``Conflict`` when a prefix fits several."""
    text = literal(wanted)
    rows = next(
        iter(
            door.run(
                f"SELECT id, name, best_trial, id = {text} OR name = {text} AS exact FROM ml.runs WHERE id = {text} "
                f"OR name = {text} OR (length({text}) >= 8 AND starts_with(id, {text})) "
                "ORDER BY exact DESC, created_at DESC LIMIT 4"
            )
        )
    )["rows"]
    if not rows:
        names = next(iter(door.run("SELECT DISTINCT name FROM ml.runs WHERE name IS NOT NULL")))["rows"]
        hint = did_you_mean(wanted, [row[0] for row in names], kind="run")
        raise NotFound(f"there is no run {wanted!r}", hint=hint or "SHOW RUNS lists them")
    if not rows[0][3] and len(rows) > 1:
        told = ", ".join(f"{row[0][:16]} ({row[1]})" for row in rows)
        raise Conflict(f"several runs begin with {wanted}: {told}", hint="give more digits")
    if rows[0][2]:
        print(f"{rows[0][1]} is a sweep; this is the log of its best trial, {rows[0][2]}", file=sys.stderr)
        return str(rows[0][2])
    return str(rows[0][0])


def run(arguments: argparse.Namespace) -> int:
    """The log file is written by the run itself, so it is there whoever owns the home."""
    from mlbox.cli.door import open_door

    home = find_home(arguments.home)
    with open_door(arguments) as door:
        run_id = _find(door, arguments.run)
        offset = 0
        while True:
            query = f"SELECT state FROM ml.runs WHERE id = {literal(run_id)}"
            state = next(iter(door.run(query)))["rows"][0][0]
            path = home.logs / f"{run_id}.log"
            if path.is_file():
                with path.open("rb") as file:
                    file.seek(offset)
                    text = file.read()
                offset += len(text)
                sys.stdout.write(text.decode("utf-8", "replace"))
                sys.stdout.flush()
            if not arguments.follow or state in ENDED:
                if not offset:
                    print(f"run {run_id} ({state}) has printed nothing", file=sys.stderr)
                return 0
            time.sleep(0.3)
