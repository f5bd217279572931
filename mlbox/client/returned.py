"""What a handler returns is kept: by the hints of ``returns``, else by its type.

A hint is ``name`` or ``name:kind``; the kinds are those of :data:`KINDS`.
"""

from __future__ import annotations

import sys
from typing import Any, Callable, Dict, List, Mapping, NamedTuple, Optional, Sequence, TypeVar

from mlbox.client.conversion import is_fitted_model
from mlbox.client.failures import WrongCall, nearest

F = TypeVar("F", bound=Callable[..., Any])
ATTRIBUTE = "__mlbox_returns__"


class Hint(NamedTuple):
    """How one returned value is to be kept; without a kind its type decides."""

    name: str
    kind: Optional[str]


KINDS: Dict[str, Callable[[Any, str, Any], Any]] = {
    "metric": lambda context, name, value: context.log_metric(name, value),
    "metrics": lambda context, name, value: context.log_metrics(value),
    "param": lambda context, name, value: context.log_param(name, value),
    "tag": lambda context, name, value: context.log_tag(name, value),
    "model": lambda context, name, value: context.log_model(name, value),
    "dataset": lambda context, name, value: context.log_dataset(name, value),
    "table": lambda context, name, value: context.log_table(name, value),
    "plot": lambda context, name, value: context.log_plot(name, value),
    "artifact": lambda context, name, value: context.log_artifact(name, value),
    "file": lambda context, name, value: context.log_artifact(name, value),
    "document": lambda context, name, value: context.log_artifact(name, value),
}


def returns(*hints: str) -> Callable[[F], F]:
    """Say how the values that a handler returns are kept: ``@mlbox.returns("model:model", "auc:metric")``."""
    parse(hints)

    def mark(function: F) -> F:
        setattr(function, ATTRIBUTE, tuple(hints))
        return function

    return mark


def parse(hints: Sequence[str]) -> List[Hint]:
    """Hints as they are written; ``WrongCall`` for a kind that there is not."""
    found = []
    for hint in hints:
        name, _, kind = str(hint).partition(":")
        if kind and kind not in KINDS:
            raise WrongCall(f"there is no kind {kind!r} to keep {name!r} as", nearest(kind, KINDS))
        found.append(Hint(name, kind or None))
    return found


def keep(context: Any, handler: str, value: Any, hints: Sequence[str]) -> None:
    """Keep what ``handler`` returned. Raises ``WrongCall`` when the hints do not fit."""
    if value is None:
        if hints:
            raise WrongCall(f"{handler} returned nothing, and {', '.join(hints)} was announced")
        return
    parsed = parse(hints)
    if not parsed:
        _by_type(context, "result", value)
        return
    values = list(value) if isinstance(value, (tuple, list)) and len(parsed) > 1 else [value]
    if isinstance(value, Mapping) and len(parsed) > 1:
        missing = [hint.name for hint in parsed if hint.name not in value]
        if missing:
            raise WrongCall(f"{handler} returned no {missing[0]!r}", nearest(missing[0], list(value)))
        values = [value[hint.name] for hint in parsed]
    if len(values) != len(parsed):
        raise WrongCall(
            f"{handler} returned {len(values)} values, and {len(parsed)} were announced: {', '.join(hints)}"
        )
    for hint, entry in zip(parsed, values):
        if hint.kind is None:
            _by_type(context, hint.name, entry)
            continue
        try:
            KINDS[hint.kind](context, hint.name, entry)
        except (AttributeError, TypeError):
            raise WrongCall(
                f"{handler} returned a {type(entry).__name__} as {hint.name!r}: it is no {hint.kind}"
            ) from None


def _by_type(context: Any, name: str, value: Any) -> None:
    if isinstance(value, Mapping) and value and all(_is_number(entry) for entry in value.values()):
        context.log_metrics({str(key): entry for key, entry in value.items()})
    elif isinstance(value, (tuple, list)) and value and not all(_is_scalar(entry) for entry in value):
        for index, entry in enumerate(value):
            _by_type(context, f"{name}_{index}", entry)
    elif _is_number(value):
        context.log_metric(name, value)
    elif is_fitted_model(value) or hasattr(value, "SerializeToString"):
        context.log_model(name if name != "result" else "model", value)
    elif hasattr(value, "savefig") or hasattr(value, "to_plotly_json"):
        context.log_plot(name, value)
    elif hasattr(value, "columns") or hasattr(value, "column_names") or len(getattr(value, "shape", ())) == 2:
        context.log_dataset(name, value)
    elif isinstance(value, (dict, list, tuple, bytes, bytearray)):
        context.log_artifact(name, list(value) if isinstance(value, tuple) else value)
    elif isinstance(value, str):
        context.log_artifact(name, {"value": value})
    else:  # hours of work are not thrown away for it
        kind = type(value).__name__
        print(f"mlbox: a {kind} was returned, which is not kept; log it with ctx.log_artifact", file=sys.stderr)


def _is_number(value: Any) -> bool:
    plain = not isinstance(value, (str, bytes, bool))
    return plain and hasattr(value, "__float__") and getattr(value, "shape", ()) == ()


def _is_scalar(value: Any) -> bool:
    return value is None or isinstance(value, (bool, int, float, str))
