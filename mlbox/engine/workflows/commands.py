"""Commands on workflows and schedules."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from mlbox.base.command import Command, Query, Role
from mlbox.base.names import Ref


@dataclass(frozen=True, slots=True)
class WorkflowStep:
    """A step: ``body`` is one statement as text (ours or plain SQL), parsed again when it runs."""

    name: str
    body: Query
    after: tuple[str, ...] = ()
    when: Query | None = None
    for_each: tuple[str, Query] | None = None
    retries: int = 0
    timeout: timedelta | None = None


@dataclass(frozen=True, kw_only=True)
class CreateWorkflow(Command):
    """A directed acyclic graph of statements."""

    statement: ClassVar[str] = "CREATE WORKFLOW"
    ref: Ref
    steps: tuple[WorkflowStep, ...]
    finally_: Query | None = None
    text: str = ""
    """The whole statement as the user wrote it; the catalog keeps it."""
    replace: bool = False
    if_not_exists: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class RunWorkflow(Command):
    """``parameters`` are ``$name`` in the steps."""

    statement: ClassVar[str] = "RUN WORKFLOW"
    ref: Ref
    parameters: Mapping[str, Any] = field(default_factory=dict)
    asynchronous: bool = False


@dataclass(frozen=True, kw_only=True)
class DropWorkflow(Command):
    """Its past runs stay."""

    statement: ClassVar[str] = "DROP WORKFLOW"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, kw_only=True)
class CreateSchedule(Command):
    """A statement by the clock: exactly one of ``cron``, ``every``."""

    statement: ClassVar[str] = "CREATE SCHEDULE"
    ref: Ref
    body: Query
    cron: str | None = None
    every: timedelta | None = None
    timezone: str = "UTC"
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class DropSchedule(Command):
    """What it started goes on."""

    statement: ClassVar[str] = "DROP SCHEDULE"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, kw_only=True)
class AlterObject(Command):
    """``ALTER {SCHEDULE|MONITOR|ALERT|..} x {SUSPEND|RESUME|RENAME TO y|SET (..)}``."""

    statement: ClassVar[str] = "ALTER"
    role: ClassVar[Role] = "editor"
    kind: str
    ref: Ref
    action: str
    new_name: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
