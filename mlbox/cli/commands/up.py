"""``mlbox up``: the server, in the foreground."""

from __future__ import annotations

import argparse
import signal
import sys
import threading
import time

HELP = "start the server in the foreground; Ctrl-C stops it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default 7070; 0 chooses a free one)")


def run(arguments: argparse.Namespace) -> int:
    """Open the home, listen, wait for a signal."""
    from mlbox import __version__
    from mlbox.cli.door import settings_of

    began = time.perf_counter()
    home, settings = settings_of(arguments, host=arguments.host, port=arguments.port)
    print(f"mlbox {__version__}")
    print(f"  home     {home.path}")
    sys.stdout.flush()
    stop = threading.Event()
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, lambda *_: stop.set())

    from mlbox.app import logs
    from mlbox.app.house import House
    from mlbox.app.serving import choose_port

    if home.server() is None:
        choose_port(settings.host, settings.port)  # before the home is opened: the error comes at once
    house = House.open(home, settings)
    try:
        logs.to_file(home)
        counts = house.catalog.row(
            "SELECT (SELECT count(*) FROM catalog.ml.projects) AS projects, "
            "(SELECT count(*) FROM catalog.ml.runs) AS runs"
        )
        assert counts is not None
        print(f"  catalog  {counts['projects']} projects, {counts['runs']} runs")
        house.listener.start_thread(settings.host, settings.port)
        house.start()
        print(f"  ready    {house.listener.url()}  in {time.perf_counter() - began:.2f} s; Ctrl-C stops")
        sys.stdout.flush()
        stop.wait()
        print("\nstopping")
        sys.stdout.flush()
    finally:
        house.close()
    return 0
