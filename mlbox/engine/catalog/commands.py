"""Commands on projects and on what all nouns share: listing, describing, lineage."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mlbox.base.command import Command, Query, Role
from mlbox.base.errors import Invalid
from mlbox.base.names import Ref


@dataclass(frozen=True, kw_only=True)
class CreateProject(Command):
    """``source`` is an archive, or a folder or ``git+`` URL whose statements are applied, relative to ``base_folder``
    (the client's folder); ``options`` the WITH clause."""

    statement: ClassVar[str] = "CREATE PROJECT"
    name: str
    replace: bool = False
    if_not_exists: bool = False
    source: str | None = None
    base_folder: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class UseProject(Command):
    """That the project is there; the session then looks names up in it."""

    statement: ClassVar[str] = "USE PROJECT"
    role: ClassVar[Role] = "viewer"
    name: str


@dataclass(frozen=True, kw_only=True)
class DropProject(Command):
    """With ``cascade`` all that the project holds goes too; all or nothing. With ``purge`` nothing of it is kept for
    RESTORE PROJECT; of a project that was dropped before, what is kept goes."""

    statement: ClassVar[str] = "DROP PROJECT"
    role: ClassVar[Role] = "admin"
    name: str
    if_exists: bool = False
    cascade: bool = False
    purge: bool = False


@dataclass(frozen=True, kw_only=True)
class Show(Command):
    """Rows of the ``ml`` view of a noun. ``noun`` is the view's name (``runs``, ``feature_sets``).

    ``row_limit`` is the session's: so many rows at most, and the result says when there were more.
    """

    statement: ClassVar[str] = "SHOW"
    role: ClassVar[Role] = "viewer"
    noun: str
    of: str | None = None
    like: str | None = None
    project: str | None = None
    where: Query | None = None
    limit: int | None = None
    row_limit: int | None = None


@dataclass(frozen=True, kw_only=True)
class Describe(Command):
    """All that is known of one object, as rows (property, value). ``kind`` is singular: ``model``, ``feature set``."""

    statement: ClassVar[str] = "DESCRIBE"
    role: ClassVar[Role] = "viewer"
    kind: str
    ref: Ref


@dataclass(frozen=True, kw_only=True)
class Explain(Command):
    """The plan of another command; with ``analyze`` it is carried out and timed."""

    statement: ClassVar[str] = "EXPLAIN"
    role: ClassVar[Role] = "viewer"
    command: Command
    analyze: bool = False


def refuse_private(command: Command) -> None:
    """Raise ``Invalid`` for a command, explained or not, that may not be kept as text."""
    while isinstance(command, Explain):
        command = command.command
    if command.private:
        raise Invalid(
            "a statement that is kept may not hold a secret",
            hint=f"{command.statement} by itself, once: others read what is kept",
        )


@dataclass(frozen=True, kw_only=True)
class ShowLineage(Command):
    """What an object was made from and what was made from it."""

    statement: ClassVar[str] = "SHOW LINEAGE"
    role: ClassVar[Role] = "viewer"
    kind: str
    ref: Ref


@dataclass(frozen=True, kw_only=True)
class RestoreObject(Command):
    """Bring back what was dropped: the newest drop of that name, and of that version when one is named."""

    statement: ClassVar[str] = "RESTORE"
    kind: str
    """In lower case: ``model``, ``run``."""
    ref: Ref


@dataclass(frozen=True, kw_only=True)
class CollectGarbage(Command):
    """Remove what the settings call old and nothing points at; the owner of the server may."""

    statement: ClassVar[str] = "COLLECT GARBAGE"


@dataclass(frozen=True, kw_only=True)
class ExportProject(Command):
    """Write a project to a file of the server's machine, relative to ``base_folder``: an archive (``.zip``), or its
    statements alone (``.sql``). Without ``runs`` runs, their artifacts and the runs of workflows stay out."""

    statement: ClassVar[str] = "EXPORT PROJECT"
    role: ClassVar[Role] = "admin"
    name: str
    path: str
    runs: bool = True
    base_folder: str | None = None
