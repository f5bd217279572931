"""``WITH (..)`` of a function as the options of an executor: names and kinds are those of a dataclass."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, fields
from typing import Any, TypeVar

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean

T = TypeVar("T")


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
            raise Invalid(f"runs on {executor} have no option {name!r}", hint=did_you_mean(key, known))
        values[key] = _typed(key, value, known[key])
    return kind(**values)


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
