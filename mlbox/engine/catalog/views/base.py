"""What a public view is. The views of ``ml`` are the contract that CLI, dashboard and users read."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class ViewColumn:
    """A documented column."""

    name: str
    type: str
    doc: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A view of schema ``ml``: ``sql`` is its SELECT over ``catalog.main`` and ``data._mlbox``."""

    name: str
    doc: str
    sql: str
    columns: tuple[ViewColumn, ...]

    @property
    def create(self) -> str:
        """The statement that makes it."""
        return f"CREATE OR REPLACE VIEW catalog.ml.{self.name} AS {self.sql}"

    @property
    def fingerprint(self) -> str:
        """Changes when the definition does."""
        return hashlib.sha256(self.sql.encode()).hexdigest()[:16]


def all_views() -> list[View]:
    """Every view of every module of this package, by name; order of creation is by module, then as listed."""
    package = importlib.import_module(__package__)
    found: list[View] = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        found.extend(getattr(importlib.import_module(f"{__package__}.{module.name}"), "VIEWS", ()))
    documentation = importlib.import_module(f"{__package__}.columns").documentation
    return [*found, documentation(found)]
