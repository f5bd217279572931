"""``mlbox up``: the server, in the foreground."""

from __future__ import annotations

import argparse
import sys
import time

from mlbox.cli.stop_signals import StopSignals

HELP = "start the server in the foreground; Ctrl-C stops it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--host", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, help="port (default 7070; 0 chooses a free one)")
    parser.add_argument(
        "--workers", type=int, help="processes that answer inference on that port (default: as endpoints ask for, or 1)"
    )
    parser.add_argument(
        "--pg-port",
        type=int,
        help="port of the PostgreSQL protocol (default 7071, a free one when it is taken; 0 chooses one, -1 is none)",
    )


def run(arguments: argparse.Namespace) -> int:
    """Open the home, listen, wait for a signal."""
    from mlbox import __version__
    from mlbox.cli.door import settings_of

    began = time.perf_counter()
    home, settings = settings_of(
        arguments, host=arguments.host, port=arguments.port, pg_port=arguments.pg_port, workers=arguments.workers
    )
    print(f"mlbox {__version__}")
    print(f"  home     {home.path}")
    sys.stdout.flush()
    stop = StopSignals()

    from mlbox.app import logs
    from mlbox.app.house import House
    from mlbox.app.serving import choose_port
    from mlbox.base.counted import counted
    from mlbox.base.settings import Settings
    from mlbox.sql.wire.server import bind, pg_address

    if home.server() is None:
        choose_port(settings.host, settings.port)  # before the home is opened: the error comes at once
    listening = None
    if settings.pg_port >= 0:
        usual = settings.pg_port == Settings.__dataclass_fields__["pg_port"].default and arguments.pg_port is None
        listening = bind(settings.host, settings.pg_port, or_free=usual)
    house = House.open(home, settings)
    try:
        logs.to_file(home, settings)
        counts = house.catalog.row(
            "SELECT (SELECT count(*) FROM catalog.ml.projects) AS projects, "
            "(SELECT count(*) FROM catalog.ml.runs) AS runs"
        )
        assert counts is not None
        print(f"  catalog  {counted(counts['projects'], 'project')}, {counted(counts['runs'], 'run')}")
        if listening is not None:
            house.serve_postgres(listening)
        house.listener.start_thread(settings.host, settings.port)
        house.start()
        if house.wire is not None:
            print(f"  postgres {pg_address(settings.host, house.wire.port)}")
        print(f"  ready    {house.listener.url()}  in {time.perf_counter() - began:.2f} s; Ctrl-C stops")
        sys.stdout.flush()
        stop.wait()
        print("\nstopping")
        sys.stdout.flush()
    finally:
        house.close()
    return 0
