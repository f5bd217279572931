"""``GET /metrics``: counters of the endpoints for Prometheus."""

from __future__ import annotations

from typing import Any

from litestar import Request, Response, get

from mlbox.api.context import ApiContext
from mlbox.serve.meter import exposition


@get("/metrics", sync_to_thread=True)
def metrics(request: Request[Any, Any, Any]) -> Response[str]:
    """Requests, errors, latency and what was refused, of each endpoint, in Prometheus's text format; for the owner."""
    context: ApiContext = request.app.state.context
    endpoints = context.endpoints
    text = exposition(endpoints.directory.slots(), endpoints.statistics, endpoints.spread.counted())
    return Response(text, media_type="text/plain; version=0.0.4")
