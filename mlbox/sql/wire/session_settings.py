"""Settings of a connection that PostgreSQL's clients ask for and set: answered here, nothing of DuckDB changes."""

from __future__ import annotations

import re

from mlbox.base.errors import Invalid, NotFound
from mlbox.base.suggest import did_you_mean

SERVER_VERSION = "14.0"
"""The version of PostgreSQL whose catalog we show; clients choose their queries by it."""

_DEFAULTS = {
    "application_name": "",
    "bytea_output": "hex",
    "client_encoding": "UTF8",
    "client_min_messages": "notice",
    "DateStyle": "ISO, MDY",
    "default_transaction_deferrable": "off",
    "default_transaction_isolation": "read committed",
    "default_transaction_read_only": "off",
    "extra_float_digits": "1",
    "idle_in_transaction_session_timeout": "0",
    "in_hot_standby": "off",
    "integer_datetimes": "on",
    "IntervalStyle": "postgres",
    "is_superuser": "off",
    "jit": "off",
    "lc_collate": "C",
    "lc_ctype": "C",
    "lc_messages": "C",
    "lc_monetary": "C",
    "lc_numeric": "C",
    "lc_time": "C",
    "lock_timeout": "0",
    "max_identifier_length": "63",
    "max_index_keys": "32",
    "password_encryption": "scram-sha-256",
    "row_security": "on",
    "search_path": "",
    "server_encoding": "UTF8",
    "server_version": SERVER_VERSION,
    "server_version_num": "140000",
    "session_authorization": "",
    "standard_conforming_strings": "on",
    "statement_timeout": "0",
    "synchronous_commit": "on",
    "TimeZone": "UTC",
    "transaction_isolation": "read committed",
    "transaction_read_only": "off",
    "work_mem": "4MB",
    "xmloption": "content",
}
REPORTED = (
    "application_name",
    "client_encoding",
    "DateStyle",
    "default_transaction_read_only",
    "in_hot_standby",
    "integer_datetimes",
    "IntervalStyle",
    "is_superuser",
    "server_encoding",
    "server_version",
    "session_authorization",
    "standard_conforming_strings",
    "TimeZone",
)
"""Those that ParameterStatus tells, at the start and when they change."""
_FIXED = frozenset(
    "in_hot_standby integer_datetimes is_superuser lc_collate lc_ctype max_identifier_length max_index_keys "
    "server_encoding server_version server_version_num session_authorization".split()
)
_NAMES = {name.lower(): name for name in _DEFAULTS}
_UNITS = {"us": 0.001, "ms": 1, "s": 1000, "min": 60_000, "h": 3_600_000, "d": 86_400_000, "": 1}


class SessionSettings:
    """The settings of one connection."""

    def __init__(self, **fixed: str) -> None:
        self._initial = {**_DEFAULTS, **fixed}
        self._values = dict(self._initial)

    @staticmethod
    def knows(name: str) -> bool:
        """Whether ``name`` is a setting of PostgreSQL that is answered here; a name with a dot is somebody's own."""
        return name.lower() in _NAMES or "." in name

    def get(self, name: str) -> str:
        """The value; raises ``NotFound``."""
        known = _NAMES.get(name.lower(), name.lower())
        if known not in self._values:
            raise NotFound(f"unrecognized configuration parameter {name!r}", hint=did_you_mean(name, self._values))
        return self._values[known]

    def set(self, name: str, value: str | None) -> str | None:
        """Set, or with None back to the value at the start; returns the name when the client is to be told."""
        known = _NAMES.get(name.lower(), name.lower())
        if known not in self._initial and "." not in known:
            raise NotFound(f"unrecognized configuration parameter {name!r}", hint=did_you_mean(name, self._values))
        if value is None:
            if known in self._initial:
                self._values[known] = self._initial[known]
            else:
                self._values.pop(known, None)
        elif known in _FIXED:
            if value != self._values[known]:
                raise Invalid(f"setting {known} cannot be changed")
        else:
            self._values[known] = _checked(known, value)
        return known if known in REPORTED else None

    def start_with(self, name: str, value: str) -> None:
        """A setting of the StartupMessage: it is what RESET returns to. Unknown ones are left alone."""
        if self.knows(name):
            self.set(name, value)
            known = _NAMES.get(name.lower(), name.lower())
            self._initial[known] = self._values[known]

    def reset(self) -> list[str]:
        """All back to the start; the names that are reported."""
        self._values = dict(self._initial)
        return list(REPORTED)

    def all(self) -> list[tuple[str, str]]:
        """By name."""
        return sorted(self._values.items(), key=lambda item: item[0].lower())

    @property
    def timeout(self) -> float | None:
        """``statement_timeout`` in seconds."""
        milliseconds = float(self._values["statement_timeout"])
        return milliseconds / 1000 if milliseconds > 0 else None

    @property
    def zone(self) -> str:
        """What times with a zone are shown in."""
        return self._values["TimeZone"]


def _checked(name: str, value: str) -> str:
    if name == "client_encoding":
        if value.strip("'\"").replace("-", "").replace("_", "").upper() not in ("UTF8", "UNICODE"):
            raise Invalid(f"client_encoding {value!r} is not offered", hint="mlbox speaks UTF8")
        return "UTF8"
    if name == "TimeZone":
        return _zone(value)
    if name in ("statement_timeout", "lock_timeout", "idle_in_transaction_session_timeout"):
        return _milliseconds(name, value)
    if name == "DateStyle":
        if not value.upper().startswith("ISO"):
            raise Invalid(f"DateStyle {value!r} is not offered", hint="mlbox writes dates as ISO 8601")
        return value if "," in value else "ISO, MDY"
    if name == "IntervalStyle" and value.lower() != "postgres":
        raise Invalid(f"IntervalStyle {value!r} is not offered", hint="mlbox writes intervals in the style postgres")
    if name == "bytea_output" and value.lower() != "hex":
        raise Invalid(f"bytea_output {value!r} is not offered", hint="mlbox writes bytes in hexadecimal")
    if name == "standard_conforming_strings" and value.lower() not in ("on", "true", "1"):
        raise Invalid("standard_conforming_strings is always on", hint="write E'…' for escapes")
    return value


def _zone(value: str) -> str:
    from zoneinfo import ZoneInfo

    offset = re.fullmatch(r"(?:GMT|UTC)?([+-]?)(\d{1,2})(?::?00)?", value)
    if offset and int(offset[2]) <= 14:  # ISO 8601: east of Greenwich is positive; the names of zones say the opposite
        hours = int(offset[2])
        return "UTC" if hours == 0 else f"Etc/GMT{'+' if offset[1] == '-' else '-'}{hours}"
    try:
        ZoneInfo(value)
    except (ValueError, OSError, LookupError):
        raise Invalid(f"there is no time zone {value!r}", hint="for example 'Europe/Berlin' or 'UTC'") from None
    return value


def _milliseconds(name: str, value: str) -> str:
    found = re.fullmatch(r"\s*(\d{1,9}(?:\.\d+)?)\s*(us|ms|s|min|h|d|)\s*", value)
    if not found:
        raise Invalid(f"{name} {value!r} is no duration", hint="milliseconds, or a number with a unit: '30s', '5min'")
    return f"{float(found[1]) * _UNITS[found[2]]:.0f}"
