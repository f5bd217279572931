"""Commands of the model registry."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar

from mlbox.base.command import Command, Query
from mlbox.base.names import Ref


@dataclass(frozen=True, kw_only=True)
class CreateModel(Command):
    """Register a new version of a model; one of ``path``, ``run``, ``artifact_id``, ``model``, ``query`` is given.

    ``CREATE MODEL`` of a name that exists adds a version; ``replace`` also moves nothing but says so.
    """

    statement: ClassVar[str] = "CREATE MODEL"
    ref: Ref
    replace: bool = False
    if_not_exists: bool = False
    path: str | None = None
    base_folder: str | None = None
    run: str | None = None
    artifact: str | None = None
    artifact_id: str | None = None
    """An artifact of kind model by its id, whatever run it is of."""
    model: Ref | None = None
    query: Query | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    inputs: tuple[tuple[str, str], ...] = ()
    outputs: tuple[tuple[str, str], ...] = ()
    features: Ref | None = None
    metrics: Mapping[str, float] = field(default_factory=dict)
    alias: str | None = None
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class SetModelAlias(Command):
    """Move an alias to a version (a number, or another alias); the move is recorded."""

    statement: ClassVar[str] = "ALTER MODEL"
    ref: Ref
    alias: str
    version: str


@dataclass(frozen=True, kw_only=True)
class DropModelAlias(Command):
    """The version stays."""

    statement: ClassVar[str] = "ALTER MODEL"
    ref: Ref
    alias: str


@dataclass(frozen=True, kw_only=True)
class DropModel(Command):
    """One version when the reference has one, else the model."""

    statement: ClassVar[str] = "DROP MODEL"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False


@dataclass(frozen=True, kw_only=True)
class RefreshModel(Command):
    """Train a model that was made from a query once more; the result is a new version."""

    statement: ClassVar[str] = "REFRESH MODEL"
    ref: Ref
