"""Real PostgreSQL and MariaDB servers of Debian, each in a folder and on a port of its own, as an unprivileged user."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from free_port import free_port
from waiting import wait_until

PASSWORD = "pw-4711"


def postgres_tool(name: str) -> str | None:
    """A program of the newest PostgreSQL."""
    found = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"))
    return str(found[-1]) if found else shutil.which(name)


def why_not(kind: str) -> str:
    """Why a server cannot be had here; empty: it can."""
    if kind == "postgres":
        return "" if postgres_tool("initdb") else "there is no initdb (Debian: postgresql)"
    return "" if Path("/usr/sbin/mariadbd").exists() else "there is no mariadbd (Debian: mariadb-server)"


@contextmanager
def postgres() -> Iterator[int]:
    """The port of a server with the user ``ana`` and the database ``postgres``."""
    with _folder("postgres") as folder:
        (folder / "password").write_text(PASSWORD)
        data = str(folder / "data")
        setup = ["--auth=scram-sha-256", "--username=ana", f"--pwfile={folder}/password", "--no-sync", data]
        subprocess.run([*_as("postgres"), str(postgres_tool("initdb")), *setup], check=True, capture_output=True)
        port = free_port()
        options = ["-D", data, "-p", str(port), "-c", "listen_addresses=127.0.0.1", "-k", str(folder), "-F"]
        with _running([*_as("postgres"), str(postgres_tool("postgres")), *options], port):
            yield port


@contextmanager
def mariadb() -> Iterator[int]:
    """The port of a server with the user ``ana`` and the database ``shop``."""
    with _folder("mysql") as folder:
        data = f"--datadir={folder}/data"
        setup = ["--no-defaults", data, "--auth-root-authentication-method=normal", "--skip-test-db"]
        subprocess.run([*_as("mysql"), "mariadb-install-db", *setup], check=True, capture_output=True)
        (folder / "init.sql").write_text(
            f"CREATE DATABASE shop;\nCREATE USER 'ana'@'127.0.0.1' IDENTIFIED BY '{PASSWORD}';\n"
            "GRANT ALL ON shop.* TO 'ana'@'127.0.0.1';\n"
        )
        port = free_port()
        options = ["--no-defaults", data, f"--port={port}", "--bind-address=127.0.0.1", "--skip-name-resolve"]
        options += [f"--socket={folder}/s", f"--pid-file={folder}/pid", f"--init-file={folder}/init.sql"]
        with _running([*_as("mysql"), "/usr/sbin/mariadbd", *options], port):
            yield port


def _as(user: str) -> list[str]:
    """These servers refuse to run as root."""
    return ["runuser", "-u", user, "--"] if os.geteuid() == 0 else []


@contextmanager
def _folder(user: str) -> Iterator[Path]:
    folder = Path(tempfile.mkdtemp(prefix="mlbox-db-"))
    try:
        if os.geteuid() == 0:
            shutil.chown(folder, user)
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)


@contextmanager
def _running(command: Sequence[str], port: int) -> Iterator[None]:
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True, cwd="/"
    )
    try:
        wait_until(lambda: process.poll() is not None or _answers(port))
        assert process.poll() is None, "the server has ended"
        yield
    finally:
        os.killpg(process.pid, signal.SIGTERM)
        process.wait(30)


def _answers(port: int) -> bool:
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=1):
            return True
    except OSError:
        return False
