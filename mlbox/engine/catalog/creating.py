"""CREATE of what is one under its name, where one is there already."""

from __future__ import annotations

from typing import TYPE_CHECKING, Protocol

from mlbox.base.command import Plan, Result, Step
from mlbox.base.errors import AlreadyExists

if TYPE_CHECKING:
    from mlbox.base.names import Ref


class Create(Protocol):
    """The command."""

    @property
    def ref(self) -> Ref:
        """What is made."""

    @property
    def replace(self) -> bool:
        """OR REPLACE."""

    @property
    def if_not_exists(self) -> bool:
        """IF NOT EXISTS."""


def kept(kind: str, command: Create, present: object, replaces: str = "replaces it") -> Plan | None:
    """The plan where ``present`` stays as it is, which is None where there is none; nothing where one is made or
    replaced. Raises ``AlreadyExists`` when neither was asked for; ``replaces`` is what OR REPLACE would do."""
    if present is None or command.replace:
        return None
    if command.if_not_exists:
        there = f"{kind} {command.ref}"
        return Plan((Step("reuse", there, "exists already"),), outcome=Result(f"{there} exists already"))
    raise AlreadyExists(
        f"{kind} {command.ref} exists already",
        hint=f"CREATE OR REPLACE {kind.upper()} {replaces}; IF NOT EXISTS keeps what is there",
    )
