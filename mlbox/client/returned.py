"""What a handler returns is kept: by the hints of ``returns`` (:mod:`mlbox.client.hints`), else by its type."""

from __future__ import annotations

import json
import os
import sys
from typing import Any, Callable, Dict, Iterator, List, Mapping, Sequence, Tuple, TypeVar

from mlbox.client import packagers
from mlbox.client.artifacts import is_figure
from mlbox.client.conversion import is_fitted_model
from mlbox.client.failures import MlboxClientError, WrongCall, nearest
from mlbox.client.hints import Hint, parse
from mlbox.client.packing import are_plain, has_arrays, is_array

F = TypeVar("F", bound=Callable[..., Any])
ATTRIBUTE = "__mlbox_returns__"

_LOGGED: Dict[str, Callable[[Any, str, Any], Any]] = {
    "metric": lambda context, name, value: context.log_metric(name, value),
    "metrics": lambda context, name, value: context.log_metrics(value),
    "param": lambda context, name, value: context.log_param(name, value),
    "tag": lambda context, name, value: context.log_tag(name, value),
    "model": lambda context, name, value: context.log_model(name, value),
}
"""Kinds that are no artifacts, and models. All else goes to ``log_artifact``."""


def returns(*hints: str) -> Callable[[F], F]:
    """Say how the values that a handler returns are kept: ``@mlbox.returns("model:model", "auc:metric")``. A hint is
    ``name``, ``name:kind`` or ``name:kind:format``; ``*name`` keeps each element of a list as ``name_0``, ``name_1``,
    .., ``**name`` each entry of a dictionary as ``name_key``, and ``**`` under its key alone."""
    known = [str(hint) for hint in hints]
    parse(known, packagers.hints())

    def mark(function: F) -> F:
        setattr(function, ATTRIBUTE, tuple(known))
        return function

    return mark


def check(hints: Sequence[str]) -> None:
    """Raise ``WrongCall`` for hints that cannot be followed, before hours of work are done for them."""
    parse(hints, packagers.hints())


def keep(context: Any, handler: str, value: Any, hints: Sequence[str]) -> None:
    """Keep what ``handler`` returned. Raises ``WrongCall`` when the hints do not fit."""
    if value is None:
        if hints:
            raise WrongCall(f"{handler} returned nothing, and {', '.join(hints)} was announced")
        return
    parsed = parse(hints, packagers.hints())
    if not parsed:
        _by_type(context, "result", value)
        return
    for hint, entry in zip(parsed, _values(handler, value, parsed)):
        for name, part in _unbundled(handler, hint, entry):
            _keep(context, handler, hint._replace(name=name), part)


def _values(handler: str, value: Any, parsed: List[Hint]) -> List[Any]:
    """One value for each hint."""
    several = len(parsed) > 1
    values = list(value) if isinstance(value, (tuple, list)) and several else [value]
    if isinstance(value, Mapping) and several:
        missing = [hint.name for hint in parsed if hint.name not in value]
        if missing:
            raise WrongCall(f"{handler} returned no {missing[0]!r}", nearest(missing[0], list(value)))
        values = [value[hint.name] for hint in parsed]
    if len(values) != len(parsed):
        told = ", ".join(hint.bundle + hint.name for hint in parsed)
        raise WrongCall(f"{handler} returned {len(values)} values, and {len(parsed)} were announced: {told}")
    return values


def _unbundled(handler: str, hint: Hint, value: Any) -> Iterator[Tuple[str, Any]]:
    """Names and values of a bundle, else the one."""
    if not hint.bundle:
        yield hint.name, value
    elif hint.bundle == "**":
        if not isinstance(value, Mapping):
            raise WrongCall(f"{handler} returned a {type(value).__name__} as **{hint.name}: it is no dictionary")
        for key, entry in value.items():
            yield f"{hint.name}_{key}" if hint.name else str(key), entry
    else:
        if isinstance(value, (str, bytes, Mapping)) or not hasattr(value, "__iter__"):
            raise WrongCall(f"{handler} returned a {type(value).__name__} as *{hint.name}: it is no list")
        for index, entry in enumerate(value):
            yield f"{hint.name}_{index}", entry


def _keep(context: Any, handler: str, hint: Hint, value: Any) -> None:
    if hint.kind is None:
        _by_type(context, hint.name, value)
        return
    try:
        if hint.kind in _LOGGED:
            _LOGGED[hint.kind](context, hint.name, value)
        else:
            context.log_artifact(hint.name, value, hint.kind, hint.format)
    except (AttributeError, TypeError):
        raise WrongCall(f"{handler} returned a {type(value).__name__} as {hint.name!r}: it is no {hint.kind}") from None


def _by_type(context: Any, name: str, value: Any) -> None:
    if packagers.of_type(type(value)) is not None:
        context.log_artifact(name, value)
    elif isinstance(value, Mapping) and value and all(_is_number(entry) for entry in value.values()):
        context.log_metrics({str(key): entry for key, entry in value.items()})
    elif has_arrays(value) or (is_array(value) and value.ndim != 2):
        context.log_artifact(name, value)
    elif isinstance(value, (tuple, list)) and value and not _is_plain(value):
        for index, entry in enumerate(value):
            _by_type(context, f"{name}_{index}", entry)
    elif _is_number(value):
        context.log_metric(name, value)
    elif is_fitted_model(value) or hasattr(value, "SerializeToString"):
        context.log_model(name if name != "result" else "model", value)
    elif is_figure(value):
        context.log_plot(name, value)
    elif _is_table(value):
        context.log_dataset(name, value)
    elif value is None or isinstance(value, (bool, str)):
        context.log_artifact(name, value, "document", "json")
    elif isinstance(value, (set, frozenset)) and not are_plain(value):
        _as_object(context, name, value)
    elif isinstance(value, (dict, list, tuple, set, frozenset, bytes, bytearray, os.PathLike)):
        context.log_artifact(name, value)
    else:
        _as_object(context, name, value)


def _as_object(context: Any, name: str, value: Any) -> None:
    """Any object, as it is. Hours of work are not thrown away for one that cannot be kept."""
    kind = packagers.full_name(type(value))
    try:
        context.log_artifact(name, value, "object")
    except MlboxClientError as error:
        print(f"mlbox: a {kind} was returned, which is not kept: {error}; see mlbox.packager", file=sys.stderr)
        return
    print(
        f"mlbox: {name!r}, a {kind}, is kept as a pickle, which only the same Python and packages read, and which runs "
        "code when it is read; mlbox.packager keeps it otherwise",
        file=sys.stderr,
    )


def _is_table(value: Any) -> bool:
    rows = hasattr(value, "columns") or hasattr(value, "column_names") or len(getattr(value, "shape", ())) == 2
    return rows or (hasattr(value, "to_frame") and hasattr(value, "dtype"))


def _is_number(value: Any) -> bool:
    plain = not isinstance(value, (str, bytes, bool))
    return plain and hasattr(value, "__float__") and getattr(value, "shape", ()) == ()


def _is_plain(value: Any) -> bool:
    """Whether JSON can say it as it is."""
    try:
        json.dumps(value)
    except (TypeError, ValueError):
        return False
    return isinstance(value, list) or not any(isinstance(entry, (dict, list, tuple)) for entry in value)
