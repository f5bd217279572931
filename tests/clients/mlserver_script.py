"""What a user of MLServer's types and codecs writes, against another server. Prints what came back, as JSON."""

import json
import sys
import urllib.error
import urllib.request

import numpy as np
import pandas as pd
from mlserver.codecs import NumpyCodec, NumpyRequestCodec, PandasCodec, StringCodec
from mlserver.types import InferenceRequest, InferenceResponse, MetadataModelResponse, MetadataServerResponse

URL = sys.argv[1]


def ask(path, body=None):
    """Status and JSON."""
    data = None if body is None else body.model_dump_json().encode()
    message = urllib.request.Request(URL + path, data, {"Content-Type": "application/json"})
    try:
        with urllib.request.urlopen(message, timeout=60) as answer:
            return answer.status, json.load(answer)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def infer(request, version=None, model="e"):
    """The response, as MLServer's type."""
    path = f"/v2/models/{model}/infer" if version is None else f"/v2/models/{model}/versions/{version}/infer"
    status, answer = ask(path, request)
    assert status == 200, answer
    return InferenceResponse.model_validate(answer)


def main():
    """All of it."""
    model = MetadataModelResponse.model_validate(ask("/v2/models/e")[1])
    told = {
        "server": MetadataServerResponse.model_validate(ask("/v2")[1]).extensions,
        "model": [tensor.name for tensor in model.inputs],
    }
    frame = pd.DataFrame({"x": [1.0, 2.0], "y": [3, 4], "carrier": pd.Series(["AA", "ü"], dtype=object)})
    answer = infer(PandasCodec.encode_request(frame, use_bytes=False))
    told["frame"] = PandasCodec.decode_response(answer).to_dict("list")
    told["bytes"] = infer(PandasCodec.encode_request(frame)).outputs[0].data.root
    columns = [
        NumpyCodec.encode_input("x", np.array([1, 2], dtype=np.int32)),
        NumpyCodec.encode_input("y", np.array([[3.0], [4.0]], dtype=np.float32)),
        StringCodec.encode_input("carrier", ["AA", "ü"], use_bytes=False),
    ]
    answer = infer(InferenceRequest(id="m", inputs=columns), version=1)
    told["columns"] = NumpyCodec.decode_output(answer.outputs[0]).tolist()
    told["id"], told["version"] = answer.id, answer.model_version
    matrix = NumpyRequestCodec.encode_request(np.array([[1.0, 2.0], [3.0, 4.0]], dtype=np.float32))
    matrix.inputs[0].name = "X"
    told["matrix"] = NumpyCodec.decode_output(infer(matrix).outputs[0]).tolist()
    values = np.arange(96, dtype=np.float32).reshape(2, 3, 4, 4)
    images = MetadataModelResponse.model_validate(ask("/v2/models/images")[1])
    answer = infer(InferenceRequest(inputs=[NumpyCodec.encode_input("image", values)]), model="images")
    mask = NumpyCodec.decode_output(answer.outputs[0])
    told["images"] = [images.inputs[0].shape, list(mask.shape), bool((mask == 2 * values).all())]
    status, wrong = ask("/v2/models/e/infer", InferenceRequest(inputs=columns[:1]))
    told["missing"] = [status, wrong["error"]]
    print(json.dumps(told))


main()
