"""Commands on endpoints."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

from mlbox.base.command import Command, Query
from mlbox.base.names import Ref


@dataclass(frozen=True, slots=True)
class Share:
    """A model with its part of the traffic (percent) or its weight in an ensemble."""

    model: Ref
    weight: float = 1.0


@dataclass(frozen=True, kw_only=True)
class CreateEndpoint(Command):
    """Put a model, ensemble, function or graph behind HTTP. ``log_percent`` of predictions are recorded."""

    statement: ClassVar[str] = "CREATE ENDPOINT"
    ref: Ref
    using: Literal["model", "ensemble", "function", "graph", "traffic"] = "model"
    shares: tuple[Share, ...] = ()
    ensemble: Literal["mean", "vote", "weighted", "stack"] | None = None
    meta: Ref | None = None
    """The model that a stack ends in."""
    function: Ref | None = None
    graph: str | None = None
    """A file, or the graph itself (what begins with a brace, or has several lines)."""
    base_folder: str | None = None
    enrich: Ref | None = None
    impute: Mapping[str, Any] = field(default_factory=dict)
    shadow: Ref | None = None
    preprocess: Query | None = None
    postprocess: Query | None = None
    url_path: str | None = None
    log_percent: float = 100.0
    replace: bool = False
    if_not_exists: bool = False
    options: Mapping[str, Any] = field(default_factory=dict)
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class AlterEndpoint(Command):
    """Switch model or traffic without a failed request, or suspend and resume."""

    statement: ClassVar[str] = "ALTER ENDPOINT"
    ref: Ref
    shares: tuple[Share, ...] = ()
    function: Ref | None = None
    state: Literal["suspend", "resume"] | None = None


@dataclass(frozen=True, kw_only=True)
class DropEndpoint(Command):
    """Its prediction log stays until the project goes. ``cascade`` also drops the monitors that watch it."""

    statement: ClassVar[str] = "DROP ENDPOINT"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False
