"""What a user of KServe's Python client writes, against another server. Prints what came back, as JSON."""

import asyncio
import json
import sys

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig
from kserve.protocol.infer_type import RequestedOutput

URL = sys.argv[1]
WIDTHS = {
    "BOOL": np.bool_,
    **{f"INT{bits}": getattr(np, f"int{bits}") for bits in (8, 16, 32, 64)},
    **{f"UINT{bits}": getattr(np, f"uint{bits}") for bits in (8, 16, 32, 64)},
    "FP16": np.float16,
    "FP32": np.float32,
    "FP64": np.float64,
}


def columns(datatype, binary):
    """Two features of three rows."""
    made = []
    for name in ("x", "y"):
        made.append(InferInput(name, [3], datatype))
        made[-1].set_data_from_numpy(np.array([0, 1, 1], WIDTHS[datatype]), binary_data=binary)
    return made


async def refused(client, model, request):
    """The error's text."""
    try:
        await client.infer(URL, request, model_name=model)
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, error.response.json()["error"]]
    return None


async def main():
    """All of it."""
    client = InferenceRESTClient(RESTConfig(protocol="v2", retries=0, timeout=60))
    told = {
        "live": await client.is_server_live(URL),
        "ready": await client.is_server_ready(URL),
        "model": await client.is_model_ready(URL, "e"),
        "nobody": await client.is_model_ready(URL, "nobody"),
        "widths": {},
    }
    for datatype in WIDTHS:
        for binary in (False, True):
            if datatype == "FP16" and not binary:  # the client refuses it in JSON
                continue
            wanted = [RequestedOutput("value", {"binary_data": binary})]
            request = InferRequest("e", columns(datatype, binary), request_outputs=wanted, request_id="k")
            answer = await client.infer(URL, request, model_name="e")
            told["widths"][f"{datatype} {binary}"] = answer.outputs[0].as_numpy().tolist()
            told["id"], told["version"], told["name"] = answer.id, answer.model_version, answer.model_name
    carrier = InferInput("carrier", [3], "BYTES")
    carrier.set_data_from_numpy(np.array(["AA", "ü", ""], dtype=object), binary_data=True)
    whole = InferRequest("e", [*columns("FP32", True), carrier], parameters={"binary_data_output": True})
    answer = await client.infer(URL, whole, model_name="default.e")
    told["outputs"] = {output.name: output.as_numpy().tolist() for output in answer.outputs}
    values = np.arange(96, dtype=np.float32).reshape(2, 3, 4, 4)
    told["images"] = []
    for binary in (False, True):
        image = InferInput("image", [2, 3, 4, 4], "FP32")
        image.set_data_from_numpy(values, binary_data=binary)
        wanted = [RequestedOutput("mask", {"binary_data": binary})]
        answer = await client.infer(URL, InferRequest("images", [image], request_outputs=wanted), model_name="images")
        mask = answer.outputs[0].as_numpy()
        told["images"].append([list(mask.shape), bool((mask == 2 * values).all())])
    image = InferInput("image", [1, 3, 2, 8], "FP32")
    image.set_data_from_numpy(values[:1].reshape(1, 3, 2, 8), binary_data=True)
    told["misshapen"] = await refused(client, "images", InferRequest("images", [image]))
    told["missing"] = await refused(client, "e", InferRequest("e", columns("FP64", False)[:1]))
    told["unknown"] = await refused(client, "nobody", InferRequest("nobody", columns("FP64", False)))
    first = InferenceRESTClient(RESTConfig(protocol="v1", retries=0, timeout=60))
    told["v1"] = await first.infer(URL, {"instances": [[0, 0], [1, 1]]}, model_name="e")
    told["v1_ready"] = await first.is_model_ready(URL, "e")
    await first.close()
    await client.close()
    print(json.dumps(told))


asyncio.run(main())
