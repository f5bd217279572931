"""What a member may do, and on whose behalf this thread works.

The dispatcher says it for the time of a command; the catalog and plain SQL ask. ``None`` is the owner of the home: no
limits, and no cost.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field

from mlbox.base.command import Role

RANK: Mapping[Role, int] = {"viewer": 1, "editor": 2, "admin": 3}


@dataclass(frozen=True, slots=True)
class Access:
    """The roles of a member, by project (lower case)."""

    user: str
    roles: Mapping[str, Role] = field(default_factory=dict)

    def allows(self, role: Role, project: str) -> bool:
        """Whether the member has at least ``role`` in ``project``."""
        own = self.roles.get(project.lower())
        return own is not None and RANK[own] >= RANK[role]

    def sees(self, project: str) -> bool:
        """Whether the member may read what ``project`` holds."""
        return project.lower() in self.roles

    def administers(self) -> list[str]:
        """The projects whose audit the member may read, by name."""
        return sorted(project for project, role in self.roles.items() if role == "admin")


_acting: ContextVar[tuple[Access | None] | None] = ContextVar("acting", default=None)


def acting() -> Access | None:
    """For which member this thread works; None for the house and its owner."""
    said = _acting.get()
    return said[0] if said else None


def is_said() -> bool:
    """Whether somebody has said for whom this thread works; in a thread of the house's own nobody does."""
    return _acting.get() is not None


@contextmanager
def acting_for(access: Access | None) -> Iterator[None]:
    """Work for a member, or for the owner (None), during the block."""
    token = _acting.set((access,))
    try:
        yield
    finally:
        _acting.reset(token)
