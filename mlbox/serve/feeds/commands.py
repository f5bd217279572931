"""Commands on feeds."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any, ClassVar

from mlbox.base.command import Command, Query
from mlbox.base.names import Ref


@dataclass(frozen=True, kw_only=True)
class CreateFeed(Command):
    """Bring rows to an endpoint: of a source, of a table as they are added, or of a query by the clock.

    Exactly one of ``source``, ``table``, ``query``; with a query one of ``cron`` and ``every``. Answers go ``into`` a
    table of the project or to the address ``uri``; without both they stand in the prediction log alone.
    """

    statement: ClassVar[str] = "CREATE FEED"
    ref: Ref
    endpoint: Ref
    source: Ref | None = None
    table: Ref | None = None
    column: str | None = None
    """By which new rows of the table are told."""
    query: Query | None = None
    cron: str | None = None
    every: timedelta | None = None
    timezone: str = "UTC"
    into: Ref | None = None
    uri: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    replace: bool = False
    if_not_exists: bool = False
    comment: str | None = None


@dataclass(frozen=True, kw_only=True)
class DropFeed(Command):
    """What it has written stays; what waits for it goes."""

    statement: ClassVar[str] = "DROP FEED"
    ref: Ref
    if_exists: bool = False
    cascade: bool = False
