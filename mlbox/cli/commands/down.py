"""``mlbox down``: stop the server of a home."""

from __future__ import annotations

import argparse
import os
import signal
import time
from typing import Any

from mlbox.base.errors import Unavailable
from mlbox.base.home import Home, find_home, owner_of

HELP = "stop the server of the home"
PATIENCE = 90.0
"""Seconds: more than workers have to finish and to hand in what they have recorded."""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument(
        "--timeout",
        type=float,
        default=PATIENCE,
        metavar="SECONDS",
        help=f"how long to wait (default {PATIENCE:g})",
    )


def run(arguments: argparse.Namespace) -> int:
    """Ask it to stop and wait until it has."""
    home = find_home(arguments.home)
    stop_by = time.monotonic() + arguments.timeout
    server = _ready(home, stop_by)
    if server is None:
        print(f"no server runs on {home.path}")
        return 0
    process = int(server["pid"])
    os.kill(process, signal.SIGTERM)
    while _alive(process, home):
        if time.monotonic() > stop_by:
            raise Unavailable(
                f"process {process} has not stopped within {arguments.timeout:g} s",
                hint=f"it may be finishing a request; wait with --timeout, or: kill -9 {process}; "
                "nothing acknowledged is lost",
            )
        time.sleep(0.05)
    print(f"stopped {server['url']}")
    return 0


def _ready(home: Home, stop_by: float) -> dict[str, Any] | None:
    """The server; one that is starting is waited for. None: nobody has the home any more."""
    told = False
    while (server := home.server()) is None and (owner := owner_of(home)) is not None:
        if time.monotonic() > stop_by:
            raise Unavailable(
                f"the home {home.path} is in use by {owner}, which answers nobody yet",
                hint="a server that is starting, or a command that works on the home; wait with --timeout, or end it",
            )
        if not told:
            print(f"waiting for {owner}, which has the home and is not ready yet")
            told = True
        time.sleep(0.05)
    return server


def _alive(process: int, home: Home) -> bool:
    try:
        os.kill(process, 0)
    except OSError:
        return False
    return home.server() is not None
