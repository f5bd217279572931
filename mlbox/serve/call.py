"""One request on its way: decoded, answered, encoded."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid, Unavailable
from mlbox.base.ids import new_id
from mlbox.serve import codec, events, invocations, media
from mlbox.serve.http import BINARY, JSON
from mlbox.serve.simple import arrow_body, columns_of_arrow

if TYPE_CHECKING:
    from mlbox.serve.codec import Request
    from mlbox.serve.compact import Form
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Answer, Runtime
    from mlbox.serve.http import RequestHeaders, Response
    from mlbox.serve.meter import Version

INLINE_ROWS = 256
"""Requests up to this many rows are computed on the event loop: a thread costs more than they do."""

INLINE_BYTES = 64 * 1024
"""Bodies up to this size are decoded on the event loop."""


class Call:
    """A request to an endpoint. ``id`` is the caller's (in the body, else the header), or ours; ``verb`` is predict,
    explain, event, generate or generate_stream."""

    __slots__ = ("answer", "asked", "foreign", "id", "keep", "kept", "request", "runtime", "slot", "started", "verb")

    def __init__(self, slot: Slot, asked: str, verb: str, started: float) -> None:
        self.slot = slot
        self.asked = asked
        self.verb = verb
        self.foreign = False
        """Whether the body is in a form of other servers."""
        self.started = started
        self.id = ""
        self.keep = False
        self.request: Request | None = None
        self.answer: Answer | None = None
        self.kept: tuple[Form, bytes] | None = None
        """What is recorded instead of the request and the answer, which is not kept then."""
        self.runtime: Runtime | None = None

    def arm(self) -> Version | None:
        """The model version that has answered, where it is one."""
        of = self.answer if self.kept is None else self.kept[0]
        return None if of is None or of.version is None else (of.model, of.version)

    def decode(self, body: bytes, headers: RequestHeaders, limit: int) -> Request:
        """Read the body."""
        body = media.unpacked(body, headers.get(b"content-encoding"), limit)
        kind = headers.get(b"content-type", b"")
        if not self.foreign and media.is_arrow(kind):
            columns = columns_of_arrow(body, limit)
            rows = next(iter(columns.values())).rows
            self.request = codec.Request(columns, rows, None, None, False, form="arrow")
            self.id = self.id or new_id()
            return self.request
        runtime = self.slot.runtime
        shared = frozenset[str]() if runtime is None else runtime.shared
        length = headers.get(codec.HEADER)
        if self.foreign:
            request = self.request = invocations.decode(body, kind, () if runtime is None else runtime.needs, shared)
        elif length is not None and not (length.isdigit() and len(length) < 20):
            raise Invalid(f"Inference-Header-Content-Length {length[:40].decode('latin-1')!r} is no number")
        elif length == b"0":
            request = self.request = self._raw(body)
        else:
            request = self.request = codec.decode(body, int(length) if length is not None else None, shared)
        if request.id is None and self.id:
            request.id = self.id  # that of the header, which may be what TRAFFIC sticks to
        self.id = request.id or new_id()
        return request

    def _raw(self, body: bytes) -> Request:
        """A body that is one binary tensor and nothing else, where that can be told from what the endpoint takes."""
        runtime = self.slot.runtime
        inner = None if runtime is None else runtime.row_shape
        if runtime is None or inner is None:
            raise Invalid(
                f"endpoint {self.slot.name} does not take one tensor of known type and shape alone",
                hint="name the inputs in JSON before the tensors; Inference-Header-Content-Length is its length",
            )
        tensor = runtime.arms[0].predictor.tensors[0]
        return codec.raw(body, tensor.name, tensor.datatype, inner)

    def take_runtime(self) -> Runtime:
        """The runtime, taken once: one request never sees two generations."""
        runtime = self.slot.runtime
        if runtime is None:
            raise Unavailable(f"endpoint {self.slot.name} is changing", hint="try again")
        self.runtime = runtime
        return runtime

    def finish(self) -> Response:
        """Answer and encode."""
        assert self.request is not None
        return self.encode(self.take_runtime().answer(self.request))

    async def later(self, body: bytes, headers: RequestHeaders, limit: int) -> Response:
        """The answer of a runtime that waits for others; large bodies are read by a thread."""
        if self.verb in ("event", "generate"):
            return await self.plain(body, headers, limit)
        if len(body) > INLINE_BYTES:
            request = await asyncio.to_thread(self.decode, body, headers, limit)
        else:
            request = self.decode(body, headers, limit)
        runtime = self.take_runtime()
        if not runtime.asynchronous:
            raise Invalid(f"endpoint {self.slot.name} explains nothing", hint="serve a class with a method explain")
        return self.encode(await runtime.answer_later(request, self.verb))

    async def plain(self, body: bytes, headers: RequestHeaders, limit: int) -> Response:
        """The answer to any JSON, as JSON."""
        self.id = self.id or new_id()
        runtime = self.take_runtime()
        body = media.unpacked(body, headers.get(b"content-encoding"), limit)
        sent = events.decode(body)
        if self.verb == "generate":
            from mlbox.serve.generating import whole

            media.is_arrow(headers.get(b"content-type", b""))
            return 200, JSON, codec.to_json(await whole(self, runtime, sent))
        result, self.request, self.answer = await events.ask(runtime, sent)
        return 200, JSON, codec.to_json(result)

    def encode(self, answer: Answer) -> Response:
        """The response."""
        assert self.request is not None and self.runtime is not None
        self.answer = answer
        if self.slot.strict and answer.seen.missing:
            names = ", ".join(map(repr, answer.seen.missing))
            raise Invalid(f"a row has no value of {names}", hint="the endpoint has WITH (missing = 'reject')")
        version = self.runtime.version if answer.version is None else str(answer.version)
        absent: dict[str, object] | None = {"features_missing": answer.seen.missing} if answer.seen.missing else None
        if answer.seen.failed:
            absent = {**(absent or {}), "members_failed": list(answer.seen.failed)}
        response = codec.Reply(self.asked, version, self.id, answer.outputs, absent)
        if self.request.form == "arrow":
            return 200, [(b"content-type", media.ARROW)], arrow_body(response, self.request.rows)
        if self.request.form == "predictions":
            return 200, JSON, invocations.body_of(response, self.request.rows)
        content, json_length = codec.encode(response, self.request)
        if json_length is None:
            return 200, JSON, content
        return 200, [BINARY, (codec.HEADER, b"%d" % json_length)], content

    def whole(self, body: bytes, headers: RequestHeaders, limit: int) -> Response:
        """Everything, for a thread."""
        self.decode(body, headers, limit)
        return self.finish()
