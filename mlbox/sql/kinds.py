"""Kinds of objects, the views that list them, and of which kind a name is."""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

_DESCRIBED = re.compile(r'\s*(?:DESCRIBE|DESC)\s+(?:([A-Za-z_]\w*)\s*\.\s*)?("?)([A-Za-z_]\w*)\2\s*;?\s*', re.I)


@dataclass(frozen=True, slots=True)
class Kind:
    """Where DESCRIBE looks a kind up: the view and its columns of name and version."""

    view: str
    name: str = "name"
    version: str | None = None


KINDS = {
    "project": Kind("projects"),
    "member": Kind("members"),
    "secret": Kind("secrets"),
    "profile": Kind("profiles"),
    "token": Kind("tokens", "id"),
    "function": Kind("functions", version="version"),
    "run": Kind("runs", "id"),
    "artifact": Kind("artifacts", version="version"),
    "model": Kind("model_versions", version="version"),
    "source": Kind("sources"),
    "feature set": Kind("feature_sets"),
    "feature vector": Kind("feature_vectors"),
    "collection": Kind("collections"),
    "endpoint": Kind("endpoints"),
    "feed": Kind("feeds"),
    "workflow": Kind("workflows"),
    "schedule": Kind("schedules"),
    "monitor": Kind("monitors"),
    "alert": Kind("alerts"),
}

_NOT_MEANT = ("project", "member", "secret")


def meant_kind(catalog: Catalog, text: str, project: str) -> str | None:
    """What ``DESCRIBE name`` may have meant, of which no table has the name: a hint, or nothing."""
    found = _DESCRIBED.fullmatch(text)
    if found is None:
        return None
    within, name = (found[1] or project).lower(), found[3]
    named = {word: kind for word, kind in KINDS.items() if kind.name == "name" and word not in _NOT_MEANT}
    query = " UNION ALL ".join(
        f"SELECT '{word}' AS kind FROM catalog.ml.{kind.view} WHERE project = ? AND lower(name) = lower(?)"
        for word, kind in named.items()
    )
    rows = catalog.rows(f"SELECT DISTINCT kind FROM ({query})", [within, name] * len(named))
    kinds = [word for word in named if word in {row["kind"] for row in rows}]
    shown = f"{found[1]}.{name}" if found[1] else name
    return "write " + " or ".join(f"DESCRIBE {word.upper()} {shown}" for word in kinds) if kinds else None
