"""``/push``: rows for feature sets; an answer of 200 says that they are durable."""

from __future__ import annotations

import asyncio
from typing import Any

from litestar import Request, post
from litestar.params import FromPath

from mlbox.api.context import ApiContext
from mlbox.api.described import errors
from mlbox.api.sight import user_of
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid
from mlbox.base.names import DEFAULT_PROJECT, Ref
from mlbox.engine.features.commands import PushRows
from mlbox.engine.features.streaming.pushes import json_rows
from mlbox.engine.storage.arrow_stream import table_of
from mlbox.serve.media import UnsupportedMediaType

AnyRequest = Request[Any, Any, Any]
ARROW = "application/vnd.apache.arrow.stream"
LINES = ("application/x-ndjson", "application/jsonl", "application/x-jsonlines")


@post("/push/{name:str}", status_code=200, responses=errors(400, 403, 404, 409, 503))
async def push(request: AnyRequest, name: FromPath[str]) -> dict[str, Any]:
    """Rows for a feature set, or for all sets that read a source of type http: ``project.name``.

    The body is one object, a list of objects, an object a line (``application/x-ndjson``) or an Arrow stream
    (``application/vnd.apache.arrow.stream``). The answer says how many ``rows`` were taken, and which were ``refused``
    and why. With a header ``Idempotency-Key`` the same push a second time changes nothing.
    """
    context: ApiContext = request.app.state.context
    project, _, own = name.rpartition(".")
    kind = request.headers.get("content-type", "application/json").partition(";")[0].strip().lower()
    body = await request.body()
    key = request.headers.get("idempotency-key")
    if key is not None and not 0 < len(key) <= 200:
        raise Invalid("the header Idempotency-Key has 1 to 200 characters")

    def work() -> dict[str, Any]:
        if kind == ARROW:
            rows = table_of(body, context.settings.max_request_mb << 20)
        elif kind in LINES or kind == "application/json":
            rows = json_rows(body, lines=kind in LINES)
        else:
            raise UnsupportedMediaType(f"rows do not come as {kind}", hint=f"application/json, {LINES[0]} or {ARROW}")
        command = PushRows(ref=Ref(project or DEFAULT_PROJECT, own), rows=rows, key=key)
        caller = Caller(user_of(request.scope), project or DEFAULT_PROJECT, "http")
        return dict(context.dispatcher.dispatch(command, caller).facts)

    return await asyncio.to_thread(work)
