"""What an origin of code is. A newcomer adds one file to this package: a class, and ``ORIGINS.add(name, object)``."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.registry import Registry
from mlbox.base.suggest import did_you_mean


@dataclass(frozen=True, slots=True)
class Place:
    """What the user wrote, split at ``#``; the folder where relative paths start; an empty folder for files."""

    text: str
    inner: str | None
    base: Path
    scratch: Path


@dataclass(frozen=True, slots=True)
class Fetched:
    """``root`` is a file, or the folder of all files; ``main`` the file of the handlers inside of a folder, where the
    user named it. ``revision`` says which state it is, where the origin has states."""

    root: Path
    main: str | None = None
    revision: str | None = None


class Origin(Protocol):
    """A kind of place that code comes from."""

    summary: str
    """For the reference: how it is written, and what it is."""

    def matches(self, text: str) -> bool:
        """Whether ``text`` (without ``#…``) is of this kind; only one is."""
        ...

    def fetch(self, place: Place) -> Fetched:
        """The files, here or in ``place.scratch``. Raises ``NotFound``, ``Invalid``, ``Unavailable``."""
        ...


ORIGINS: Registry[Origin] = Registry("origin of code", "mlbox.engine.runs.origins")


def origin_of(text: str) -> Origin | None:
    """The kind of ``text``; None: a path of this machine."""
    return next((origin for _, origin in ORIGINS if origin.matches(text)), None)


def inside(root: Path, inner: str | None) -> Fetched:
    """What the user named inside of a folder: ``#train.py``, ``#sub/folder`` or ``#subdirectory=sub/folder``."""
    wanted = (inner or "").removeprefix("subdirectory=").strip("/")
    if not wanted:
        return Fetched(root)
    path = (root / wanted).resolve()
    if not path.is_relative_to(root.resolve()):
        raise Invalid(f"{wanted!r} leaves the folder that the code is in")
    if path.is_dir():
        return Fetched(path)
    if not path.is_file():
        near = [entry.relative_to(root).as_posix() for entry in root.rglob("*.py")][:1000]
        raise NotFound(f"there is no {wanted} in it", hint=did_you_mean(wanted, near))
    return Fetched(root, path.relative_to(root.resolve()).as_posix())
