"""What replicas of deployed endpoints call. Each call carries the token of its deployment, which opens nothing else."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from html import escape
from typing import Any, BinaryIO
from urllib.parse import quote

from litestar import Request, Response, get, post
from litestar.datastructures import State
from litestar.params import FromPath
from litestar.response import Stream

from mlbox.api.context import ApiContext
from mlbox.api.guard import credentials
from mlbox.api.receiving import receive
from mlbox.base.errors import Invalid, NotFound
from mlbox.engine.catalog.tables.deployments import DeploymentRow
from mlbox.engine.storage.artifacts import CHUNK, check_digest
from mlbox.serve.deploy.delivery import LARGEST

QUESTION = 64 << 20
"""Bytes of a question about features, and of an event."""

AnyRequest = Request[Any, Any, State]


def _deployment(request: AnyRequest, deployment: str) -> tuple[ApiContext, DeploymentRow]:
    context: ApiContext = request.app.state.context
    _, token = credentials(request.headers.get("authorization", ""))
    return context, context.replicas.require(deployment, token)


def _chunks(stream: BinaryIO) -> Iterator[bytes]:
    with stream:
        while part := stream.read(CHUNK):
            yield part


@get("/replica-api/{deployment:str}/bundle/{version:str}", sync_to_thread=True)
def bundle(request: AnyRequest, deployment: FromPath[str], version: FromPath[str]) -> Response[str]:
    """What a replica of this version is made of."""
    context, row = _deployment(request, deployment)
    return Response(context.replicas.hand_out(row, version), media_type="application/json")


@post("/replica-api/{deployment:str}/features/{vector:str}", status_code=200, request_max_body_size=QUESTION)
async def features(request: AnyRequest, deployment: FromPath[str], vector: FromPath[str]) -> Response[bytes]:
    """Features of keys, of a vector that its bundle names."""
    context, row = await asyncio.to_thread(_deployment, request, deployment)
    parts: list[bytes] = []
    await receive(request, parts.append)
    body = await asyncio.to_thread(context.replicas.features, row, vector, b"".join(parts))
    return Response(body, media_type="application/vnd.apache.arrow.stream")


@post("/replica-api/{deployment:str}/tables/{table:str}", status_code=200, request_max_body_size=QUESTION)
async def tables(request: AnyRequest, deployment: FromPath[str], table: FromPath[str]) -> dict[str, Any]:
    """An event for a table that its graph writes into."""
    context, row = await asyncio.to_thread(_deployment, request, deployment)
    parts: list[bytes] = []
    await receive(request, parts.append)
    await asyncio.to_thread(context.replicas.append, row, table, b"".join(parts))
    return {"written": True}


@get("/replica-api/{deployment:str}/blobs/{digest:str}", sync_to_thread=True)
def blob(request: AnyRequest, deployment: FromPath[str], digest: FromPath[str]) -> Stream:
    """Bytes that its bundle names."""
    context, row = _deployment(request, deployment)
    return Stream(_chunks(context.replicas.blob(row, check_digest(digest))), media_type="application/octet-stream")


@get("/replica-api/{deployment:str}/wheels", sync_to_thread=True)
def wheels(request: AnyRequest, deployment: FromPath[str]) -> Response[str]:
    """A page with links to the wheels of the home, as pip and uv read it."""
    context, row = _deployment(request, deployment)
    links = [f'<a href="wheels/{quote(name)}">{escape(name)}</a>' for name in context.replicas.wheels(row)]
    return Response("<!DOCTYPE html>\n" + "<br>\n".join(links), media_type="text/html")


@get("/replica-api/{deployment:str}/wheels/{name:str}", sync_to_thread=True)
def wheel(request: AnyRequest, deployment: FromPath[str], name: FromPath[str]) -> Stream:
    """One of them."""
    context, row = _deployment(request, deployment)
    found = context.replicas.wheels(row).get(name)
    if found is None:
        raise NotFound(f"the home has no wheel {name!r}")
    return Stream(_chunks(found.open("rb")), media_type="application/octet-stream")


@post(
    "/replica-api/{deployment:str}/predictions/{replica:str}/{number:int}",
    status_code=200,
    request_max_body_size=LARGEST,
)
async def predictions(
    request: AnyRequest, deployment: FromPath[str], replica: FromPath[str], number: FromPath[int]
) -> dict[str, Any]:
    """Recorded predictions; the same number of a replica again is harmless."""
    context, row = await asyncio.to_thread(_deployment, request, deployment)
    if len(replica) > 64 or number < 1:
        raise Invalid("a delivery has the id of its replica and a number from 1 on")
    parts: list[bytes] = []
    await receive(request, parts.append)
    new = await asyncio.to_thread(context.replicas.take, row, replica, number, b"".join(parts))
    return {"taken": new}


REPLICA_API = (bundle, blob, wheels, wheel, features, tables, predictions)
"""All of it."""
