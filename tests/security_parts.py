"""The parts of security that a house puts together, for tests that put together less."""

from __future__ import annotations

from mlbox.base.settings import Settings
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.security.fence import Fence
from mlbox.engine.security.members import Members
from mlbox.engine.security.permission import Permission


def permission_of(catalog: Catalog, settings: Settings | None = None) -> Permission:
    """As in the house."""
    settings = settings or Settings()
    return Permission(Members(catalog, settings), Fence(catalog), settings)
