"""``/files``: a file is sent here so that a statement can read it (``read_csv``, ``read_parquet`` …)."""

from __future__ import annotations

import asyncio
from dataclasses import asdict
from datetime import timedelta
from typing import Any

from litestar import Request, delete, get, post

from mlbox.api.context import ApiContext
from mlbox.api.described import errors
from mlbox.base.errors import Invalid
from mlbox.engine.storage.uploads import Upload, Uploads

AnyRequest = Request[Any, Any, Any]


def uploads_of(context: ApiContext) -> Uploads:
    """The uploads of the house, within its limits."""
    settings = context.settings
    return Uploads(
        context.home.uploads, max_bytes=settings.max_upload_mb << 20, keep=timedelta(days=settings.upload_days)
    )


def _uploads(request: AnyRequest) -> Uploads:
    found: Uploads = request.app.state.uploads
    return found


@post("/files", request_max_body_size=None, responses=errors(400, 503))
async def upload(request: AnyRequest, name: str) -> dict[str, Any]:
    """Store the body as the file ``name``. The answer's ``path`` is for statements; it is kept for some days."""
    uploads = _uploads(request)
    await asyncio.to_thread(uploads.clean)
    announced = request.headers.get("content-length", "")
    with uploads.receive(name, int(announced) if announced.isdecimal() else None) as receiving:
        async for chunk in request.stream():
            await asyncio.to_thread(receiving.write, chunk)
        if announced.isdecimal() and receiving.size != int(announced):
            raise Invalid(f"{receiving.size:,} of {int(announced):,} bytes arrived")
        kept: Upload = await asyncio.to_thread(uploads.keep, receiving, name)
    return asdict(kept)


@get("/files", sync_to_thread=True)
def list_files(request: AnyRequest) -> dict[str, Any]:
    """What was uploaded and is still here, the newest first."""
    _uploads(request).clean()
    return {"files": [asdict(one) for one in _uploads(request).all()]}


@delete("/files/{id:str}", sync_to_thread=True, responses=errors(404))
def drop_file(request: AnyRequest, id: str) -> None:
    """Take an upload away before its time."""
    _uploads(request).drop(id)
