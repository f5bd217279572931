"""``WITH (..)`` of a function as the options of an executor: names and kinds are those of a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, fields
from typing import Any, TypeVar

from mlbox.base.errors import Invalid
from mlbox.base.placed import about
from mlbox.base.suggest import nearest

T = TypeVar("T")

_ELSEWHERE = {
    "returns": "RETURNS is a clause of RUN: RUN f RETURNS ('auc:metric')",
    "labels": "LABELS is a clause of RUN: RUN f LABELS (team = 'risk')",
    "parameters": "parameters are given to RUN: RUN f WITH (lr = 0.1)",
    **{
        name: f"{name.upper()} is a clause of its own: {example}"
        for name, example in {
            "handler": "HANDLER train",
            "runtime": "RUNTIME docker",
            "image": "IMAGE 'python:3.12'",
            "requirements": "REQUIREMENTS ('scikit-learn')",
            "resources": "RESOURCES (cpu = 2, memory = '4GB')",
            "env": "ENV (MODE = 'fast')",
            "secrets": "SECRETS (API_KEY)",
            "retry": "RETRY 3",
            "backoff": "BACKOFF INTERVAL 5 SECONDS",
            "timeout": "TIMEOUT INTERVAL 10 MINUTES",
            "comment": "COMMENT 'text'",
        }.items()
    },
    **{name: f"write RESOURCES ({name} = ..)" for name in ("cpu", "memory", "gpu")},
}
"""Where something is said that is no option."""


@dataclass(frozen=True, slots=True, kw_only=True)
class NoOptions:
    """Of an executor that takes none."""

    @classmethod
    def read(cls, options: Mapping[str, Any]) -> NoOptions:
        """Raises ``Invalid`` when there are any."""
        return read_options(cls, "this runtime", options)


LIMITS = ("wait_timeout", "prepare_timeout")
"""Options of every runtime: the longest time that a run waits for its turn, and that its environment or image is built.
The time that it runs is ``TIMEOUT``."""


def of_executor(given: Mapping[str, Any]) -> dict[str, Any]:
    """What is said to the executor."""
    return {name: value for name, value in given.items() if name.lower() not in LIMITS}


def limits(given: Mapping[str, Any]) -> dict[str, float]:
    """``wait_timeout`` and ``prepare_timeout`` in seconds, where they are given; ``Invalid`` for what is no time."""
    found: dict[str, float] = {}
    for name, value in given.items():
        if name.lower() in LIMITS:
            if isinstance(value, bool) or not isinstance(value, int | float) or value <= 0:
                hint = f"WITH ({name} = INTERVAL '10 minutes')"
                raise Invalid(f"option {name} is an interval longer than nothing, not {value!r}", hint=hint).of_option(
                    name
                )
            found[name.lower()] = float(value)
    return found


def unused(executor: object, given: Mapping[str, Any]) -> list[str]:
    """Options that an executor does not have: a function's are those of its own runtime, and it may run elsewhere."""
    reader = getattr(executor, "options", NoOptions)
    known = {entry.name for entry in fields(reader)}
    return [name for name in of_executor(given) if name.lower() not in known]


def used(executor: object, given: Mapping[str, Any]) -> dict[str, Any]:
    """Options that are said to this executor."""
    left_out = unused(executor, given)
    return {name: value for name, value in of_executor(given).items() if name not in left_out}


def check_options(executor: object, name: str, given: Mapping[str, Any]) -> None:
    """Raise ``Invalid`` for options that the class of an executor does not take; ``name`` is that of the runtime."""
    limits(given)
    reader = getattr(executor, "options", None)
    if reader is None:
        read_options(NoOptions, name, of_executor(given))
    else:
        reader.read(of_executor(given))


def read_options(kind: type[T], executor: str, given: Mapping[str, Any]) -> T:
    """An instance of the dataclass ``kind``, whose defaults say what each option is. ``Invalid`` for what it does not
    know and for values of another kind."""
    known = {
        entry.name: entry.default_factory() if entry.default_factory is not MISSING else entry.default
        for entry in fields(kind)  # type: ignore[arg-type]
    }
    values: dict[str, Any] = {}
    for name, value in given.items():
        key = name.lower()
        if key not in known:
            raise Invalid(f"runs on {executor} have no option {name!r}", hint=_hint(key, known)).of_option(name)
        with about(name):
            values[key] = _typed(key, value, known[key])
    return kind(**values)


def _hint(name: str, known: Mapping[str, Any]) -> str:
    """The nearest, and all of them."""
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    names = sorted((*known, *LIMITS))
    close = nearest(name, names)
    listed = f"known: {', '.join(names)}"
    return f"did you mean {' or '.join(close)}? {listed}" if close else listed


def _typed(name: str, value: Any, default: Any) -> Any:
    if isinstance(default, tuple):
        values = [value] if isinstance(value, str | Mapping) else value
        if not isinstance(values, list | tuple) or not all(isinstance(entry, str | Mapping) for entry in values):
            raise Invalid(f"option {name} is a list of texts, not {value!r}", hint=f"WITH ({name} = ['..', '..'])")
        return tuple(values)
    if isinstance(default, Mapping):
        if not isinstance(value, Mapping):
            raise Invalid(f"option {name} has names and values, not {value!r}", hint=f"WITH ({name} = {{'a': 'b'}})")
        return dict(value)
    if isinstance(default, bool):
        if not isinstance(value, bool):
            raise Invalid(f"option {name} is true or false, not {value!r}")
        return value
    if isinstance(value, bool) or not isinstance(value, str | int):
        raise Invalid(f"option {name} is a text, not {value!r}")
    return str(value)
