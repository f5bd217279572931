"""The home: one folder that holds all state."""

from __future__ import annotations

import fcntl
import json
import os
import socket
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from mlbox.base.errors import HomeError

FOLDERS = ("artifacts", "environments", "logs", "online", "vectors", "runs", "cache", "plugins", "uploads")


@dataclass(frozen=True, slots=True)
class Home:
    """Where things are in a home folder."""

    path: Path

    @property
    def catalog_file(self) -> Path:
        """Metadata."""
        return self.path / "catalog.duckdb"

    @property
    def data_file(self) -> Path:
        """Features, user tables and the prediction log."""
        return self.path / "features.duckdb"

    @property
    def artifacts(self) -> Path:
        """Content-addressed bytes."""
        return self.path / "artifacts"

    @property
    def environments(self) -> Path:
        """Python environments of functions, by the hash of their requirements."""
        return self.path / "environments"

    @property
    def logs(self) -> Path:
        """One file a run, and the server's own."""
        return self.path / "logs"

    @property
    def online(self) -> Path:
        """The online store."""
        return self.path / "online"

    @property
    def runs(self) -> Path:
        """One working folder a run."""
        return self.path / "runs"

    @property
    def cache(self) -> Path:
        """What can be made again."""
        return self.path / "cache"

    @property
    def uploads(self) -> Path:
        """Files that users sent, for some days."""
        return self.path / "uploads"

    @property
    def server_file(self) -> Path:
        """Address and process of the server that owns the home."""
        return self.path / "server.json"

    @property
    def run_api_file(self) -> Path:
        """Where runs elsewhere call home: host → port."""
        return self.path / "run-api.json"

    @property
    def lock_file(self) -> Path:
        """Held locked by the owner."""
        return self.path / "home.lock"

    def create(self) -> None:
        """Make the folders; readable by their user only."""
        try:
            self.path.mkdir(parents=True, exist_ok=True, mode=0o700)
            for folder in FOLDERS:
                (self.path / folder).mkdir(exist_ok=True, mode=0o700)
        except OSError as error:
            raise HomeError(
                f"the home {self.path} cannot be made: {error.strerror}",
                hint="choose a folder that you may write with --home DIR or MLBOX_HOME",
            ) from None

    def server(self) -> dict[str, Any] | None:
        """What the owning server wrote about itself, as long as it holds the home."""
        if owner_of(self) is None:
            return None
        try:
            known: dict[str, Any] = json.loads(self.server_file.read_text())
            return known if "url" in known and "pid" in known else None
        except (OSError, ValueError):
            return None

    def write_server(self, url: str, **more: Any) -> None:
        """Tell others how to reach the owner; replaced in one step so that nobody reads a half."""
        body = {"url": url, "pid": os.getpid(), "host": socket.gethostname(), **more}
        temporary = self.server_file.with_suffix(".new")
        temporary.write_text(json.dumps(body))
        os.replace(temporary, self.server_file)


def owner_of(home: Home) -> str | None:
    """Who holds the lock (``process 4711``), whether it answers already or not; None when nobody does: a process id
    alone may be a dead one's or another's."""
    try:
        handle = os.open(home.lock_file, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return None
    try:
        fcntl.flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except OSError:
        return _name_in(handle)
    finally:
        os.close(handle)
    return None


def _name_in(handle: int) -> str:
    return os.pread(handle, 200, 0).decode(errors="replace").strip() or "another process"


class HomeLock:
    """Ownership of a home: an advisory lock that the system frees when the owner dies, however it dies."""

    def __init__(self, home: Home) -> None:
        self._home = home
        self._handle: int | None = None

    def acquire(self) -> None:
        """Take it or raise ``HomeError`` that names the owner."""
        handle = os.open(self._home.lock_file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except OSError:
            owner = _name_in(handle)
            os.close(handle)
            server = self._home.server()
            hint = (
                f"use it at {server['url']}, or stop it with: mlbox --home {self._home.path} down"
                if server
                else "if a server is starting there, try again in a moment; else wait for that command to end, or "
                "choose another folder with --home DIR"
            )
            raise HomeError(f"the home {self._home.path} is in use by {owner}", hint=hint) from None
        os.ftruncate(handle, 0)
        os.pwrite(handle, f"process {os.getpid()}".encode(), 0)
        self._home.server_file.unlink(missing_ok=True)  # of a killed server; its process id may be another's by now
        self._handle = handle

    def release(self) -> None:
        """Give it back."""
        if self._handle is None:
            return
        with suppress(OSError):
            os.ftruncate(self._handle, 0)
            os.close(self._handle)
        self._handle = None


def find_home(explicit: str | None = None, start: Path | None = None) -> Home:
    """``explicit``, else ``MLBOX_HOME``, else ``.mlbox`` of the folder or one above it, else ``~/.mlbox``."""
    chosen = explicit or os.environ.get("MLBOX_HOME")
    if chosen:
        return Home(Path(chosen).expanduser().absolute())
    folder = (start or Path.cwd()).absolute()
    for candidate in (folder, *folder.parents):
        if (candidate / ".mlbox").is_dir():
            return Home(candidate / ".mlbox")
    return Home(Path.home() / ".mlbox")
