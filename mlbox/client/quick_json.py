"""JSON by the functions in C that ``json`` itself uses: to load that module takes half as long as to start an
interpreter, and every run reads what it is to do."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any


class _Plain:
    """How ``json.loads`` reads without arguments."""

    strict = True
    object_hook = None
    object_pairs_hook = None
    parse_float = float
    parse_int = int

    @staticmethod
    def parse_constant(name: str) -> float:
        """``NaN``, ``Infinity``, ``-Infinity``."""
        return float(name)


def loads(text: str) -> Any:
    """The value of a JSON text. ``ValueError``."""
    try:
        from _json import make_scanner

        body = text.strip(" \t\n\r")
        value, end = make_scanner(_Plain)(body, 0)  # type: ignore[arg-type]
        if end == len(body):
            return value
    except (ImportError, TypeError, AttributeError, StopIteration, ValueError):
        pass  # another Python, or no JSON: then it tells what is wrong
    import json

    return json.loads(text)


def dumps(value: Any) -> str:
    """JSON without blanks; what it has no kind for, as text."""
    try:
        from _json import encode_basestring_ascii, make_encoder

        encode = make_encoder(None, str, encode_basestring_ascii, None, ":", ",", False, False, True)
        return "".join(encode(value, 0))
    except (ImportError, TypeError, AttributeError):
        import json

        return json.dumps(value, default=str, separators=(",", ":"), check_circular=False)
