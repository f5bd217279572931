"""Texts with ``{{ expression }}``: a field of the event, what lies in one, or an SQL expression over them."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean
from mlbox.serve.codec import to_json
from mlbox.serve.graph.base import Scope
from mlbox.serve.graph.definition import StepSpec
from mlbox.serve.graph.expressions import evaluate, inside

_PART = re.compile(r"\{\{(.*?)\}\}", re.DOTALL)
_PATH = re.compile(r"[A-Za-z_]\w*(\.[A-Za-z_]\w*)*")

Value = Callable[[Mapping[str, Any]], Any]
"""The fields of an event → a value."""


def template(spec: StepSpec, scope: Scope, given: Any) -> Value:
    """``given``, in whose texts (and those in its lists and mappings) the parts are filled in. A text that is one part
    and nothing else is the value itself, whatever it is. Raises ``Invalid`` at the step's place."""
    if isinstance(given, Mapping):
        values = {str(key): template(spec, scope, value) for key, value in given.items()}
        return lambda fields: {key: value(fields) for key, value in values.items()}
    if isinstance(given, list):
        entries = [template(spec, scope, value) for value in given]
        return lambda fields: [value(fields) for value in entries]
    if not isinstance(given, str):
        return lambda _: given
    pieces = _PART.split(given)  # texts and expressions, by turns
    if any("{{" in piece or "}}" in piece for piece in pieces[::2]):
        raise spec.wrong(f"{given[:60]!r} has a {{{{ without its }}}}", "for example: 'Summarise: {{ text }}'")
    parts = [_value(spec, scope, piece.strip()) if index % 2 else piece for index, piece in enumerate(pieces)]
    if len(parts) == 3 and not parts[0] and not parts[2]:
        whole = parts[1]
        assert callable(whole)
        return whole
    return lambda fields: "".join(part if isinstance(part, str) else _text(part(fields)) for part in parts)


def _value(spec: StepSpec, scope: Scope, text: str) -> Value:
    if not text:
        raise spec.wrong("{{ }} is empty", "{{ text }} is the event's field text")
    if not _PATH.fullmatch(text):
        expressions = scope.expressions(spec, {"value": text})
        return lambda fields: evaluate(expressions, fields)["value"]
    way = text.lower().split(".")

    def value(fields: Mapping[str, Any]) -> Any:
        found = inside(fields, way)
        if found is None:
            hint = did_you_mean(text, fields) or f"it has {', '.join(map(str, fields)) or 'no fields'}"
            raise Invalid(f"step {spec.name!r}: the event has no {text!r}", hint=hint)
        return found[0]

    return value


def _text(value: Any) -> str:
    if isinstance(value, str):
        return value
    return "" if value is None else to_json(value).decode()
