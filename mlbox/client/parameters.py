"""Python values as parameters of a statement, which travel as JSON."""

from __future__ import annotations

import re
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any, Dict, List, Mapping, Sequence, Set, Union
from uuid import UUID

from mlbox.client.failures import MlboxClientError

Given = Union[Mapping[str, Any], Sequence[Any], None]

_PIECES = re.compile(
    r"""
      '(?:[^']|'')*' | "(?:[^"]|"")*"          # a string, a quoted name
    | --[^\n]* | /\*.*?\*/                     # comments
    | \$(?P<tag>\w*)\$.*?\$(?P=tag)\$          # a dollar-quoted string
    | \$(?P<name>[A-Za-z_]\w*)
    """,
    re.VERBOSE | re.DOTALL,
)


def names_in(text: str) -> Set[str]:
    """The names of the ``$name`` in a statement, outside of strings and comments."""
    return {match["name"] for match in _PIECES.finditer(text) if match["name"]}


def as_json(parameters: Union[Mapping[str, Any], Sequence[Any]]) -> Union[Dict[str, Any], List[Any]]:
    """The parameters with values of JSON. Raises ``MlboxClientError`` for a value that cannot be sent."""
    if isinstance(parameters, Mapping):
        return {str(name).lstrip("$"): _plain(value, f"${str(name).lstrip('$')}") for name, value in parameters.items()}
    if isinstance(parameters, (str, bytes)) or not isinstance(parameters, Sequence):
        hint = "[value, ..] fills each ?, {'name': value} fills $name"
        raise MlboxClientError("parameters are a list or a mapping", hint, "invalid")
    return [_plain(value, f"parameter {number}") for number, value in enumerate(parameters, 1)]


def _plain(value: Any, what: str) -> Any:
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        if value != value or value in (float("inf"), float("-inf")):
            raise MlboxClientError(f"{what} is {value}, which cannot be sent", "write 'NaN'::DOUBLE in the statement")
        return value
    if isinstance(value, (datetime, date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return f"{value.total_seconds()} seconds"
    if isinstance(value, (Decimal, UUID)):
        return str(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item, f"{what}.{key}") for key, item in value.items()}
    if isinstance(value, (list, tuple, set, frozenset)):
        return [_plain(item, f"{what}[{number}]") for number, item in enumerate(value)]
    for method in ("item", "tolist"):  # a number or an array of numpy
        convert = getattr(value, method, None)
        if callable(convert) and (method == "tolist" or getattr(value, "shape", None) == ()):
            return _plain(convert(), what)
    kind = f"{type(value).__module__}.{type(value).__name__}"
    hint = "numbers, texts, booleans, times, lists and dictionaries can be sent"
    raise MlboxClientError(f"{what} is a {kind}, which cannot be sent", hint, "invalid")
