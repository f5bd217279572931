"""``POST /features/{vector}``: features of keys, as JSON or Arrow. A raw ASGI application: it is asked per request.

JSON takes ``{"keys": {"customer": 7}}``, several keys as a list, or as columns ``{"customer": [7, 8]}``; ``impute``
says what stands for missing values. Arrow (``application/vnd.apache.arrow.stream``) takes the keys as columns, and the
policy in the query: ``?impute={"*":"$mean"}``.
"""

from __future__ import annotations

import asyncio
from concurrent.futures import ThreadPoolExecutor
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qs

import msgspec

from mlbox.api.edge import Receive, Scope, Send
from mlbox.api.guard import send_error, told_to
from mlbox.base.defects import defect_of
from mlbox.base.errors import Invalid, MlboxError, NotFound
from mlbox.base.names import DEFAULT_PROJECT, Ref
from mlbox.engine.features.stores.online.codec import kind_of
from mlbox.engine.storage.arrow_stream import table_of
from mlbox.serve.http import NotAllowed, headers_of, read_body

if TYPE_CHECKING:
    from mlbox.engine.features.online_answers import Answer
    from mlbox.engine.features.service import Features

FEATURES = "/features/"
FEATURES_PATH = "/features/{vector}"
ARROW = b"application/vnd.apache.arrow.stream"
JSON = b"application/json"
INLINE_KEYS = 256
"""So many keys of an embedded store are read on the event loop: a thread costs more than they do."""
INLINE_BYTES = 64 * 1024
_ARROW_TYPES = {"q": "int64", "d": "float64", "b": "bool_", "y": "date32", "s": "string", "j": "string"}


class Asked(msgspec.Struct, forbid_unknown_fields=True):
    """The body."""

    keys: dict[str, Any] | list[dict[str, Any]]
    impute: dict[str, Any] | None = None


_decode = msgspec.json.Decoder(Asked).decode
_encode = msgspec.json.Encoder().encode


def vector_of(path: str) -> Ref:
    """The vector of a path; a name without a project is one of ``default``."""
    name = path.removeprefix(FEATURES).strip("/")
    project, dot, vector = name.partition(".")
    if not name or "/" in name:
        raise NotFound(f"there is no path {path}", hint="POST /features/{project}.{vector}")
    return Ref(project, vector) if dot else Ref(DEFAULT_PROJECT, name)


class FeaturesApp:
    """``POST /features/{vector}`` and nothing else; who may ask is checked before."""

    def __init__(self, features: Features, max_body: int) -> None:
        self._features = features
        self._max_body = max_body
        self._threads = ThreadPoolExecutor(4, thread_name_prefix="features")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        try:
            body, kind = await self._answer(scope, receive)
        except MlboxError as error:
            await send_error(send, told_to(scope, error), scope["path"])
            return
        except Exception as error:
            await send_error(send, told_to(scope, defect_of(error, "reading features")), scope["path"])
            return
        headers = [(b"content-type", kind), (b"content-length", str(len(body)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    async def _answer(self, scope: Scope, receive: Receive) -> tuple[bytes, bytes]:
        ref = vector_of(scope["path"])
        if scope["method"] != "POST":
            raise NotAllowed(
                f"{scope['method']} is not a method of {scope['path']}", hint="POST the keys; DESCRIBE FEATURE VECTOR"
            )
        headers = headers_of(scope)
        body = await read_body(headers, receive, self._max_body)
        arrow = headers.get(b"content-type", b"").startswith(ARROW)
        write = _to_arrow if ARROW in headers.get(b"accept", b"") or arrow else _to_json
        small = len(body) <= INLINE_BYTES and not arrow and self._features.embedded
        if small:
            asked = _read_json(body)
            if isinstance(asked.keys, dict) or len(asked.keys) <= INLINE_KEYS:
                return write(ref, self._features.online(ref, asked.keys, asked.impute))

        def work() -> tuple[bytes, bytes]:
            asked = _read_arrow(body, scope, self._max_body) if arrow else _read_json(body)
            return write(ref, self._features.online(ref, asked.keys, asked.impute))

        return await asyncio.get_running_loop().run_in_executor(self._threads, work)

    def close(self) -> None:
        """End the threads when their work is done."""
        self._threads.shutdown(wait=True)


def _read_json(body: bytes) -> Asked:
    try:
        return _decode(body)
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise Invalid(
            f"the body is not what is asked for: {error}", hint='{"keys": {"customer": 7}}, with "impute" beside it'
        ) from None


def _read_arrow(body: bytes, scope: Scope, limit: int) -> Asked:
    table = table_of(body, limit)
    given = parse_qs(scope.get("query_string", b"").decode("latin-1")).get("impute")
    try:
        impute = msgspec.json.decode(given[0], type=dict[str, Any]) if given else None
    except (msgspec.MsgspecError, RecursionError) as error:
        raise Invalid(f"impute is no JSON object: {error}", hint='?impute={"*":"$mean"}') from None
    return Asked({name: table[name].to_pylist() for name in table.column_names}, impute)


def _to_json(ref: Ref, answer: Answer) -> tuple[bytes, bytes]:
    status = [dict(zip(answer.status, row, strict=True)) for row in zip(*answer.status.values(), strict=True)]
    body: dict[str, Any] = {"vector": f"{ref.project}.{ref.name}", "rows": answer.rows, "status": status}
    if answer.imputed is not None:
        body["imputed"] = answer.imputed
    return _encode(body), JSON


def _to_arrow(ref: Ref, answer: Answer) -> tuple[bytes, bytes]:
    """Entities and features with their types, then ``_status`` (a struct with a text for each set) and ``_imputed``."""
    import pyarrow as pa

    columns: dict[str, Any] = {}
    for name, values in (*answer.entities.items(), *answer.features.items()):
        columns[name] = _arrow_column(values, kind_of(answer.types[name]), key=name in answer.entities)
    states = [pa.array(states, pa.string()) for states in answer.status.values()]
    columns["_status"] = pa.StructArray.from_arrays(states, names=list(answer.status))
    if answer.imputed is not None:
        columns["_imputed"] = pa.array(answer.imputed, pa.list_(pa.string()))
    table = pa.table(columns)
    sink = pa.BufferOutputStream()
    with pa.ipc.new_stream(sink, table.schema) as writer:
        writer.write_table(table)
    return sink.getvalue().to_pybytes(), ARROW


def _arrow_column(values: list[Any], kind: str, *, key: bool) -> Any:
    import pyarrow as pa

    if kind in "tn":
        return pa.array(values, pa.timestamp("us", tz="UTC" if kind == "t" else None))
    if kind == "j" or key:
        try:
            return pa.array(values)
        except (pa.ArrowInvalid, pa.ArrowTypeError):
            values = [None if value is None else str(value) for value in values]
    return pa.array(values, getattr(pa, _ARROW_TYPES[kind])())
