"""``/files``: a file is sent here so that a statement can read it (``read_csv``, ``read_parquet`` …)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from litestar import Request, Response, delete, get, post, put, route
from litestar.params import FromPath, FromQuery

from mlbox.api.context import ApiContext
from mlbox.api.described import errors
from mlbox.api.receiving import COMPLETE, OFFSET, announced, drain, offset_of, receive
from mlbox.engine.storage.artifacts import check_digest
from mlbox.engine.storage.uploads import Upload, Uploads

AnyRequest = Request[Any, Any, Any]


def uploads_of(context: ApiContext) -> Uploads:
    """The uploads of the house, within its limits."""
    settings = context.settings
    return Uploads(
        context.home.uploads, max_bytes=settings.max_upload_mb << 20, keep=timedelta(days=settings.upload_days)
    )


def frames_of(context: ApiContext) -> Uploads:
    """Files that are read once, by the request that brings them: where DuckDB may read also for members."""
    settings = context.settings
    folder = context.home.cache.resolve() / "sources"
    return Uploads(folder, max_bytes=settings.max_upload_mb << 20, keep=timedelta(days=1))


def _uploads(request: AnyRequest) -> Uploads:
    found: Uploads = request.app.state.uploads
    return found


@post("/files", request_max_body_size=None, responses=errors(400, 503))
async def upload(request: AnyRequest, name: FromQuery[str]) -> dict[str, Any]:
    """Store the body as the file ``name``. The answer's ``path`` is for statements; it is kept for some days."""
    uploads = _uploads(request)
    await asyncio.to_thread(uploads.clean)
    with uploads.receive(name, announced(request)) as receiving:
        await receive(request, receiving.write)
        kept: Upload = await asyncio.to_thread(uploads.keep, receiving, name)
    return asdict(kept)


@route("/files/{id:str}", http_method=["HEAD"], status_code=200)
async def upload_offset(request: AnyRequest, id: FromPath[str]) -> Response[None]:
    """How much of an upload is here (``Upload-Offset``), and whether that is all (``Upload-Complete``)."""
    uploads = _uploads(request)
    whole = "?1" if uploads.find(id) else "?0"
    return Response(None, headers={OFFSET: str(uploads.arrived(id)), COMPLETE: whole, "Cache-Control": "no-store"})


@put("/files/{id:str}", request_max_body_size=None, responses=errors(400, 409, 503))
async def upload_part(
    request: AnyRequest, id: FromPath[str], name: FromQuery[str], digest: FromQuery[str | None] = None
) -> dict[str, Any]:
    """A file under an id of the sender's choice, from byte ``Upload-Offset`` on: what has arrived is kept when the
    connection breaks, and ``HEAD`` tells where to go on. ``digest`` is the SHA-256 of the whole."""
    uploads = _uploads(request)
    if digest is not None:
        check_digest(digest)
    known = await asyncio.to_thread(uploads.find, id)
    if known is not None and known.digest == digest:
        await drain(request)
        return asdict(known)
    with await asyncio.to_thread(uploads.part, id, name, offset_of(request)) as part:
        await receive(request, part.write)
        kept: Upload = await asyncio.to_thread(uploads.keep_part, part, name, digest)
    return asdict(kept)


@get("/files", sync_to_thread=True)
def list_files(request: AnyRequest) -> dict[str, Any]:
    """What was uploaded and is still here, the newest first."""
    _uploads(request).clean()
    return {"files": [asdict(one) for one in _uploads(request).all()]}


@delete("/files/{id:str}", sync_to_thread=True, responses=errors(404))
def drop_file(request: AnyRequest, id: FromPath[str]) -> None:
    """Take an upload away before its time."""
    _uploads(request).drop(id)
