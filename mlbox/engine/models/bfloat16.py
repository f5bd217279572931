"""bfloat16, the upper half of a float32: numpy has no such type, and ONNX Runtime takes and gives it as bits only.

Inside of mlbox its values are float32, which has all of them; they are converted where they go into a session, come out
of it, and go over the wire. Rounding is to the nearest, ties to even, as processors and frameworks do it.
"""

from __future__ import annotations

import ctypes
from functools import cache
from typing import Any

from mlbox.base.errors import Invalid

ONNX_TYPE = 16
"""``TensorProto.BFLOAT16``."""


@cache
def array_class() -> Any:
    """The class of arrays of float32 that hold values of bfloat16, so that a response tells the type of the output."""
    import numpy as np

    return type("BFloat16", (np.ndarray,), {"bfloat16": True})


def bits_of(values: Any) -> Any:
    """Floats as the bits (uint16) of the nearest bfloat16; NaN stays NaN, what is too large becomes infinite."""
    import numpy as np

    single = np.ascontiguousarray(values, np.float32)
    whole = single.view(np.uint32)
    rounded = (whole + (np.uint32(0x7FFF) + ((whole >> np.uint32(16)) & np.uint32(1)))) >> np.uint32(16)
    rounded = np.where(np.isnan(single), (whole >> np.uint32(16)) | np.uint32(0x0040), rounded)
    return np.asarray(rounded.astype(np.uint16)).reshape(np.shape(values))


def floats_of(bits: Any) -> Any:
    """The float32 of bits of bfloat16."""
    import numpy as np

    return (bits.astype(np.uint32) << np.uint32(16)).view(np.float32)


def run(session: Any, names: list[str], feeds: dict[str, Any], narrow: frozenset[str]) -> list[Any]:
    """Outputs of an ``InferenceSession`` some of whose ends are bfloat16; ``narrow`` are the inputs that are."""
    import numpy as np
    from onnxruntime import OrtValue

    if not hasattr(OrtValue, "ortvalue_from_numpy_with_onnx_type"):
        raise Invalid("models of bfloat16 need a newer ONNX Runtime", hint="pip install 'onnxruntime>=1.22'")
    kept = {name: bits_of(values) if name in narrow else np.ascontiguousarray(values) for name, values in feeds.items()}
    given = {  # they stand on the memory of the arrays, which live until the call is over
        name: OrtValue.ortvalue_from_numpy_with_onnx_type(values, ONNX_TYPE)
        if name in narrow
        else OrtValue.ortvalue_from_numpy(values)
        for name, values in kept.items()
    }
    return [_array(value) for value in session.run_with_ort_values(names, given)]


def _array(value: Any) -> Any:
    import numpy as np

    if value.data_type() != "tensor(bfloat16)":
        return value.numpy()
    shape = tuple(value.shape())
    bits = np.zeros(shape, np.uint16)
    if bits.size:
        ctypes.memmove(bits.ctypes.data, value.data_ptr(), bits.nbytes)
    return floats_of(bits).view(array_class())
