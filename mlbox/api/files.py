"""Bytes: artifacts and logs of runs."""

from __future__ import annotations

import asyncio
from typing import Any
from urllib.parse import quote

from litestar import Request, Response, get, route
from litestar.params import FromPath, FromQuery
from litestar.response import Stream

from mlbox.api.context import ApiContext
from mlbox.api.ranges import answer
from mlbox.api.sight import sees
from mlbox.base.errors import MlboxError, NotFound
from mlbox.engine.storage.disk import named

INLINE = ("image/png", "image/svg+xml", "image/jpeg", "text/plain", "text/html", "application/json")
ALONE = "default-src 'none'; style-src 'unsafe-inline'; img-src data:; font-src data:; frame-ancestors 'self'; sandbox"
"""What an artifact may do in a browser: be looked at."""
CHUNK = 1 << 20


@route("/artifacts/{artifact_id:str}/content", http_method=["GET", "HEAD"])
async def artifact_content(request: Request[Any, Any, Any], artifact_id: FromPath[str]) -> Stream:
    """The bytes of an artifact, or a range of them; pictures, texts and pages are shown, all else is downloaded, and
    nothing may run scripts."""
    return await asyncio.to_thread(_content, request, artifact_id)


def _content(request: Request[Any, Any, Any], artifact_id: str) -> Stream:
    context: ApiContext = request.app.state.context
    row = context.catalog.row(
        "SELECT project, digest, size, media_type, file_name, name FROM catalog.ml.artifacts WHERE id = ?",
        [artifact_id],
    )
    if row is None or not sees(context, request.scope, row["project"]):
        raise NotFound(f"there is no artifact {artifact_id}", hint="SELECT id, name FROM ml.artifacts lists them")
    media_type = str(row["media_type"] or "application/octet-stream")
    name = quote(str(row["file_name"] or row["name"]), safe="")
    disposition = "inline" if media_type in INLINE else "attachment"
    try:
        stream = context.artifacts.open(row["digest"])
    except MlboxError as error:
        raise named(error, f"artifact {row['name']!r} of {row['project']}") from None
    return answer(
        stream,
        row["size"],
        row["digest"],
        request.headers,
        media_type,
        {
            "Content-Disposition": f"{disposition}; filename*=UTF-8''{name}",
            "Content-Security-Policy": ALONE,
            "X-Content-Type-Options": "nosniff",
            "Cache-Control": "private, max-age=31536000, immutable",
        },
    )


@get("/runs/{run_id:str}/log", sync_to_thread=True)
def run_log(request: Request[Any, Any, Any], run_id: FromPath[str], offset: FromQuery[int] = 0) -> Response[bytes]:
    """The log from byte ``offset`` on, at most 1 MiB; headers tell the next offset and the run's state."""
    context: ApiContext = request.app.state.context
    row = context.catalog.row("SELECT project, id, state FROM catalog.ml.runs WHERE id = ?", [run_id])
    if row is None or not sees(context, request.scope, row["project"]):
        raise NotFound(f"there is no run {run_id}", hint="SELECT id, name FROM ml.runs lists them")
    path = context.home.logs / f"{row['id']}.log"
    text = b""
    offset = max(0, offset)
    if path.is_file():
        with path.open("rb") as file:
            file.seek(min(offset, path.stat().st_size))
            text = file.read(CHUNK)
    headers = {"X-Mlbox-Offset": str(offset + len(text)), "X-Mlbox-State": str(row["state"])}
    return Response(text, media_type="text/plain", headers=headers)
