"""Requests of the prediction log as they can be asked again: after a restart, what a new version is compared on."""

from __future__ import annotations

import json
from collections.abc import Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables import predictions
from mlbox.serve.events import request_of

if TYPE_CHECKING:
    from datetime import datetime

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.codec import Request


def recalled(catalog: Catalog, row: EndpointRow, before: datetime, most: int) -> list[Request]:
    """The last rows that an endpoint has answered and recorded before a moment, the older ones first; each as a
    request. Of graphs none: what their steps do must not be done twice."""
    if row.graph is not None or most < 1:
        return []
    with catalog.read() as cursor:
        found = predictions.last(cursor, row.project, row.name, before, most)
    requests = []
    for inputs, features in reversed(found):
        with suppress(MlboxError, ValueError):  # what cannot be sent as values by name, such as matrices of matrices
            requests.append(request_of([_sent(inputs, features)]))
    return requests


def _sent(inputs: str | None, features: Mapping[str, Any] | None) -> dict[str, Any]:
    """Values by name; one tensor of all features is recorded as these."""
    sent: dict[str, Any] = json.loads(inputs) if inputs else dict(features or {})
    return sent
