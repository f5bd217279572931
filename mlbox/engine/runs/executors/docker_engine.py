"""The connection to a Docker engine, and its errors in our words."""

from __future__ import annotations

import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from mlbox.base.errors import Invalid, MlboxError, Unavailable

_SECONDS = 60
_CONNECTIONS = 64
"""Each run that is followed holds one."""


class Engine:
    """A Docker engine, connected to when it is first used."""

    def __init__(self, configured: str = "") -> None:
        self._configured = configured
        self._client: Any = None
        self._lock = threading.Lock()

    @property
    def address(self) -> str:
        """Where it is: the setting, else ``DOCKER_HOST``, else the usual socket."""
        return self._configured or os.environ.get("DOCKER_HOST") or "unix:///var/run/docker.sock"

    def client(self) -> Any:
        """``docker.DockerClient``; to be used inside ``told``."""
        with self._lock:
            if self._client is None:
                self._client = self._connect()
            return self._client

    def ping(self, seconds: float) -> None:
        """Whether it answers within so many seconds; to be used inside ``told``."""
        client = self._connect(seconds)
        try:
            client.ping()
        finally:
            client.close()

    def _connect(self, seconds: float = _SECONDS) -> Any:
        try:
            import docker
        except ImportError:
            raise Unavailable(
                "runs on docker need the Python package docker, which is not installed", hint="install mlbox[docker]"
            ) from None
        environment = {**os.environ, "DOCKER_HOST": self.address}
        known = docker.utils.kwargs_from_env(environment=environment)
        return docker.DockerClient(**known, timeout=seconds, max_pool_size=_CONNECTIONS)


@contextmanager
def told(what: str, engine: Engine) -> Iterator[None]:
    """Errors of the engine in our words: ``Unavailable`` when it does not answer, ``Invalid`` when it refuses.
    What is not there stays ``docker.errors.NotFound``, for ``is_missing``."""
    try:
        yield
    except MlboxError:
        raise
    except Exception as error:
        if is_missing(error):
            raise
        raise _our_words(what, engine, error) from None


def is_missing(error: BaseException) -> bool:
    """Whether the engine said that there is no such container, image or path, or that it is going."""
    if not type(error).__module__.startswith("docker."):
        return False
    return getattr(error, "status_code", None) == 404 or "marked for removal" in str(error)


def _our_words(what: str, engine: Engine, error: Exception) -> Exception:
    module = type(error).__module__.partition(".")[0]
    status = getattr(error, "status_code", None)
    if module not in ("docker", "requests", "urllib3") and not isinstance(error, OSError):
        return error
    if status is None:
        return Unavailable(
            f"the Docker engine at {engine.address} does not answer ({what}): {_plain(error)}",
            hint="start it, or say where it is with DOCKER_HOST or the setting docker_host",
        )
    told_by_it = str(getattr(error, "explanation", "") or error)
    message = f"the Docker engine refused ({what}): {told_by_it}"
    if "executable file not found" in told_by_it:
        return Invalid(message, hint="a function's image needs python3 on its PATH")
    return Invalid(message) if status < 500 else Unavailable(message)


def _plain(error: Exception) -> str:
    """The innermost reason, without the wrappings of three libraries."""
    found = re.findall(r"\w+Error\((?:\d+, )?'([^']+)'\)", str(error))
    return found[-1] if found else str(error)
