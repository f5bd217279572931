"""What the wire needs of the house."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.base.command import Dispatcher
    from mlbox.base.events import Bus
    from mlbox.base.settings import Settings
    from mlbox.base.underway import Ongoing
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.security.members import Members
    from mlbox.sql.wire.catalog.pg_catalog import PgCatalog

Identify = Callable[[str, str], str]
"""From a user and a secret to the user's name; raises ``Unauthorized``."""


@dataclass(frozen=True, slots=True)
class WireContext:
    """Parts of the house, handed in by ``app``."""

    catalog: Catalog
    dispatcher: Dispatcher
    bus: Bus
    ongoing: Ongoing
    settings: Settings
    logs: Path
    """The folder with the logs of runs."""
    version: str
    members: Members
    """Who is who; while it is open to all, everybody is let in as the owner."""
    pg_catalog: PgCatalog


@dataclass(frozen=True, slots=True)
class Introduction:
    """Who has connected: the names and settings of the StartupMessage."""

    user: str
    database: str
    settings: dict[str, str]
