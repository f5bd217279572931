"""Commands on members, tokens and secrets."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mlbox.base.command import Command, Role
from mlbox.base.names import Ref


@dataclass(frozen=True, kw_only=True)
class GrantRole(Command):
    """Give a user a role in a project; it replaces the one that the user had there."""

    statement: ClassVar[str] = "GRANT"
    role: ClassVar[Role] = "admin"
    granted: Role
    project: str
    user: str


@dataclass(frozen=True, kw_only=True)
class RevokeRole(Command):
    """Take a role in a project away."""

    statement: ClassVar[str] = "REVOKE"
    role: ClassVar[Role] = "admin"
    revoked: Role
    project: str
    user: str


@dataclass(frozen=True, kw_only=True)
class CreateToken(Command):
    """A new token of a user; it is shown once. ``options``: ``name``, ``expires`` (an interval)."""

    statement: ClassVar[str] = "CREATE TOKEN"
    role: ClassVar[Role] = "admin"
    user: str
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class DropToken(Command):
    """A token by its id: it is refused from now on."""

    statement: ClassVar[str] = "DROP TOKEN"
    role: ClassVar[Role] = "admin"
    token: str
    if_exists: bool = False


@dataclass(frozen=True, kw_only=True)
class SetSecret(Command):
    """Keep a value encrypted under a name. It is never shown again, and not part of ``repr``."""

    statement: ClassVar[str] = "SET SECRET"
    private: ClassVar[bool] = True
    role: ClassVar[Role] = "admin"
    project: str
    name: str
    value: str = field(repr=False)


@dataclass(frozen=True, kw_only=True)
class DropSecret(Command):
    """Forget a secret."""

    statement: ClassVar[str] = "DROP SECRET"
    role: ClassVar[Role] = "admin"
    project: str
    name: str
    if_exists: bool = False


@dataclass(frozen=True, kw_only=True)
class CreateProfile(Command):
    """Credentials of an object store under a name. ``options`` may hold secrets by name; none of them is part of
    ``repr``."""

    statement: ClassVar[str] = "CREATE PROFILE"
    private: ClassVar[bool] = True
    role: ClassVar[Role] = "admin"
    ref: Ref
    type: str
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class DropProfile(Command):
    """Forget a profile."""

    statement: ClassVar[str] = "DROP PROFILE"
    role: ClassVar[Role] = "admin"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False
