"""For which request the code of an endpoint works: what its own requests to others are to carry."""

from __future__ import annotations

import sys
from contextvars import ContextVar
from typing import Any, Dict, Mapping, Optional

_headers: ContextVar[Optional[Mapping[str, str]]] = ContextVar("mlbox_request", default=None)


def request_headers() -> Dict[str, str]:
    """``x-request-id`` of the request that is answered now, and ``traceparent`` where traces are configured; to be put
    into the headers of requests to others. Empty where nobody follows the request."""
    return dict(_headers.get() or {})


def begin(headers: Optional[Mapping[str, str]]) -> None:
    """Work for a request from now on, in this thread or task. Spans that the code makes with OpenTelemetry, where it
    has imported that, are within those of mlbox."""
    _headers.set(headers)
    context, propagate = (sys.modules.get("opentelemetry." + name) for name in ("context", "propagate"))
    if headers and context is not None and propagate is not None:
        found: Any = propagate.extract(headers)
        context.attach(found)
