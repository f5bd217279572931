"""Engines that replicas run on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.deployments import DeploymentRow
    from mlbox.serve.deploy.manifests import Described
    from mlbox.serve.deploy.options import DeployOptions


@dataclass(frozen=True, slots=True)
class Rolled:
    """How bringing up a version went."""

    address: str
    """For callers."""
    problem: str = ""
    """Why it does not answer; empty: all of its replicas do."""
    restored: bool = False
    """Whether what was there before answers on, and nothing of the new version is left."""
    hint: str = ""
    """What mends it, where that is clear."""


class Target(Protocol):
    """Where replicas can be put."""

    name: str

    def place(self, options: DeployOptions) -> str:
        """The namespace or address; raises ``Unavailable`` when the engine does not answer."""
        ...

    def objects(self, what: Described) -> list[dict[str, Any]]:
        """What would be made, in the engine's own words."""
        ...

    def roll(self, what: Described, seconds: float) -> Rolled:
        """Bring a version up beside what is there, which goes when all of it answers; if it does not within so many
        seconds, what was there stays."""
        ...

    def warnings(self, what: Described) -> list[str]:
        """What will not work as one may expect, though it can be deployed."""
        ...

    def check(self, seconds: float) -> None:
        """Raises ``Unavailable`` when the engine does not answer within so many seconds."""
        ...

    def left(self, row: DeploymentRow) -> str:
        """A command that takes away what may still be there, for people, once the engine is back."""
        ...

    def remove(self, row: DeploymentRow) -> list[str]:
        """Take all of it away; what there was."""
        ...
