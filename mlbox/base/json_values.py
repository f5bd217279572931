"""Values as JSON has them; the same for every door."""

from __future__ import annotations

import base64
import math
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from typing import Any


def json_value(item: Any) -> Any:
    """One value as JSON has it: ISO 8601 times in UTC with Z, NaN and infinities as null, bytes in base 64."""
    match item:
        case float():
            return item if math.isfinite(item) else None
        case None | bool() | int() | str():
            return item
        case datetime():
            return item.isoformat().replace("+00:00", "Z")
        case date() | time():
            return item.isoformat()
        case timedelta():
            return item.total_seconds()
        case Decimal():
            return int(item) if item.as_tuple().exponent == 0 else float(item)  # HUGEINT comes as a decimal
        case bytes():
            return base64.b64encode(item).decode()
        case dict():
            return {str(key): json_value(inner) for key, inner in item.items()}
        case list() | tuple():
            if item and all(isinstance(pair, tuple) and len(pair) == 2 for pair in item):
                return {str(key): json_value(inner) for key, inner in item}  # a MAP
            return [json_value(inner) for inner in item]
        case _:
            return str(item)
