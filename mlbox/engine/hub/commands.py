"""Commands of the function hub."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from mlbox.base.command import Command
from mlbox.base.names import Ref


@dataclass(frozen=True, kw_only=True)
class InstallFunction(Command):
    """Make a function of a hub one of the project's; without ``hub`` from the built-in one."""

    statement: ClassVar[str] = "INSTALL FUNCTION"
    ref: Ref
    """The name, with the hub's version where one is asked for."""
    hub: str | None = None
    """A hub's name, folder or URL."""


@dataclass(frozen=True, kw_only=True)
class PublishFunction(Command):
    """Put a function of the project into a hub."""

    statement: ClassVar[str] = "PUBLISH FUNCTION"
    ref: Ref
    hub: str
