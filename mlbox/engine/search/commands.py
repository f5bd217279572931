"""Commands of collections."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar, Literal

from mlbox.base.command import Command, Query
from mlbox.base.names import Ref

Metric = Literal["cosine", "l2", "dot"]


@dataclass(frozen=True, slots=True)
class Split:
    """Texts are cut into pieces of at most ``size`` characters; each repeats up to ``overlap`` of the one before."""

    size: int = 1000
    overlap: int = 100


@dataclass(frozen=True, kw_only=True)
class CreateCollection(Command):
    """Define what ``ml.search`` looks through, and fill it from its query."""

    statement: ClassVar[str] = "CREATE COLLECTION"
    ref: Ref
    query: Query
    key: tuple[str, ...]
    text: str | None = None
    vector: str | None = None
    embed: Ref | None = None
    """What makes vectors of the texts."""
    embed_kind: Literal["model", "function"] = "model"
    tokenizer: str | None = None
    """Path of a ``tokenizer.json`` for a model that takes tokens."""
    split: Split | None = None
    metric: Metric = "cosine"
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None
    base_folder: str | None = None
    """Where a relative path starts."""


@dataclass(frozen=True, kw_only=True)
class RefreshCollection(Command):
    """Bring a collection up to date with its query; ``full`` makes every vector anew."""

    statement: ClassVar[str] = "REFRESH COLLECTION"
    ref: Ref
    full: bool = False


@dataclass(frozen=True, kw_only=True)
class DropCollection(Command):
    """``cascade`` is accepted as for other objects; nothing stands on a collection."""

    statement: ClassVar[str] = "DROP COLLECTION"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False
