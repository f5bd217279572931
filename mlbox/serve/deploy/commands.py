"""Commands on deployments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mlbox.base.command import Command, Role
from mlbox.base.names import Ref


@dataclass(frozen=True, kw_only=True)
class DeployEndpoint(Command):
    """Put replicas of an endpoint on an engine, or bring those that are there up to what it is now."""

    statement: ClassVar[str] = "DEPLOY ENDPOINT"
    role: ClassVar[Role] = "admin"
    ref: Ref
    engine: str
    options: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class UndeployEndpoint(Command):
    """Take its replicas away, from one engine or from all; the endpoint goes on here."""

    statement: ClassVar[str] = "UNDEPLOY ENDPOINT"
    role: ClassVar[Role] = "admin"
    ref: Ref
    engine: str | None = None
    force: bool = False
    """Forget it also where the engine cannot be reached."""
