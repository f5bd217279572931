"""``mlbox logs``: what a run printed."""

from __future__ import annotations

import argparse
import sys
import time

from mlbox.base.errors import NotFound
from mlbox.base.home import find_home
from mlbox.base.names import literal

HELP = "print the log of a run, by id, prefix of one, or name (its latest)"
ENDED = ("completed", "error", "cancelled", "interrupted")


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("run", help="id, prefix of an id (8 or more), or name")
    parser.add_argument("-f", "--follow", action="store_true", help="go on until the run ends")


def run(arguments: argparse.Namespace) -> int:
    """The log file is written by the run itself, so it is there whoever owns the home."""
    from mlbox.cli.door import open_door

    wanted = literal(arguments.run)
    query = (
        f"SELECT id, state FROM ml.runs WHERE id = {wanted} OR name = {wanted} "
        f"OR (length({wanted}) >= 8 AND starts_with(id, {wanted})) ORDER BY created_at DESC LIMIT 1"
    )
    home = find_home(arguments.home)
    with open_door(arguments) as door:
        offset = 0
        while True:
            rows = next(iter(door.run(query)))["rows"]
            if not rows:
                raise NotFound(f"there is no run {arguments.run!r}", hint="mlbox sql -c 'SHOW RUNS LIMIT 10'")
            run_id, state = rows[0]
            path = home.logs / f"{run_id}.log"
            if path.is_file():
                with path.open("rb") as file:
                    file.seek(offset)
                    text = file.read()
                offset += len(text)
                sys.stdout.write(text.decode("utf-8", "replace"))
                sys.stdout.flush()
            if not arguments.follow or state in ENDED:
                return 0
            time.sleep(0.3)
