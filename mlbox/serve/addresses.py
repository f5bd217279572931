"""Where an endpoint answers besides ``/v2/models/{endpoint}``: at a path of its own, and at those of other servers."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.serve.directory import Directory

INVOCATIONS = "invocations"
"""The last part of the path that takes the bodies of other servers."""

_PREFIXES = ("/v1/models", "/endpoints/", "/serving-endpoints/")
_PATHS = (
    (re.compile(r"/v1/models/([^/:]+(?:/versions/[^/:]+)?):predict"), f"/v2/models/{{}}/{INVOCATIONS}"),
    (re.compile(r"/v1/models/([^/:]+)/?"), "/v2/models/{}/ready"),
    (re.compile(r"/v1/models()"), "/v2/models{}"),
    (re.compile(r"/(?:serving-)?endpoints/([^/]+)/invocations"), f"/v2/models/{{}}/{INVOCATIONS}"),
)
"""Paths of KServe's V1 protocol and TensorFlow Serving; of MLflow's clients and SageMaker, and of Databricks."""


def inner_path(directory: Directory, path: str) -> str | None:
    """The path under ``/v2`` at which that is answered; None: it is nobody's."""
    slot = directory.at_path(path.rstrip("/"))
    if slot is not None:
        return f"/v2/models/{slot.name}/event"
    if path.startswith(_PREFIXES):
        for pattern, inner in _PATHS:
            found = pattern.fullmatch(path)
            if found is not None:
                return inner.format(found[1])
    return None
