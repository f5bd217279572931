"""What other servers do with the same model; run by the Python of an environment of its own.

``python serving_peer.py NAME model.onnx PORT``: NAME is fastapi, kserve, mlserver (with two ports), litserve or
bentoml. Each is set up as its documentation has it for the least work a request: one process, no access log, the model
computed in place.
"""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

NAME, MODEL, PORT = os.environ["PEER"].split("|") if "PEER" in os.environ else sys.argv[1:4]
"""The variable is for programs that import this file."""


def opened() -> Any:
    """The session, with one thread."""
    import onnxruntime as ort

    options = ort.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    return ort.InferenceSession(MODEL, options, providers=["CPUExecutionProvider"])


def predicted(session: Any, tensor: dict[str, Any]) -> list[dict[str, Any]]:
    """Outputs as the protocol has them."""
    import numpy as np

    matrix = np.array(tensor["data"], np.float32).reshape(tensor["shape"])
    names = [output.name for output in session.get_outputs()]
    found = session.run(names, {session.get_inputs()[0].name: matrix})
    return [
        {"name": name, "shape": list(values.shape), "data": values.ravel().tolist()}
        for name, values in zip(names, found, strict=True)
    ]


def fastapi() -> None:
    """A route by hand, with types that pydantic checks."""
    import uvicorn
    from fastapi import FastAPI
    from pydantic import BaseModel, create_model

    tensor = create_model(
        "Tensor", name=(str, ...), shape=(list[int], ...), datatype=(str, ...), data=(list[float], ...)
    )
    request: type[BaseModel] = create_model("Request", inputs=(list[tensor], ...))  # type: ignore[valid-type]
    app, session = FastAPI(), opened()

    async def infer(body: Any) -> dict[str, Any]:
        return {"model_name": "m", "outputs": predicted(session, body.inputs[0].model_dump())}

    infer.__annotations__["body"] = request
    app.post("/v2/models/m/infer")(infer)
    uvicorn.run(app, host="127.0.0.1", port=int(PORT), log_level="error", access_log=False)


def kserve() -> None:
    """A custom model of KServe's own server."""
    from kserve import InferOutput, InferResponse, Model, ModelServer

    class Peer(Model):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__("m")
            self.session = opened()
            self.names = [output.name for output in self.session.get_outputs()]
            self.ready = True

        async def predict(self, payload: Any, headers: Any = None, response_headers: Any = None) -> Any:
            matrix = payload.inputs[0].as_numpy()
            found = self.session.run(self.names, {"X": matrix})
            outputs = [
                InferOutput(name, list(values.shape), "INT64" if values.dtype.kind == "i" else "FP32", values.tolist())
                for name, values in zip(self.names, found, strict=True)
            ]
            return InferResponse(payload.id or "1", "m", outputs)

    ModelServer(http_port=int(PORT), enable_grpc=False, workers=1, access_log_format=None).start([Peer()])


def mlserver() -> None:
    """A custom runtime of MLServer, in its own process."""
    os.environ["PEER"] = f"{NAME}|{MODEL}|{PORT}"
    sys.path.insert(0, str(Path(__file__).parent))
    import serving_peer  # its models are told of by the name of their class
    from mlserver import MLServer, ModelSettings, Settings

    async def serve() -> None:
        port, _, grpc = PORT.partition(",")
        settings = Settings(
            host="127.0.0.1",
            http_port=int(port),
            grpc_port=int(grpc),
            metrics_endpoint=None,
            parallel_workers=0,
            debug=False,
        )
        await MLServer(settings).start([ModelSettings(name="m", implementation=serving_peer.MlPeer)])

    asyncio.run(serve())


def litserve() -> None:
    """An API of LitServe with one worker."""
    import litserve as ls

    server = ls.LitServer(LitPeer(api_path="/v2/models/m/infer"), accelerator="cpu", workers_per_device=1)
    server.run(host="127.0.0.1", port=int(PORT), generate_client_file=False, log_level="error")


def bentoml() -> None:
    """A service of BentoML with one worker."""
    program = Path(sys.executable).with_name("bentoml")
    environment = {**os.environ, "PEER": f"service|{MODEL}|0", "BENTOML_DO_NOT_TRACK": "true"}
    here = Path(__file__)
    command = [str(program), "serve", f"{here.stem}:Service", "--port", PORT, "--host", "127.0.0.1"]
    sys.exit(subprocess.call(command, cwd=here.parent, env=environment))


if NAME == "litserve":  # its workers are told of the class by its name
    import litserve as lit

    class LitPeer(lit.LitAPI):  # type: ignore[misc]
        """What LitServe asks."""

        def setup(self, device: str) -> None:
            """In the worker."""
            self.session = opened()

        def decode_request(self, request):  # it would take an annotation for the type of a body
            """The first tensor."""
            return request["inputs"][0]

        def predict(self, tensor: Any) -> Any:
            """Of one request."""
            return predicted(self.session, tensor)

        def encode_response(self, outputs: Any) -> Any:
            """As the others."""
            return {"model_name": "m", "outputs": outputs}


if NAME == "mlserver":
    from mlserver import MLModel
    from mlserver.codecs import NumpyCodec
    from mlserver.types import InferenceResponse

    class MlPeer(MLModel):  # type: ignore[misc]
        """What MLServer asks."""

        async def load(self) -> bool:
            """Once."""
            self.session = opened()
            self.names = [output.name for output in self.session.get_outputs()]
            return True

        async def predict(self, payload: Any) -> Any:
            """Of one request."""
            matrix = NumpyCodec.decode_input(payload.inputs[0])
            found = self.session.run(self.names, {"X": matrix})
            outputs = [NumpyCodec.encode_output(name, values) for name, values in zip(self.names, found, strict=True)]
            return InferenceResponse(model_name=self.name, outputs=outputs)


if NAME == "service":
    import bentoml as bento

    @bento.service(workers=1, logging={"access": {"enabled": False}}, metrics={"enabled": False})
    class Service:
        """What BentoML starts."""

        def __init__(self) -> None:
            self.session = opened()

        @bento.api(route="/v2/models/m/infer")
        def infer(self, inputs: list[dict[str, Any]]) -> dict[str, Any]:
            """Of the first tensor."""
            return {"model_name": "m", "outputs": predicted(self.session, inputs[0])}


if __name__ == "__main__":
    globals()[NAME]()
