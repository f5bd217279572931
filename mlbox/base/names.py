"""Names of objects and references to them."""

from __future__ import annotations

import re
from dataclasses import dataclass

from mlbox.base.errors import Invalid

DEFAULT_PROJECT = "default"

RESERVED_PROJECTS = frozenset({"ml", "main", "temp", "system", "catalog", "data", "pg_catalog", "information_schema"})
"""Words that name a database or a schema of ours or of DuckDB."""

RESERVED_COLUMNS = "_mlbox_"
"""How columns begin that are added to rows while they are read: no column of the user's may begin so."""

JSON_COLUMN = f"{RESERVED_COLUMNS}json"
"""The column of rows that come as JSON objects, as text."""

PART_COLUMN = f"{RESERVED_COLUMNS}part"
"""The column with the part of the stream that a row is from, where it has several."""

LATEST = "latest"
"""As a version: the highest number; what a name without ``@`` means too. No alias may be called so."""

_PLAIN = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,62}\Z")


@dataclass(frozen=True, slots=True)
class Ref:
    """An object of a project, with an optional version or alias: ``project.name@version``."""

    project: str
    name: str
    version: str | None = None

    def __str__(self) -> str:
        suffix = f"@{self.version}" if self.version is not None else ""
        return f"{self.project}.{self.name}{suffix}"

    def at(self, version: str | int | None) -> Ref:
        """The same object at another version or alias."""
        return Ref(self.project, self.name, None if version is None else str(version))


def check_name(name: str, kind: str = "name") -> str:
    """``name`` if it may name an object; quoted names may hold anything but ``@``, ``/`` and control characters."""
    if not name or len(name) > 63:
        raise Invalid(f"{kind} {name!r} must have 1 to 63 characters")
    if any(character in "@/\\" or ord(character) < 32 for character in name):
        raise Invalid(f"{kind} {name!r} may not hold '@', '/', '\\' or control characters")
    return name


def check_alias(alias: str) -> str:
    """``alias`` in lower case, if it may be one."""
    check_name(alias, "alias")
    if alias.isdigit() or alias.lower() == LATEST:
        raise Invalid(f"alias {alias!r} has a meaning already", hint="numbers are versions, latest is the newest one")
    return alias.lower()


def check_project(name: str) -> str:
    """``name`` if it may name a project: a plain word that is not reserved, folded to lower case."""
    if not _PLAIN.match(name):
        raise Invalid(
            f"project name {name!r} is not a plain word",
            hint="use letters, digits and _, starting with a letter, at most 63",
        )
    if name.lower() in RESERVED_PROJECTS:
        raise Invalid(f"project name {name!r} is reserved", hint="choose another word")
    return name.lower()


def quote(name: str) -> str:
    """``name`` as a quoted SQL identifier."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str) -> str:
    """``text`` as a SQL string literal."""
    return "'" + text.replace("'", "''") + "'"
