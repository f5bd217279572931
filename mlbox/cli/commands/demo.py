"""``mlbox demo``: the whole journey on real data, through the public doors."""

from __future__ import annotations

import argparse
import sys

from mlbox.base.errors import Conflict
from mlbox.cli.stop_signals import StopSignals

HELP = "run the example examples/flights from raw rows to monitored predictions"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--port", type=int, help="port of the server that it starts (default 7070, else a free one)")
    parser.add_argument("--again", action="store_true", help="drop the project flights first")
    parser.add_argument("--exit", action="store_true", help="exit at the end on a terminal too")


def run(arguments: argparse.Namespace) -> int:
    """Use the server of the home, or be one; on a terminal it goes on serving."""
    from mlbox.cli.demo.story import Story
    from mlbox.cli.door import RemoteDoor, settings_of

    home, settings = settings_of(arguments)
    server = home.server()
    house = None
    if server is None:
        from mlbox.app import logs
        from mlbox.app.house import House
        from mlbox.app.serving import choose_port

        house = House.open(home, settings)
        logs.to_file(home, settings)
        try:
            port = choose_port("127.0.0.1", arguments.port if arguments.port is not None else settings.port)
        except Conflict:
            if arguments.port is not None:
                house.close()
                raise
            port = 0
        house.listener.start_thread("127.0.0.1", port)
        house.start()
        url = house.listener.url()
    else:
        url = str(server["url"])
    print(f"mlbox serves {home.path} at {url}")
    try:
        if arguments.again:
            for _ in RemoteDoor(url, "default", settings.token).run("DROP PROJECT IF EXISTS flights CASCADE"):
                pass
        stays = house is None or (sys.stdout.isatty() and not arguments.exit)
        Story(home, url, settings.token, stays=stays).tell()
        if house is not None and stays:
            print("\nStill serving; Ctrl-C stops.")
            StopSignals().wait()
    finally:
        if house is not None:
            house.close()
    return 0
