"""What ``WITH (..)`` of a function may say to the Docker executor."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.placed import about
from mlbox.engine.runs.executors.options import read_options


@dataclass(frozen=True, slots=True, kw_only=True)
class DockerOptions:
    """Read with :meth:`read`."""

    commands: tuple[str, ...] = ()
    """Shell commands while the image is built, before the requirements: ``['apt-get update', ..]``."""
    mounts: tuple[str, ...] = ()
    """``'/on/the/engine:/inside'`` or a volume's name, with ``:ro`` for reading only."""
    network: str = ""
    """A network of the engine; the run must be able to call home through it."""
    user: str = ""
    """Name or number."""
    read_only: bool = False
    """Nothing but ``/tmp`` and mounts can be written."""
    shm: str = ""
    """Size of ``/dev/shm`` (``'2g'``), which data loaders of several processes need."""

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> DockerOptions:
        """Raises ``Invalid`` for what it does not know."""
        found = read_options(cls, "docker", options)
        with about("mounts"):
            for mount in found.mounts:
                _check_mount(mount)
        return found

    def arguments(self) -> dict[str, Any]:
        """Those that a container is created with as they are."""
        given: dict[str, Any] = {"read_only": self.read_only}
        for name, value in (("network", self.network), ("user", self.user), ("shm_size", self.shm)):
            if value:
                given[name] = value
        return given


def _check_mount(mount: str) -> None:
    parts = mount.split(":")
    well = len(parts) in (2, 3) and parts[0] and parts[1].startswith("/") and parts[2:] in ([], ["ro"], ["rw"])
    if not well:
        hint = "write '/folder:/inside' or 'volume:/inside', with :ro to read only"
        raise Invalid(f"{mount!r} is not a mount", hint=hint)
