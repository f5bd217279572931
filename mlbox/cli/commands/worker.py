"""``mlbox worker``: what a server with workers starts; nothing for people."""

from __future__ import annotations

import argparse
import socket

HELP = "be the process that workers of a server are forked from; mlbox up --workers starts it"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("control", type=int, help="descriptor of the socket to the server")


def run(arguments: argparse.Namespace) -> int:
    """Until the server goes."""
    from mlbox.app.nursery import tend
    from mlbox.base.errors import Invalid

    try:
        control = socket.socket(fileno=arguments.control)
    except OSError:
        raise Invalid("only a server starts workers", hint="mlbox up --workers 2") from None
    tend(control)
    return 0
