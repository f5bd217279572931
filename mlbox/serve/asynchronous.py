"""Endpoints that wait for others: for user code in processes of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar

from mlbox.base.errors import Invalid, MlboxError
from mlbox.serve import declared, ensemble, feeding
from mlbox.serve.endpoint import Answer, Arm, Runtime, named
from mlbox.serve.imputing import Seen, columns_seen
from mlbox.serve.remote import RemotePredictor

if TYPE_CHECKING:
    from mlbox.serve.codec import Request
    from mlbox.serve.tensors import Column

Enriched = Mapping[str, Sequence[Any]]


class AsyncRuntime(Runtime):
    """Some of its models are asked over a socket; those that are computed here are computed here."""

    asynchronous: ClassVar[bool] = True

    @property
    def streams(self) -> bool:
        """Whether what answers gives its answer in pieces."""
        return len(self.arms) == 1 and self._combine is None and getattr(self.arms[0].predictor, "streams", False)

    def warm(self) -> None:
        """Processes are ready when they are started; what is computed here is run once."""
        for arm in (*self.arms, *(each for each in (self.shadow, self.meta) if each)):
            if not isinstance(arm.predictor, RemotePredictor):
                self.warm_arm(arm)

    async def answer_later(self, request: Request, verb: str = "predict") -> Answer:
        """Predict, or explain; members of an ensemble are asked at the same time."""
        request, enriched = await self._shaped_later(request)
        if self._combine is not None and verb == "predict":
            answer = await self._together(request, enriched)
        else:
            arm = self.arms[0] if len(self.arms) == 1 else self._draw(request)
            answer = await self._one(arm, request, enriched, verb)
        return answer if self._after is None or verb != "predict" else self._after(answer, request)

    async def answer_shadow_later(self, request: Request) -> Answer | None:
        """What the shadow model says."""
        if self.shadow is None:
            return None
        request, enriched = await self._shaped_later(request)
        return await self._one(self.shadow, request, enriched)

    async def values_later(self, request: Request, nested: Mapping[str, Any]) -> tuple[dict[str, Any], Seen]:
        """What code that streams is given for a request of one row: values by name, and what is recorded of them.
        ``nested`` are those that are no plain values, by name in lower case."""
        sent = request.columns
        request, enriched = await self._shaped_later(request)
        arm = self.arms[0]
        columns, seen = self._remote(arm, arm.predictor, request, enriched)
        values = {name: _item(column[0]) for name, column in columns.items()}
        left = {key: value for key, value in nested.items() if request.columns.get(key) is sent[key]}  # by PREPROCESS
        return {name: left.get(name.lower(), value) for name, value in values.items()}, seen

    async def _shaped_later(self, request: Request) -> tuple[Request, Enriched]:
        if self.waits:
            return await asyncio.to_thread(self._shaped, request)
        return self._shaped(request)

    async def _together(self, request: Request, enriched: Enriched) -> Answer:
        async def ask(arm: Arm) -> Answer | MlboxError:
            try:
                return await self._one(arm, request, enriched)
            except MlboxError as error:
                return error

        answers = await asyncio.gather(*map(ask, self.arms))
        arms, said, failed = ensemble.present(self.row, self.arms, answers)
        if self.meta is None:
            return ensemble.join(str(self._combine), arms, said, failed)
        predictor = self.meta.predictor
        columns = ensemble.member_columns(arms, said, predictor.features)
        if isinstance(predictor, RemotePredictor):
            prediction = (await predictor.ask("predict", columns, request.rows)).prediction
        else:
            prediction = predictor.run([columns[name] for name in predictor.features], request.rows).prediction
        return ensemble.join(str(self._combine), arms, said, failed, prediction)

    async def _one(self, arm: Arm, request: Request, enriched: Enriched, verb: str = "predict") -> Answer:
        predictor = arm.predictor
        if not isinstance(predictor, RemotePredictor):
            if verb != "predict":
                raise Invalid(f"{arm.label} explains nothing", hint="serve a class with a method explain")
            return self._arm(arm, request, enriched, {})
        if verb not in predictor.verbs:
            raise Invalid(f"{predictor.name} has no {verb}", hint=f"it has {', '.join(sorted(predictor.verbs))}")
        columns, seen = self._remote(arm, predictor, request, enriched)
        output = await predictor.ask(verb, columns, request.rows)
        outputs = named(output) if verb == "predict" else output.outputs  # an explanation predicts nothing
        return Answer(arm.model, arm.version, output.prediction, outputs, seen)

    def _remote(
        self, arm: Arm, predictor: RemotePredictor, request: Request, enriched: Enriched
    ) -> tuple[Mapping[str, Any], Seen]:
        """Columns by name for a process, and what is recorded of them."""
        if predictor.features:
            matrix = self._whole_matrix(arm, request)
            if matrix is not None:
                names = predictor.features
                given = [matrix[:, index] for index in range(len(names))]
                return _as_declared(predictor, names, given, {}, request.rows), Seen(names, matrix, [])
            absent = [name for name in arm.keys if name not in request.columns and name not in self._enriched]
            optional = {name.lower() for name in predictor.optional}
            needed = set(absent) - optional
            if needed:
                raise self._missing(request, [name for name in predictor.features if name.lower() in needed])
            names = tuple(name for name in predictor.features if name.lower() not in absent)
            values: list[Any] = [
                _value(request.columns[name.lower()])
                if name.lower() in request.columns
                else enriched[self._enriched[name.lower()]]
                for name in names
            ]
        else:
            sent = {key: column for key, column in request.columns.items() if key not in self._entity_keys}
            names = (*(column.name for column in sent.values()), *self._enriched.values())
            values = [_value(column) for column in sent.values()]
            values += [enriched[name] for name in self._enriched.values()]
            names += tuple(name for name in self.entities if name.lower() in request.columns)
            values += [_value(request.columns[n.lower()]) for n in self.entities if n.lower() in request.columns]
        seen = columns_seen(arm, names, values)
        whole = {key: column for key, column in request.columns.items() if column.name not in seen.missing}
        return _as_declared(predictor, names, values, whole, request.rows), seen

    def _whole_matrix(self, arm: Arm, request: Request) -> Any:
        """The one tensor of all features, when the request has that."""
        if len(request.columns) != 1 or any(not feeding.is_plain(tensor) for tensor in arm.predictor.declared.values()):
            return None
        column = next(iter(request.columns.values()))
        named = column.name.lower() in arm.keys
        if column.width == 1 and (named or len(arm.keys) != 1):
            return None
        if named and (len(column.inner) != 1 or column.width != len(arm.keys)):
            return None  # a tensor is one of its inputs
        if len(column.inner) != 1 or column.width != len(arm.keys) or not column.datatype.number:
            told = f"{column.width} columns" if len(column.inner) == 1 else f"shape {list(column.shape)}"
            raise Invalid(
                f"input {column.name!r} has {told}, {arm.label} takes [-1, {len(arm.keys)}]",
                hint=f"in this order: {', '.join(arm.predictor.features)}",
            )
        import numpy as np

        return np.asarray(column.values, dtype=np.float64).reshape(request.rows, column.width)


def _item(value: Any) -> Any:
    return value.tolist() if hasattr(value, "tolist") else value


def _as_declared(
    predictor: RemotePredictor,
    names: Sequence[str],
    values: Sequence[Any],
    sent: Mapping[str, Column],
    rows: int,
) -> dict[str, Any]:
    """Values by name, those of inputs that the code has declared in their type and shape; raises ``Invalid``. ``sent``
    are columns of the request of which no value is missing."""
    found = dict(zip(names, values, strict=True))
    for name in names if predictor.declared else ():
        tensor = predictor.declared.get(name.lower())
        if tensor is not None:
            found[name] = declared.fitted(tensor, sent.get(name.lower(), found[name]), rows)
    return found


def _value(column: Column) -> Any:
    """What code is given: values of a column as its datatype says (JSON has whole numbers for floats); of a tensor an
    array of its shape."""
    values = column.values
    if not column.plain:
        return column.array()
    if values.__class__ is list and column.datatype.numpy.startswith("float"):
        return [value if value is None else float(value) for value in values]
    return values
