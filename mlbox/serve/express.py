"""The short way of the most frequent requests: one tensor with all features, or a key whose features are stored, to
models and nothing else.

What it does not know it leaves to the general way, which answers the same to everything: a request that it takes is
decoded, computed and encoded without an object for each tensor, in half the time.
"""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from functools import lru_cache
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base.ids import new_id
from mlbox.serve import codec
from mlbox.serve.call import INLINE_ROWS
from mlbox.serve.codec import Request
from mlbox.serve.compact import Form
from mlbox.serve.endpoint import Answer, Arm, Runtime, named
from mlbox.serve.imputing import Seen, impute_matrix
from mlbox.serve.switching import RECENT
from mlbox.serve.tensors import DATATYPES, Column, is_single

if TYPE_CHECKING:
    from mlbox.engine.models.sessions import Output
    from mlbox.serve.call import Call


class _Tensor(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Numbers, and no parameters."""

    name: str
    shape: list[int]
    datatype: str
    data: list[float]


class _Request(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """No parameters, and all outputs."""

    inputs: list[_Tensor]
    id: str | None = None


class _Key(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """Anything, and no parameters."""

    name: str
    shape: list[int]
    datatype: str
    data: list[Any]


class _Keys(msgspec.Struct, gc=False, forbid_unknown_fields=True):
    """No parameters, and all outputs."""

    inputs: list[_Key]
    id: str | None = None


SAMPLE = 64
"""Of so many requests one is remembered for the next version."""


@lru_cache(maxsize=INLINE_ROWS)
def _only_rows(rows: int) -> Request:
    """For those who need no more of a request: the log has its values from what the model saw."""
    return Request({}, rows, None, None, False)


_decode = msgspec.json.Decoder(_Request).decode
_decode_keys = msgspec.json.Decoder(_Keys).decode
_FLOATS = {name: DATATYPES[name] for name in ("FP32", "FP64")}
_WRONG = (msgspec.DecodeError, ValueError, UnicodeDecodeError)


class _Way:
    """What of a model is asked at each request, looked up once."""

    __slots__ = (
        "arm",
        "bound",
        "form",
        "matrix_from",
        "matrix_of_row",
        "names",
        "output_of",
        "run",
        "tensor",
        "version",
        "width",
    )

    def __init__(self, arm: Arm) -> None:
        predictor = arm.predictor
        self.arm = arm
        self.tensor = predictor.tensors[0].name
        self.width = len(arm.keys)
        self.names = predictor.features
        self.version = str(arm.version)
        self.run = predictor.run_matrix
        self.matrix_of_row = predictor.matrix_of_row
        self.matrix_from = predictor.matrix_from
        self.output_of = predictor.output_of
        self.bound = predictor.bound_row()
        """Used on the event loop alone."""
        self.form = Form(arm, self.bound) if self.bound is not None else None

    def answer(self, call: Call, matrix: Any, absent: list[str], seen: Seen | None = None) -> bytes:
        """The response's body."""
        return self._told(call, self.run(matrix), seen or Seen(self.names, matrix, absent))

    def answer_row(self, call: Call, values: Sequence[float], recorded: str) -> bytes:
        """The response's body for one row of numbers, none of them missing. ``recorded`` is what is recorded of it:
        no, row (what the model saw and said), or all."""
        bound = self.bound
        if bound is None or not bound.fill(values):
            return self.answer(call, self.matrix_of_row(values), [])
        if recorded != "all" and self.form is not None:
            outputs = named(self.output_of(bound.run_in_place(), 1))
            if recorded == "row":
                call.kept = self.form, bound.kept()
            return codec.encode_plain(call.asked, self.version, call.id, outputs, [])
        matrix = bound.seen()
        return self._told(call, self.output_of(bound.run(), 1), Seen(self.names, matrix, []))

    def _told(self, call: Call, output: Output, seen: Seen) -> bytes:
        outputs = named(output)
        arm = self.arm
        call.answer = Answer(arm.model, arm.version, output.prediction, outputs, seen)
        return codec.encode_plain(call.asked, self.version, call.id, outputs, seen.missing)


class Lane:
    """The short way through one generation of an endpoint, where there is one; it does not keep that alive."""

    def __init__(self, runtime: Runtime) -> None:
        self.answer = self._none
        """The response's body; ``None`` leaves the request to the general way, and nothing has happened."""
        self._shadow = runtime.shadow is not None
        if runtime.direct and all(arm.predictor.tensors[0].floating and len(arm.keys) > 1 for arm in runtime.arms):
            self._ways = {id(arm): _Way(arm) for arm in runtime.arms}
            self._only = self._ways[id(runtime.arms[0])] if len(runtime.arms) == 1 else None
            self.answer = self._sent
        elif runtime.keyed:
            self._way = _Way(runtime.arms[0])
            self._entities = {key: (name, datatype == "BYTES") for key, name, datatype in runtime.entity_columns}
            self._row = runtime.keyed
            self.answer = self._stored

    def _none(self, runtime: Runtime, call: Call, body: bytes) -> bytes | None:
        return None

    def _sent(self, runtime: Runtime, call: Call, body: bytes) -> bytes | None:
        """All features are sent, as one tensor."""
        try:
            request = _decode(body)
            (tensor,) = request.inputs
            rows, width = tensor.shape
        except _WRONG:
            return None
        way = self._only or self._ways[id(runtime.draw())]
        data = tensor.data
        if (
            tensor.name != way.tensor
            or width != way.width
            or len(data) != rows * width
            or tensor.datatype not in _FLOATS
            or not 0 < rows <= INLINE_ROWS
        ):
            return None
        call.id = request.id or call.id or new_id()
        call.runtime = runtime
        slot = call.slot
        logged = slot.row.log_percent
        if self._shadow or (logged and (len(slot.recent) < RECENT or slot.meter.requests % SAMPLE == 0)):
            # the values are needed once more
            column = Column(tensor.name, _FLOATS[tensor.datatype], data, rows, width, (width,))
            call.request = Request({tensor.name.lower(): column}, rows, request.id, None, False)
        else:
            call.request = _only_rows(rows)
        if rows == 1:  # JSON has no NaN, and null is no float: nothing is missing
            return way.answer_row(call, data, "no" if not logged else "all" if self._shadow or slot.durable else "row")
        return way.answer(call, way.matrix_from(data, rows), [])

    def _stored(self, runtime: Runtime, call: Call, body: bytes) -> bytes | None:
        """A key is sent, and all features are stored."""
        try:
            wire = _decode_keys(body)
        except _WRONG:
            return None
        entities = self._entities
        keys: dict[str, Any] = {}
        for tensor in wire.inputs:
            datatype = DATATYPES.get(tensor.datatype)
            wanted = entities.get(tensor.name) or entities.get(tensor.name.lower())
            if datatype is None or wanted is None or datatype.number is wanted[1]:
                return None
            if not is_single(tensor.shape, datatype, tensor.data):
                return None
            keys[wanted[0]] = tensor.data[0]
        if not len(keys) == len(wire.inputs) == len(entities):
            return None
        way = self._way
        call.id = wire.id or call.id or new_id()
        call.runtime = runtime
        logged = call.slot.row.log_percent
        if logged:
            sent = {
                each.name.lower(): Column(each.name, DATATYPES[each.datatype], each.data, 1) for each in wire.inputs
            }
            call.request = Request(sent, 1, wire.id, None, False)
        else:
            call.request = _only_rows(1)
        try:
            values = self._row(keys)
            with suppress(TypeError):  # a gap, or a text
                total = sum(values)
                if total == total:  # and no NaN among them
                    return way.answer_row(call, values, "all" if logged else "no")
            matrix = way.matrix_of_row(values)
        except (TypeError, ValueError, OverflowError, KeyError):  # what is no number is told by the general way
            return None
        seen = impute_matrix(way.arm, matrix)
        return way.answer(call, matrix, seen.missing, seen)
