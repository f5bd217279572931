"""``/ingest``: a frame for a feature set, as a file; an answer of 200 says that its rows are durable."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any, Literal

from litestar import Request, post
from litestar.params import FromPath, FromQuery

from mlbox.api.context import ApiContext
from mlbox.api.described import errors
from mlbox.api.receiving import announced, receive
from mlbox.api.sight import user_of
from mlbox.api.uploads import frames_of
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid
from mlbox.base.names import DEFAULT_PROJECT, Ref
from mlbox.engine.features.commands import IngestFrame
from mlbox.serve.media import UnsupportedMediaType

AnyRequest = Request[Any, Any, Any]
FORMATS: dict[str, Literal["parquet", "csv"]] = {"application/vnd.apache.parquet": "parquet", "text/csv": "csv"}


@post("/ingest/{name:str}", status_code=200, request_max_body_size=None, responses=errors(400, 403, 404, 409, 503))
async def ingest(
    request: AnyRequest, name: FromPath[str], columns: FromQuery[list[str] | None] = None
) -> dict[str, Any]:
    """Rows for a feature set (``project.name``): checked, and all or none, unless the set puts wrong ones aside.

    The body is a Parquet file (``application/vnd.apache.parquet``) or CSV with a header (``text/csv``); ``columns``,
    once for each, are those of it that are taken. It is for whoever may write into the set's project. The answer
    has the number of ``rows`` and a ``message``.
    """
    context: ApiContext = request.app.state.context
    frames = frames_of(context)
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in FORMATS:
        raise UnsupportedMediaType(f"rows do not come as {kind or 'nothing'}", hint=" or ".join(FORMATS))
    if not columns:
        raise Invalid("the columns are missing", hint="?columns=id&columns=ts")
    project, _, own = name.rpartition(".")
    ref = Ref(project or DEFAULT_PROJECT, own)
    caller = Caller(user_of(request.scope), ref.project, "http")
    command = IngestFrame(ref=ref, columns=tuple(columns))

    def work(path: str) -> dict[str, Any]:
        done = context.dispatcher.dispatch(replace(command, frame=path, format=FORMATS[kind]), caller)
        return {"message": done.message, **done.facts}

    await asyncio.to_thread(context.dispatcher.plan, command, caller)  # before a byte of it is taken in
    await asyncio.to_thread(frames.clean)
    with frames.receive(f"rows.{FORMATS[kind]}", announced(request)) as receiving:
        await receive(request, receiving.write)
        await asyncio.to_thread(receiving.finish)
        return await asyncio.to_thread(work, str(receiving.path))
