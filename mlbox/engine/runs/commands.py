"""Commands on functions and runs."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar, Literal

from mlbox.base.command import Command, Query
from mlbox.base.names import Ref


@dataclass(frozen=True, slots=True)
class Resources:
    """What a run may use; ``memory`` in bytes."""

    cpu: float | None = None
    memory: int | None = None
    gpu: int | None = None


@dataclass(frozen=True, kw_only=True)
class CreateFunction(Command):
    """Register a version of user code. ``source`` is relative to ``base_folder`` (the client's folder)."""

    statement: ClassVar[str] = "CREATE FUNCTION"
    ref: Ref
    source: str = ""
    query: Query | None = None
    """A function of SQL that is written in its statement."""
    base_folder: str | None = None
    replace: bool = False
    if_not_exists: bool = False
    handler: str | None = None
    runtime: str = "local"
    image: str | None = None
    requirements: tuple[str, ...] = ()
    resources: Resources = field(default_factory=Resources)
    environment: Mapping[str, str] = field(default_factory=dict)
    secrets: tuple[str, ...] = ()
    retries: int = 0
    backoff: timedelta | None = None
    timeout: timedelta | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class SetFunctionAlias(Command):
    """Point an alias at a version (a number or another alias), or take it away (None)."""

    statement: ClassVar[str] = "ALTER FUNCTION"
    ref: Ref
    alias: str
    version: str | None


@dataclass(frozen=True, kw_only=True)
class DropFunction(Command):
    """Runs of the function stay."""

    statement: ClassVar[str] = "DROP FUNCTION"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, slots=True)
class SweepParameter:
    """Either the listed ``values`` or a range from ``low`` to ``high``."""

    name: str
    values: tuple[Any, ...] = ()
    low: float | None = None
    high: float | None = None
    log: bool = False


@dataclass(frozen=True, slots=True)
class Sweep:
    """A search over parameters; the best trial is the parent's result."""

    parameters: tuple[SweepParameter, ...]
    metric: str
    goal: Literal["maximize", "minimize"]
    strategy: str = "grid"
    limit: int | None = None
    parallel: int = 1
    stop_when: Query | None = None
    prune: str | None = None
    """Rule by which trials are ended early: median, halving."""
    max_errors: int | None = None
    """Trials that may fail before the sweep gives up."""


@dataclass(frozen=True, slots=True)
class RunSource:
    """What a run reads as its frame: a vector or table by name, or a query."""

    ref: Ref | None = None
    query: Query | None = None


@dataclass(frozen=True, slots=True)
class RunArtifact:
    """An input that is an artifact, of a version or alias, as all runs logged it or ``run``."""

    ref: Ref
    run: str | None = None


@dataclass(frozen=True, kw_only=True)
class StartRun(Command):
    """Run a function; waits for its end unless ``asynchronous``."""

    statement: ClassVar[str] = "RUN"
    function: Ref
    handler: str | None = None
    source: RunSource | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    inputs: Mapping[str, Any] = field(default_factory=dict)
    sweep: Sweep | None = None
    name: str | None = None
    labels: Mapping[str, Any] = field(default_factory=dict)
    runtime: str | None = None
    retries: int | None = None
    timeout: timedelta | None = None
    returns: tuple[str, ...] = ()
    """How returned values are kept, ``name:kind`` each."""
    asynchronous: bool = False


@dataclass(frozen=True, kw_only=True)
class TrackRun(Command):
    """A script or notebook begins a run of its own; it gets a token to log with. No statement says this."""

    statement: ClassVar[str] = "START RUN"
    audit_waits: ClassVar[bool] = True
    project: str
    name: str | None = None
    experiment: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    labels: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class CancelRun(Command):
    """``run`` is an id, a prefix of one, or a run's name (its latest)."""

    statement: ClassVar[str] = "CANCEL RUN"
    project: str
    run: str


@dataclass(frozen=True, kw_only=True)
class Rerun(Command):
    """The same function version, parameters and inputs again."""

    statement: ClassVar[str] = "RERUN"
    project: str
    run: str
    from_step: str | None = None


@dataclass(frozen=True, kw_only=True)
class LogToRun(Command):
    """``LOG METRIC|PARAM|ARTIFACT`` by statement."""

    statement: ClassVar[str] = "LOG"
    project: str
    run: str | None
    kind: Literal["metric", "param", "artifact"]
    name: str
    value: Any = None
    step: int | None = None
    path: str | None = None


@dataclass(frozen=True, kw_only=True)
class ChangeRun(Command):
    """What people say of a run, whatever its state: a name, a note, labels. What is not named stays."""

    statement: ClassVar[str] = "ALTER RUN"
    project: str
    run: str
    options: Mapping[str, Any] = field(default_factory=dict)
    """``note`` and ``name``; NULL takes one away."""
    labels: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()
    """Labels that go."""


@dataclass(frozen=True, kw_only=True)
class SetArtifactAlias(Command):
    """Point an alias at a version (a number or another alias), or take it away (None)."""

    statement: ClassVar[str] = "ALTER ARTIFACT"
    ref: Ref
    alias: str
    version: str | None


@dataclass(frozen=True, kw_only=True)
class LabelArtifact(Command):
    """Labels of a version, of the latest without one. What is not named stays; ``without`` go."""

    statement: ClassVar[str] = "ALTER ARTIFACT"
    ref: Ref
    labels: Mapping[str, Any] = field(default_factory=dict)
    without: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class DropArtifact(Command):
    """Of all runs that logged it, or of ``run`` alone; refused while a version of a model is made from it."""

    statement: ClassVar[str] = "DROP ARTIFACT"
    ref: Ref
    run: str | None = None
    if_exists: bool = False


@dataclass(frozen=True, kw_only=True)
class DropRun(Command):
    """Forget a finished run, its logs and artifacts; refused while a version of a model is made from it."""

    statement: ClassVar[str] = "DROP RUN"
    project: str
    run: str
    if_exists: bool = False
