"""What a public view is. The views of ``ml`` are the contract that CLI, dashboard and users read."""

from __future__ import annotations

import hashlib
import importlib
import pkgutil
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Seen = Literal["all", "project", "name", "own", "audit", "task"]
CONDITIONS: dict[Seen, str] = {
    "all": "true",
    "project": "list_contains(getvariable('mlbox_projects'), project)",
    "name": "list_contains(getvariable('mlbox_projects'), name)",
    "own": "name = getvariable('mlbox_user')",
    "task": (
        "list_contains(getvariable('mlbox_projects'), project) AND (kind <> 'statement' OR "
        "list_contains(getvariable('mlbox_administered'), project) OR caller = getvariable('mlbox_user'))"
    ),
    "audit": "list_contains(getvariable('mlbox_administered'), project) OR caller = getvariable('mlbox_user')",
}
"""Which rows a member sees. The variables belong to the session, and members cannot set any."""


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
    seen: Seen = "project"
    """By what the rows are chosen that a member sees; without members DuckDB folds the condition away."""
    texts: Mapping[str, str] = field(default_factory=dict)
    """VARIANT columns whose JSON is kept, with the column of the source that has it."""

    @property
    def create(self) -> str:
        """The statement that makes it."""
        return f"CREATE OR REPLACE VIEW catalog.ml.{self.name} AS {self._chosen(self.sql)}"

    def with_texts(self, *, whole: bool) -> str:
        """A query for the rows of the view with its ``texts`` behind its columns; ``whole``: it is known that nobody
        but the owner asks."""
        kept = ", ".join(self.texts.values())
        rows = self.sql.replace("\nFROM ", f", {kept}\nFROM ", 1)
        return rows if whole else self._chosen(rows)

    def _chosen(self, rows: str) -> str:
        return f"SELECT * FROM ({rows}) WHERE getvariable('mlbox_user') IS NULL OR ({CONDITIONS[self.seen]})"

    @property
    def fingerprint(self) -> str:
        """Changes when the definition does."""
        return hashlib.sha256(self.create.encode()).hexdigest()[:16]


def all_views() -> list[View]:
    """Every view of every module of this package, by name; order of creation is by module, then as listed."""
    package = importlib.import_module(__package__)
    found: list[View] = []
    for module in sorted(pkgutil.iter_modules(package.__path__), key=lambda info: info.name):
        found.extend(getattr(importlib.import_module(f"{__package__}.{module.name}"), "VIEWS", ()))
    documentation = importlib.import_module(f"{__package__}.columns").documentation
    return [*found, documentation(found)]
