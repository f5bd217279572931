"""A Redis server for tests, on a socket of its own and, when asked for, on a free port."""

from __future__ import annotations

import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from importlib.util import find_spec
from pathlib import Path


def why_not() -> str:
    """Why there can be no server here; empty: there can."""
    if find_spec("redis") is None:
        return "the package redis is not installed"
    return "" if shutil.which("redis-server") else "there is no redis-server"


class RedisServer:
    """``url`` is its address. ``stop`` and ``start`` are what a restart does; ``kill`` what a crash does."""

    def __init__(self, folder: Path, *, password: str = "", more: tuple[str, ...] = ()) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._short = tempfile.mkdtemp(prefix="mlbox-redis-")  # the path of a socket has at most 107 bytes
        self.socket = f"{self._short}/redis.sock"
        self.url = f"unix://{self.socket}"
        self._password = password
        self._more = more
        self._process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        """Returns when it answers."""
        import redis

        more = ["--requirepass", self._password] if self._password else []
        with (self._folder / "redis.log").open("ab") as log:
            self._process = subprocess.Popen(
                ["redis-server", "--port", "0", "--unixsocket", self.socket, "--dir", str(self._folder)]
                + ["--save", "", *more, *self._more],
                stdout=log,
                stderr=log,
            )
        stop_by = time.monotonic() + 30
        client = redis.Redis(unix_socket_path=self.socket, password=self._password or None)
        while True:
            try:
                client.ping()
                break
            except redis.RedisError:
                if self._process.poll() is not None or time.monotonic() > stop_by:
                    raise RuntimeError("Redis did not start:\n" + (self._folder / "redis.log").read_text()) from None
                time.sleep(0.02)
        client.close()

    def stop(self) -> None:
        """Ask it to end."""
        if self._process is not None:
            self._process.terminate()
            self._process.wait(20)
            self._process = None

    def kill(self) -> None:
        """At once."""
        if self._process is not None:
            self._process.kill()
            self._process.wait(20)
            self._process = None

    def close(self) -> None:
        """Stop, and take the socket away."""
        self.stop()
        shutil.rmtree(self._short, ignore_errors=True)


@contextmanager
def running(folder: Path, *, password: str = "", more: tuple[str, ...] = ()) -> Iterator[RedisServer]:
    """A server that runs."""
    server = RedisServer(folder, password=password, more=more)
    try:
        server.start()
        yield server
    finally:
        server.close()
