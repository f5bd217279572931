"""What answers: models with their shares, features from the online store, imputation. Immutable once built."""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from time import perf_counter
from typing import TYPE_CHECKING, Any, ClassVar

import msgspec

from mlbox.base import processors
from mlbox.base.errors import Invalid
from mlbox.base.suggest import nearest
from mlbox.serve import ensemble, feeding
from mlbox.serve.codec import Request
from mlbox.serve.imputing import Seen, impute_columns, impute_matrix
from mlbox.serve.needs import Need, OnlineReader
from mlbox.serve.sticky import Sticky
from mlbox.serve.tensors import Column, of_sql

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.engine.models.sessions import Output
    from mlbox.serve.express import Lane


@dataclass(frozen=True, slots=True)
class Arm:
    """A model version behind an endpoint. ``impute`` holds positions of features and what stands for a gap."""

    model: str
    version: int
    predictor: Any
    """A ``Predictor``, or a ``RemotePredictor`` that is asked over a socket."""
    weight: float = 1.0
    impute: tuple[tuple[int, float], ...] = ()
    keys: tuple[str, ...] = field(init=False)
    """Feature names in lower case, in order."""
    tensor: str = field(init=False)
    """Name of the model's first input in lower case: that of the matrix, where it takes one."""

    def __post_init__(self) -> None:
        object.__setattr__(self, "keys", tuple(name.lower() for name in self.predictor.features))
        object.__setattr__(self, "tensor", self.predictor.tensors[0].name.lower())

    @property
    def label(self) -> str:
        """``model@version``."""
        return f"{self.model}@{self.version}"


class Answer(msgspec.Struct, gc=False):
    """Predictions for a request."""

    model: str
    version: int | None
    prediction: Any
    outputs: dict[str, Any]
    seen: Seen


@dataclass(frozen=True, slots=True)
class Shaping:
    """What is done to a request before and after its features are looked up, and to the answer."""

    before: Callable[[Request], Request] | None = None
    between: Callable[[Request, Mapping[str, Sequence[Any]]], Request] | None = None
    after: Callable[[Answer, Request], Answer] | None = None
    reads: frozenset[str] = frozenset()
    """Columns that it needs of the request, or of the feature vector; in lower case."""
    makes: frozenset[str] = frozenset()
    """Columns that it adds."""
    gives: tuple[tuple[str, str], ...] = ()
    """Names and datatypes of the outputs, where it makes them."""
    texts: frozenset[str] = frozenset()
    """Which of the columns that it reads are texts."""


class Runtime:
    """One generation of an endpoint; a change builds another one beside it."""

    asynchronous: ClassVar[bool] = False
    """Whether it is asked with ``answer_later``, since it waits for others."""

    def __init__(
        self,
        row: EndpointRow,
        arms: Sequence[Arm],
        reader: OnlineReader | None = None,
        shadow: Arm | None = None,
        meta: Arm | None = None,
        shaping: Shaping | None = None,
    ) -> None:
        self.row = row
        self.arms = tuple(arms)
        self.shadow = shadow
        self.meta = meta
        self.shaping = shaping or Shaping()
        self._shapes_request = bool(self.shaping.makes)
        self._after = self.shaping.after
        self._sticky = Sticky.of(row, [arm.weight for arm in self.arms])
        self.reader = reader
        self.waits = getattr(reader, "remote", False)
        """Whether its features come from another process, for which an event loop does not wait."""
        self.entities = tuple(reader.entities) if reader else ()
        types = reader.entity_types if reader else {}
        self.entity_columns = tuple((name.lower(), name, of_sql(types.get(name, "VARCHAR"))) for name in self.entities)
        """Of each entity its name in lower case, its name, and the datatype in which it is sent."""
        self._entity_keys = frozenset(key for key, _, _ in self.entity_columns)
        self._enriched = {name.lower(): name for name in reader.features} if reader else {}
        self._combine = row.ensemble
        self._saved = 0.0
        """Seconds that it saves for a row to compute the members of an ensemble at the same time."""
        self._stored = {id(arm): names for arm in self.arms if (names := self._all_stored(arm))}
        self._alike = ensemble.alike(self.arms) if row.ensemble else {}
        self.needs = self._needs()
        self.direct = not (
            self.asynchronous or self._shapes_request or self._after or self._sticky or reader or row.ensemble
        ) and all(arm.predictor.matrix for arm in self.arms)
        """Whether a model answers to the features that are sent, and nothing stands before or behind it."""
        self.keyed = self._keyed()
        """Reads all that the only model takes, for requests that send a key and nothing else."""
        self.lane: Lane | None = None
        """The short way through it, made at the first request."""
        self.batches = not (self.asynchronous or row.ensemble) and all(map(feeding.batches, self.arms))
        """Whether requests can be put together for one call of a model."""
        self.shared = feeding.shared(self.arms)
        """Inputs, in lower case, that are the same for all rows of a request."""
        self.row_shape = feeding.row_shape(self)
        """Of a row of its only input, where a body may be that input alone."""
        self.slow = any(arm.predictor.tensors_in for arm in self.arms)
        """Whether a model may take long for one row, so that it is not asked on an event loop."""

    @property
    def version(self) -> str:
        """What answers now, as the protocol tells it."""
        return str(self.arms[0].version) if len(self.arms) == 1 else ",".join(arm.label for arm in self.arms)

    @property
    def streams(self) -> bool:
        """Whether it has an answer in pieces; see ``AsyncRuntime.values_later``."""
        return False

    def _all_stored(self, arm: Arm) -> tuple[str, ...]:
        """Names in the vector of all that a model of one matrix of floats takes; empty when something must be sent."""
        predictor, known = arm.predictor, self._enriched
        if not predictor.matrix or not predictor.tensors[0].floating or self._shapes_request:
            return ()
        if self._entity_keys.intersection(arm.keys) or not known.keys() >= set(arm.keys):
            return ()
        return tuple(known[key] for key in arm.keys)

    def _keyed(self) -> Callable[[Mapping[str, Any]], Sequence[Any]] | None:
        row_of = getattr(self.reader, "row_of", None)
        if row_of is None or self.waits or self.asynchronous or self._combine or self._after or len(self.arms) > 1:
            return None
        stored = self._stored.get(id(self.arms[0]))
        return row_of(stored) if stored else None

    def _needs(self) -> tuple[Need, ...]:
        needs = {key: Need(name, datatype) for key, name, datatype in self.entity_columns}
        for arm in (*self.arms, *([self.shadow] if self.shadow else [])):
            for index, name in enumerate(arm.predictor.features):
                tensor = arm.predictor.input_of(index)
                datatype, shape = tensor.datatype, feeding.need_shape(arm, tensor)
                required = name.lower() not in self._enriched and arm is not self.shadow
                required = required and name not in arm.predictor.optional
                needs.setdefault(name.lower(), Need(name, datatype, required, shape))
        shaping = self.shaping
        for name in shaping.makes:
            needs.pop(name, None)
        for name in sorted(shaping.reads - shaping.makes):
            if name not in self._enriched:
                needs.setdefault(name, Need(name, "BYTES" if name in shaping.texts else "FP64"))
        return tuple(sorted(needs.values(), key=lambda need: not need.required))

    def warm(self) -> None:
        """Run every model once, so that the first request does not pay for first allocations."""
        for arm in (*self.arms, *(each for each in (self.shadow, self.meta) if each)):
            self.warm_arm(arm)
        if self._combine is not None:
            self._saved = ensemble.saved([self.warm_arm(arm) for arm in self.arms], processors.usable())

    @staticmethod
    def warm_arm(arm: Arm) -> float:
        """Run a model once; the seconds that it takes."""
        predictor = arm.predictor
        if predictor.tensors_in:
            began = perf_counter()
            predictor.warm()
            return perf_counter() - began
        values = [[""] if predictor.input_of(index).element == "string" else [0] for index in range(len(arm.keys))]
        began = perf_counter()
        predictor.run(values, 1)
        return perf_counter() - began

    def answer(self, request: Request) -> Answer:
        """Predict; raises ``Invalid`` that names what is missing or wrong."""
        if self._shapes_request:
            request, enriched = self._shaped(request)
        else:
            enriched = self._enrich(request)
        if self._combine is not None:
            answer = self._ensemble(request, enriched)
        else:
            arm = self.arms[0] if len(self.arms) == 1 else self._draw(request)
            answer = self._arm(arm, request, enriched, {})
        return answer if self._after is None else self._after(answer, request)

    async def answer_later(self, request: Request, verb: str = "predict") -> Answer:
        """The same for a runtime that waits for others; ``verb`` is predict or explain."""
        raise NotImplementedError

    def answer_shadow(self, request: Request) -> Answer | None:
        """What the shadow model says to the same request."""
        request, enriched = self._shaped(request)
        return self._arm(self.shadow, request, enriched, {}) if self.shadow else None

    async def event_later(self, event: Any) -> Any:
        """What it says to a JSON value that is no request of the protocol."""
        raise NotImplementedError

    async def answer_shadow_later(self, request: Request) -> Answer | None:
        """The same for a runtime that waits for others."""
        return self.answer_shadow(request)

    def _shaped(self, request: Request) -> tuple[Request, Mapping[str, Sequence[Any]]]:
        """The request with what PREPROCESS adds, and its stored features."""
        before, between = self.shaping.before, self.shaping.between
        if before is not None:
            request = before(request)
        enriched = self._enrich(request)
        return (request if between is None else between(request, enriched)), enriched

    def _draw(self, request: Request) -> Arm:
        if self._sticky is not None:
            return self.arms[self._sticky.choose(request)]
        return self.draw()

    def draw(self) -> Arm:
        """The model of the next request, by the shares of the traffic."""
        return random.choices(self.arms, [arm.weight for arm in self.arms])[0]

    def _enrich(self, request: Request) -> Mapping[str, Sequence[Any]]:
        if self.reader is None:
            return {}
        keys: dict[str, Sequence[Any]] = {}
        for key, name, datatype in self.entity_columns:
            column = request.columns.get(key)
            if column is None:
                raise self._missing(request, self._absent(request))
            if column.datatype.number is (datatype == "BYTES") or not column.plain:
                raise _wrong_type(column, datatype)
            keys[name] = column.values if column.values.__class__ is list else column.values.tolist()
        return self.reader.read(keys, request.event_times)

    def _absent(self, request: Request) -> list[str]:
        """Every input that the request should have and does not."""
        return [need.name for need in self.needs if need.required and need.name.lower() not in request.columns]

    def _missing(self, request: Request, names: list[str]) -> Invalid:
        needs = ", ".join(f"{need.name} {need.datatype}" for need in self.needs if need.required)
        known = {need.name.lower() for need in self.needs}
        strange = [column.name for key, column in request.columns.items() if key not in known]
        meant = {name: close[0] for name in names if (close := nearest(name, strange, 1))}
        told = "; ".join(f"input {name} is missing; did you mean it by {sent}?" for name, sent in meant.items())
        return Invalid(
            f"the request has no input {', '.join(map(repr, names))}; the endpoint needs: {needs}", hint=told or None
        )

    def _arm(self, arm: Arm, request: Request, enriched: Mapping[str, Sequence[Any]], fed: dict[int, Seen]) -> Answer:
        """What one model says; ``fed`` keeps what members that take the same were given."""
        predictor, rows = arm.predictor, request.rows
        if predictor.matrix:
            alike = self._alike.get(id(arm), 0)
            seen = fed.get(alike) or self._matrix(arm, request, enriched)
            fed[alike] = seen
            output = predictor.run_matrix(seen.values)
        elif predictor.tensors_in:
            feeds, seen = feeding.feeds(arm, self._columns(arm, request, enriched), request)
            output = predictor.run_tensors(feeds, rows)
        else:
            columns = self._columns(arm, request, enriched)
            seen = impute_columns(arm, columns)
            output = predictor.run(columns, rows)
        return Answer(arm.model, arm.version, output.prediction, named(output), seen)

    def _matrix(self, arm: Arm, request: Request, enriched: Mapping[str, Sequence[Any]]) -> Seen:
        """What the model will see, in its own type."""
        if (
            request.rows == 1
            and len(request.columns) == len(self._entity_keys)
            and (stored := self._stored.get(id(arm)))
        ):
            # a key alone is sent, and everything comes from the store
            with suppress(TypeError, ValueError, OverflowError):  # what is no number is told by the general way
                return impute_matrix(arm, arm.predictor.matrix_of_row([enriched[name][0] for name in stored]))
        matrix = self._sent_matrix(arm, request)
        if matrix is None:
            matrix = arm.predictor.matrix_of(self._columns(arm, request, enriched), request.rows)
        return impute_matrix(arm, matrix)

    def prepare(self, request: Request) -> tuple[Arm, Seen, Any]:
        """The model that will answer, what is recorded of what it sees, and what it is fed: a matrix, or tensors by
        name; for a runtime that ``batches``."""
        request, enriched = self._shaped(request)
        arm = self.arms[0] if len(self.arms) == 1 else self._draw(request)
        if arm.predictor.tensors_in:
            tensors, seen = feeding.feeds(arm, self._columns(arm, request, enriched), request)
            return arm, seen, tensors
        seen = self._matrix(arm, request, enriched)
        return arm, seen, seen.values

    def conclude(self, arm: Arm, seen: Seen, output: Output, request: Request) -> Answer:
        """The answer of a model."""
        answer = Answer(arm.model, arm.version, output.prediction, named(output), seen)
        return answer if self._after is None else self._after(answer, request)

    def _sent_matrix(self, arm: Arm, request: Request) -> Any:
        """The one tensor of all features, when the request has that instead of a tensor for each."""
        predictor = arm.predictor
        column = request.columns.get(arm.tensor)
        if column is None or len(request.columns) > 1 or (column.width == 1 and column.name.lower() in arm.keys):
            return None
        if len(column.inner) > 1 or column.scalar:
            raise Invalid(
                f"input {column.name!r} has shape {list(column.shape)}, the model takes [-1, {len(arm.keys)}]"
            )
        if column.width != len(arm.keys):
            raise Invalid(
                f"input {column.name!r} has {column.width} columns, the model takes {len(arm.keys)}",
                hint=f"in this order: {', '.join(predictor.features)}",
            )
        return predictor.matrix_from(column.values, request.rows) if column.datatype.number else None

    def _columns(self, arm: Arm, request: Request, enriched: Mapping[str, Sequence[Any]]) -> list[Any]:
        """Values of each feature in order: what was sent, else what the online store has."""
        sent, stored = request.columns, self._enriched
        columns: list[Any] = []
        for index, key in enumerate(arm.keys):
            column = sent.get(key)
            if column is not None:
                if arm.predictor.tensors_in:
                    columns.append(column)
                    continue
                if not column.plain:
                    told = f"input {column.name!r} has shape {list(column.shape)}; a feature is [n] or [n, 1]"
                    raise Invalid(told)
                if not column.datatype.number and arm.predictor.input_of(index).element != "string":
                    raise _wrong_type(column, arm.predictor.input_of(index).datatype)
                columns.append(column.values)
            elif key in stored:
                columns.append(enriched[stored[key]])
            else:
                absent = [
                    name for name in arm.predictor.features if name.lower() not in sent and name.lower() not in stored
                ]
                raise self._missing(request, absent)
        return columns

    def _ensemble(self, request: Request, enriched: Mapping[str, Sequence[Any]]) -> Answer:
        together = self._saved * request.rows >= ensemble.GAIN_SECONDS
        fed: dict[int, Seen] = {}
        answers = ensemble.ask(self.arms, lambda arm: self._arm(arm, request, enriched, fed), together=together)
        arms, said, failed = ensemble.present(self.row, self.arms, answers)
        kind = str(self._combine)
        if self.meta is None:
            return ensemble.join(kind, arms, said, failed)
        predictor = self.meta.predictor
        columns = ensemble.member_columns(arms, said, predictor.features)
        output = predictor.run([columns[name] for name in predictor.features], request.rows)
        return ensemble.join(kind, arms, said, failed, output.prediction)


def _wrong_type(column: Column, wanted: str) -> Invalid:
    told = f"input {column.name!r} has datatype {column.datatype.name}, the endpoint takes {wanted}"
    return Invalid(told, hint='a text stands in quotes: "7"' if wanted == "BYTES" else "a number stands without quotes")


def named(output: Output) -> dict[str, Any]:
    """Outputs by name, the prediction first."""
    if not output.numbered:
        return output.outputs
    found = {"prediction": output.prediction, **output.outputs}
    found["prediction"] = output.prediction
    return found
