"""The user's class or function, loaded once, as something that answers requests."""

from __future__ import annotations

import inspect
import os
import sys
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from mlbox.client.binding import find_handler
from mlbox.client.bootstrap import load_module
from mlbox.client.failures import WrongCall
from mlbox.client.frames import importable
from mlbox.client.serving.errors import BadInput
from mlbox.client.serving.streaming import named, streams, through, through_later
from mlbox.client.serving.transforming import Transforming

Declared = List[Tuple[str, str, List[int]]]
WHOLE = ("inputs", "columns")
"""A parameter of this name is given all inputs at once, as columns; any other is one value of a row."""


class ServingContext:
    """What ``load(context)`` is given."""

    def __init__(self, spec: Mapping[str, Any]) -> None:
        self.parameters: Dict[str, Any] = dict(spec.get("parameters") or {})
        self.endpoint: Optional[str] = spec.get("endpoint")
        self.models: Dict[str, str] = dict(spec.get("models") or {})

    def secret(self, name: str) -> str:
        """The value of a secret that SECRETS of the function names."""
        if name not in os.environ.get("MLBOX_SECRETS", "").split(","):
            raise WrongCall(f"the function was not given a secret {name!r}", f"name it: SECRETS ({name})")
        return os.environ[name]


class Answering:
    """What a process answers with. ``verbs`` are of predict, stream, explain and do; ``features`` what it takes, in
    order, empty where it takes anything."""

    verbs: List[str]
    asynchronous = False
    features: List[str] = []
    optional: List[str] = []
    inputs: Declared = []
    outputs: Declared = []
    texts: List[str] = []
    """Which of them are texts, as their annotations or defaults say."""

    def predict(self, columns: Dict[str, Any], rows: int) -> Any:
        """Predictions for columns of ``rows`` values; may be awaitable."""
        raise WrongCall("this code has no predict", "it answers to: " + ", ".join(self.verbs))

    def explain(self, columns: Dict[str, Any], rows: int) -> Any:
        """An explanation for each row."""
        raise WrongCall("this code has no explain", "it answers to: " + ", ".join(self.verbs))

    def stream(self, event: Any) -> Any:
        """A generator of the pieces of an answer, which may be asynchronous, where ``predict`` is one."""
        raise WrongCall("this code does not stream", "a predict that streams has yield")

    def do(self, event: Any) -> Any:
        """What becomes of one event."""
        raise WrongCall("this code has no do", "it answers to: " + ", ".join(self.verbs))

    def transform(self, body: Any) -> Any:
        """Rows as an Arrow stream, made other rows."""
        raise WrongCall("this code has no transform", "it answers to: " + ", ".join(self.verbs))


def declared(code: Any, kind: str) -> Declared:
    """Name, datatype and shape of each tensor that code says it takes (``inputs``) or gives (``outputs``):
    ``{"image": ("FP32", [-1, 3, 224, 224]), "age": "INT64"}``. What is no dictionary is something of the code's own.
    Raises ``WrongCall``."""
    given = getattr(code, kind, None)
    found = []
    for name, told in given.items() if isinstance(given, dict) else ():
        datatype, shape = (told, [-1]) if isinstance(told, str) else told if _is_pair(told) else ("", [])
        if not datatype or not all(isinstance(size, int) and (size > 0 or size == -1) for size in shape):
            raise WrongCall(
                f"{kind}[{name!r}] is {told!r}, which is no datatype with a shape",
                'write {"image": ("FP32", [-1, 3, 224, 224])}; the first axis is the rows, -1 is any size',
            )
        found.append((str(name), datatype, list(shape)))
    return found


def _is_pair(told: Any) -> bool:
    return (
        isinstance(told, (list, tuple))
        and len(told) == 2
        and isinstance(told[0], str)
        and isinstance(told[1], (list, tuple))
    )


class OfClass(Answering):
    """``load``, ``preprocess``, ``predict``, ``postprocess``, ``explain`` and ``do`` of a class, made once."""

    def __init__(self, instance: Any) -> None:
        self._instance = instance
        verbs = ("predict", "explain", "do", "transform")
        self.verbs = [verb for verb in verbs if callable(getattr(instance, verb, None))]
        self.inputs, self.outputs = declared(instance, "inputs"), declared(instance, "outputs")
        self.features = [str(name) for name in getattr(instance, "features", ())] or [name for name, *_ in self.inputs]
        steps = (getattr(instance, name, None) for name in ("preprocess", "predict", "postprocess", "explain", "do"))
        self.asynchronous = any(inspect.iscoroutinefunction(s) or inspect.isasyncgenfunction(s) for s in steps)
        if streams(getattr(instance, "predict", None)):
            self.verbs.append("stream")

    def predict(self, columns: Dict[str, Any], rows: int) -> Any:
        """Through preprocess and postprocess, where there are such."""
        return self._through(self._instance.predict, columns)

    def explain(self, columns: Dict[str, Any], rows: int) -> Any:
        """Through preprocess, where there is one."""
        return self._through(self._instance.explain, columns, last=False)

    def stream(self, event: Any) -> Any:
        """One request, its values by name, through preprocess; each piece through postprocess."""
        before, after = (getattr(self._instance, name, None) for name in ("preprocess", "postprocess"))
        return (through_later if self.asynchronous else through)(before, self._instance.predict, after, event)

    def do(self, event: Any) -> Any:
        """The event goes to ``do``."""
        return self._instance.do(event)

    def transform(self, body: Any) -> Any:
        """The frame goes to ``transform``."""
        return Transforming(self._instance.transform, {})(body)

    def _through(self, step: Callable[[Any], Any], value: Any, last: bool = True) -> Any:
        names = ("preprocess", None, "postprocess") if last else ("preprocess", None)
        steps = [step if name is None else getattr(self._instance, name, None) for name in names]
        found = [each for each in steps if each is not None]
        if self.asynchronous:
            return _awaited(found, value)
        for each in found:
            value = each(value)
        return value


class OfFunction(Answering):
    """A plain function: called once for each row with the values that it names, or once with all columns."""

    def __init__(self, function: Callable[..., Any], parameters: Mapping[str, Any]) -> None:
        self._function = function
        self._given = dict(parameters)
        self.verbs = ["predict", "do", "transform"]
        self.asynchronous = inspect.iscoroutinefunction(function) or inspect.isasyncgenfunction(function)
        if streams(function):
            self.verbs.append("stream")
        entries = [
            entry
            for entry in inspect.signature(function).parameters.values()
            if entry.kind not in (entry.VAR_POSITIONAL, entry.VAR_KEYWORD) and entry.name not in self._given
        ]
        self._whole = len(entries) == 1 and entries[0].name in WHOLE
        self.inputs, self.outputs = declared(function, "inputs"), declared(function, "outputs")
        if self._whole:
            self.features = [name for name, *_ in self.inputs]
        else:
            self.features = [entry.name for entry in entries]
            self.optional = [entry.name for entry in entries if entry.default is not entry.empty]
            kinds = (str, "str", "Optional[str]", "str | None", Optional[str])
            self.texts = [
                entry.name for entry in entries if entry.annotation in kinds or isinstance(entry.default, str)
            ]

    def predict(self, columns: Dict[str, Any], rows: int) -> Any:
        """All rows."""
        if self._whole:
            return self._function(columns, **self._given)
        plain = {name: _by_row(values, rows) for name, values in columns.items()}
        calls = [{name: values[row] for name, values in plain.items()} for row in range(rows)]
        if self.asynchronous:
            return self._each(calls)
        return joined([self._function(**call, **self._given) for call in calls])

    async def _each(self, calls: List[Dict[str, Any]]) -> Any:
        import asyncio

        return joined(await asyncio.gather(*(self._function(**call, **self._given) for call in calls)))

    def stream(self, event: Any) -> Any:
        """The values of one request by name, or all of them."""
        if self._whole:
            return self._function(event, **self._given)
        return self._function(**named(event, self.features), **self._given)

    def do(self, event: Any) -> Any:
        """The function is given the event."""
        return self._function(event, **self._given)

    def transform(self, body: Any) -> Any:
        """The function is given the frame."""
        return Transforming(self._function, self._given)(body)


def _by_row(values: Any, rows: int) -> Any:
    """The value of each row: plain values, lists, and of tensors of more axes arrays; a scalar is that of all rows."""
    if isinstance(values, list) or getattr(values, "ndim", 1) > 2:
        return values
    return values.tolist() if getattr(values, "ndim", 1) else [values.item()] * rows


def joined(results: List[Any]) -> Any:
    """What was returned for each row, as columns where it is dictionaries."""
    if results and all(isinstance(result, dict) for result in results):
        names = list(results[0])
        if all(list(result) == names for result in results):
            return {name: [result[name] for result in results] for name in names}
    return results


async def _awaited(steps: List[Callable[[Any], Any]], value: Any) -> Any:
    for step in steps:
        value = step(value)
        if hasattr(value, "__await__"):
            value = await value
    return value


def load(spec: Mapping[str, Any]) -> Answering:
    """What ``spec`` names: ``file`` and ``handler`` in ``folder``, or ``model`` of a ``framework``. ``load`` of a
    class is called. Raises what the user's code raises, and ``WrongCall``."""
    if spec["kind"] == "model":
        from mlbox.client.serving.frameworks import load_model

        return load_model(spec)
    folder, file = spec["folder"], spec["file"]
    path = os.path.join(folder, file)
    sys.path[0] = os.path.dirname(path)
    if os.path.dirname(path) != folder:
        sys.path.insert(1, folder)
    name = os.path.splitext(os.path.basename(file))[0]
    module = load_module(path, f"mlbox_user_{name}" if name in sys.modules else name)
    found = find_handler(module, spec.get("handler"), file)
    context = ServingContext(spec)
    if not inspect.isclass(found):
        return OfFunction(found, context.parameters)
    instance = _made(found, context)
    prepare = getattr(instance, "load", None)
    if callable(prepare):
        result = prepare(context) if inspect.signature(prepare).parameters else prepare()
        if hasattr(result, "__await__"):
            import asyncio

            asyncio.run(_awaited([lambda _: result], None))
    answering = OfClass(instance)
    if not answering.verbs:
        raise WrongCall(f"class {found.__name__} has no method predict or do", "write def predict(self, inputs)")
    return answering


def _made(kind: Any, context: ServingContext) -> Any:
    """An instance; parameters go to ``__init__`` by name, those that it does not take reach ``load``. ``WrongCall``
    where that does not take them either: it is a slip."""
    known = inspect.signature(kind).parameters
    anything = any(entry.kind is entry.VAR_KEYWORD for entry in known.values())
    prepare = getattr(kind, "load", None)
    if not anything and not (callable(prepare) and len(inspect.signature(prepare).parameters) > 1):
        for name in context.parameters:
            if name not in known:
                takes = ", ".join(known) or "none"
                raise WrongCall(
                    f"class {kind.__name__} takes no parameter {name!r}",
                    f"its __init__ takes: {takes}; load(self, context) would have all in context.parameters",
                )
    return kind(**{name: value for name, value in context.parameters.items() if anything or name in known})


def as_columns(result: Any, rows: int) -> Dict[str, Any]:
    """What a predict returned, as columns of ``rows`` values each. Raises ``WrongCall`` for what cannot be that."""
    columns = result if isinstance(result, dict) else {"prediction": result}
    if not columns:
        raise WrongCall("it returned an empty dictionary", "return a value for each row, or a dictionary of columns")
    return {str(name): _column(str(name), values, rows) for name, values in columns.items()}


def _column(name: str, values: Any, rows: int) -> Any:
    if hasattr(values, "to_numpy"):
        values = values.to_numpy()
    elif hasattr(values, "detach"):
        values = values.detach().cpu().numpy()
    if rows == 1 and (isinstance(values, (int, float, str, bool)) or getattr(values, "shape", None) == ()):
        values = [values.item() if hasattr(values, "item") else values]
    numpy = importable("numpy")
    if isinstance(values, tuple):
        values = list(values)
    if isinstance(values, list) and numpy is not None and any(hasattr(value, "shape") for value in values):
        values = numpy.asarray(values)
    if not isinstance(values, list) and not hasattr(values, "dtype"):
        kind = type(values).__name__
        raise WrongCall(f"output {name!r} is of type {kind}", f"return {rows} values: a list, an array or a Series")
    if len(values) != rows:
        raise WrongCall(f"output {name!r} has {len(values)} values for {rows} rows", "return one value for each row")
    if isinstance(values, list):
        return _plain(name, values, numpy)
    return values[:, 0] if values.ndim == 2 and values.shape[1] == 1 else values


def _plain(name: str, values: List[Any], numpy: Any) -> Any:
    simple = (bool, int, float, str, type(None))
    if values and all(isinstance(value, (list, tuple)) for value in values):
        try:
            found = None if numpy is None else numpy.asarray(values)
        except ValueError:  # ragged
            found = None
        if found is not None and found.dtype.kind == "O" and found.ndim > 1:
            raise WrongCall(f"output {name!r} holds lists with missing or mixed values", "return numbers only")
        if found is None or found.dtype.kind == "O":
            raise WrongCall(
                f"output {name!r} has lists of different lengths", "return tensors of one shape for all rows"
            )
        return found
    wrong = next((value for value in values if not isinstance(value, simple)), None)
    if wrong is not None:
        kind = type(wrong).__name__
        raise WrongCall(
            f"output {name!r} holds a value of type {kind}", "return numbers, texts, true or false for each row"
        )
    if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in values):
        raise WrongCall(f"output {name!r} holds a whole number of more than 64 bits", "return a float or a text")
    return values


__all__ = ["Answering", "BadInput", "OfClass", "OfFunction", "ServingContext", "as_columns", "load"]
