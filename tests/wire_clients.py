"""Clients of other people for the PostgreSQL protocol, pointed at a server of ours."""

from __future__ import annotations

import subprocess
from collections.abc import Sequence
from typing import Any

from real_server import Server


def dsn(server: Server, database: str = "mlbox", **more: str) -> str:
    """The address as libpq's clients take it."""
    words = {"host": "127.0.0.1", "port": str(server.pg_port), "user": "mlbox", "dbname": database, **more}
    return " ".join(f"{name}={value}" for name, value in words.items())


def psql(server: Server, *commands: str, database: str = "mlbox", flags: Sequence[str] = ("-At",)) -> Any:
    """psql with each command after the other; the completed process."""
    given = [word for command in commands for word in ("-c", command)]
    return subprocess.run(
        ["psql", "-X", *flags, dsn(server, database), *given], capture_output=True, text=True, timeout=60, input=""
    )


def told(server: Server, *commands: str, database: str = "mlbox", flags: Sequence[str] = ("-At",)) -> str:
    """What psql prints; an error is an assertion error."""
    done = psql(server, *commands, database=database, flags=flags)
    assert done.returncode == 0, done.stderr
    return str(done.stdout).strip()
