"""What the protocol tells about the server and its endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbox.serve import ensemble_tensors
from mlbox.serve.joining import TEXT
from mlbox.serve.remote import RemotePredictor
from mlbox.serve.tensors import DATATYPES

if TYPE_CHECKING:
    from mlbox.engine.models.signature import Tensor
    from mlbox.serve.directory import Slot
    from mlbox.serve.endpoint import Runtime


def server_metadata(version: str) -> dict[str, Any]:
    """Name, version and extensions of the server."""
    return {"name": "mlbox", "version": version, "extensions": ["binary_tensor_data", "generate"]}


def model_metadata(slot: Slot, runtime: Runtime) -> dict[str, Any]:
    """What an endpoint takes and gives; an optional input replaces what the feature store has."""
    inputs = [
        {
            "name": need.name,
            "datatype": need.datatype,
            "shape": list(need.shape),
            **({} if need.required else {"parameters": {"optional": True}}),
        }
        for need in runtime.needs
    ]
    return {
        "name": slot.name,
        "versions": sorted({str(arm.version) for arm in runtime.arms}),
        "platform": _platform(runtime),
        "inputs": inputs,
        "outputs": _outputs(runtime),
        **({"parameters": {"streams": True}} if runtime.streams else {}),
    }


def _platform(runtime: Runtime) -> str:
    if runtime.row.serving in ("function", "graph"):
        return f"mlbox_{runtime.row.serving}"
    return "python" if any(isinstance(arm.predictor, RemotePredictor) for arm in runtime.arms) else "onnx"


def _outputs(runtime: Runtime) -> list[dict[str, Any]]:
    outputs: list[dict[str, Any]] = [{"name": "prediction", "datatype": "FP64", "shape": [-1]}]
    if runtime.row.graph is not None:
        return outputs
    if runtime.shaping.gives:
        return [{"name": name, "datatype": datatype, "shape": [-1]} for name, datatype in runtime.shaping.gives]
    if runtime.row.ensemble is not None and ensemble_tensors.averages(runtime.row.ensemble, runtime.arms):
        found = ensemble_tensors.averaged_outputs(runtime.arms)
        return [{"name": name, "datatype": datatype, "shape": shape} for name, datatype, shape in found]
    if runtime.row.ensemble is not None:
        return outputs + [{"name": arm.label, "datatype": "FP64", "shape": [-1]} for arm in runtime.arms]
    predictor = runtime.arms[0].predictor
    if runtime.streams:
        return [{"name": TEXT, "datatype": "BYTES", "shape": [-1]}]
    if isinstance(predictor, RemotePredictor) and not predictor.outputs:
        return outputs
    if predictor.tensors_in or isinstance(predictor, RemotePredictor):
        outputs = outputs if predictor.numbered else []
        told = zip(predictor.output_names, predictor.outputs, strict=True)
        own = [{"name": name, "datatype": _datatype(tensor), "shape": tensor.protocol_shape} for name, tensor in told]
        return outputs + [each for each in own if each["name"] != "prediction" or not outputs]
    for name, tensor in zip(predictor.output_names, predictor.outputs, strict=True):
        if name != "prediction":
            outputs.append({"name": name, "datatype": _datatype(tensor), "shape": _shape(tensor)})
    return outputs


def _datatype(tensor: Tensor) -> str:
    return tensor.datatype if tensor.datatype in DATATYPES else "FP32"


def _shape(tensor: Tensor) -> list[int]:
    if len(tensor.shape) < 2 or tensor.shape[1:] == (1,):
        return [-1]
    return [-1, *(size or -1 for size in tensor.shape[1:])]
