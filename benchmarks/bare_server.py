"""The peer of ``bench_serving``: a raw ASGI application on granian that runs an ONNX model, and nothing else.

``python bare_server.py model.onnx`` prints its port when it listens. With ``--known-length`` it does not wait for the
end of a body whose length the caller has announced.
"""

from __future__ import annotations

import asyncio
import socket
import sys
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
import numpy as np
import onnxruntime as ort
import uvloop


class Tensor(msgspec.Struct, gc=False):
    """An input of the Open Inference Protocol."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class Request(msgspec.Struct, gc=False):
    """A request of it."""

    inputs: list[Tensor]


class App:
    """Decodes, predicts, encodes."""

    def __init__(self, model: str) -> None:
        options = ort.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = ort.InferenceSession(model, options, providers=["CPUExecutionProvider"])
        self._input = self._session.get_inputs()[0].name
        self._outputs = [output.name for output in self._session.get_outputs()]
        self._brief = "--known-length" in sys.argv
        self._decode = msgspec.json.Decoder(Request).decode
        self._encode = msgspec.json.Encoder().encode

    async def __call__(self, scope: Any, receive: Callable[[], Awaitable[Any]], send: Callable[[Any], Any]) -> None:
        """Serve one request."""
        message = await receive()
        body = message["body"]
        while message.get("more_body") and not (self._brief and len(body) == _length(scope)):
            message = await receive()
            body += message["body"]
        tensor = self._decode(body).inputs[0]
        matrix = np.array(tensor.data, np.float32).reshape(tensor.shape)
        found = self._session.run(self._outputs, {self._input: matrix})
        outputs = [
            {"name": name, "shape": values.shape, "data": values.ravel().tolist()}
            for name, values in zip(self._outputs, found, strict=True)
        ]
        content = self._encode({"model_name": "m", "outputs": outputs})
        headers = [(b"content-type", b"application/json"), (b"content-length", str(len(content)).encode())]
        await send({"type": "http.response.start", "status": 200, "headers": headers})
        await send({"type": "http.response.body", "body": content})


def _length(scope: Any) -> int:
    return int(dict(scope["headers"]).get(b"content-length", b"-1"))


async def serve(model: str) -> None:
    from granian.constants import Interfaces
    from granian.server.embed import Server

    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    server = Server(
        App(model), address="127.0.0.1", port=port, interface=Interfaces.ASGINL, log_enabled=False, websockets=False
    )
    asyncio.get_running_loop().call_later(0.3, lambda: print(port, flush=True))
    await server.serve()


if __name__ == "__main__":
    uvloop.run(serve(sys.argv[1]))
