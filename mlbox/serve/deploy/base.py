"""Engines that replicas run on."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.deployments import DeploymentRow
    from mlbox.serve.deploy.manifests import Described
    from mlbox.serve.deploy.options import DeployOptions


class Target(Protocol):
    """Where replicas can be put."""

    name: str

    def place(self, options: DeployOptions) -> str:
        """The namespace or address; raises ``Unavailable`` when the engine does not answer."""
        ...

    def objects(self, what: Described) -> list[dict[str, Any]]:
        """What would be made, in the engine's own words."""
        ...

    def apply(self, what: Described) -> str:
        """Make it, or change what is there; the address for callers."""
        ...

    def ready(self, what: Described, seconds: float) -> str:
        """Wait until all replicas of this version answer; why they do not, or nothing."""
        ...

    def remove(self, row: DeploymentRow) -> list[str]:
        """Take all of it away; what there was."""
        ...
