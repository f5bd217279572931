"""``mlbox replica``: what a container of a deployed endpoint runs."""

from __future__ import annotations

import argparse
import os
import sys
import urllib.error
import urllib.request

from mlbox.cli.stop_signals import StopSignals

HELP = "answer for an endpoint that another home has deployed; containers of DEPLOY ENDPOINT run it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--host", default="127.0.0.1", help="address to listen on (default 127.0.0.1)")
    parser.add_argument("--port", type=int, default=8080, help="port (default 8080; 0 chooses a free one)")
    parser.add_argument(
        "--before",
        metavar="NAME",
        help="hand connections to those replicas at NAME (or NAME,NAME) that are ready",
    )
    parser.add_argument("--check", metavar="URL", help="only ask URL, for health checks: status 0 when it answers 200")


def run(arguments: argparse.Namespace) -> int:
    """Become what ``MLBOX_REPLICA_URL``, ``_OF``, ``_VERSION`` and ``_TOKEN`` say, and wait for a signal."""
    if arguments.check:
        return _check(arguments.check)
    if arguments.before:
        return _front(arguments.before, arguments.host, arguments.port)
    from mlbox.base.errors import Invalid
    from mlbox.cli.door import settings_of

    wanted = ("MLBOX_REPLICA_URL", "MLBOX_REPLICA_OF", "MLBOX_REPLICA_VERSION", "MLBOX_REPLICA_TOKEN")
    missing = [name for name in wanted if not os.environ.get(name)]
    if missing:
        raise Invalid(
            f"a replica needs {', '.join(missing)} in its environment",
            hint="DEPLOY ENDPOINT starts replicas; mlbox up starts a server",
        )
    url, deployment, version, token = (os.environ[name] for name in wanted)
    home, settings = settings_of(arguments, host=None, port=None, pg_port=None)
    stop = StopSignals()

    from mlbox.app.replica import Replica
    from mlbox.serve.deploy.home_door import HomeDoor

    replica = Replica(home.path, settings, HomeDoor(url, deployment, token))
    try:
        name = replica.start(version, arguments.host, arguments.port)
        print(f"{name} answers at http://{arguments.host}:{replica.port}")
        sys.stdout.flush()
        stop.wait()
        print("stopping")
        sys.stdout.flush()
    finally:
        replica.stop()
    return 0


def _front(name: str, host: str, port: int) -> int:
    """Stand before replicas until a signal comes."""
    import logging

    from mlbox.serve.deploy import front
    from mlbox.serve.deploy.manifests import PORT

    logging.basicConfig(level=logging.INFO, format="%(message)s")
    front.run(name.split(","), PORT, host, port)
    return 0


def _check(url: str) -> int:
    try:
        with urllib.request.urlopen(url, timeout=5) as response:
            return 0 if response.status == 200 else 1
    except (OSError, urllib.error.URLError):
        return 1
