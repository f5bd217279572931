"""What a function of ``ml`` is. A new one is one file of this package.

A table function writes SQL when the statement is bound, so that DuckDB's optimizer sees the whole plan: its macro is
``FROM query(_ml_<name>(…))``, and ``write`` is behind ``_ml_<name>``. The macros pass the session's key, with which the
functions find project and caller.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from itertools import count
from threading import Lock
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref, check_name
from mlbox.base.registry import Registry
from mlbox.engine.security.definitions import path_of
from mlbox.engine.security.fence import unseen

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.service import Features
    from mlbox.engine.models.service import Models
    from mlbox.engine.search.service import Collections
    from mlbox.engine.security.fence import Fence
    from mlbox.serve.service import Endpoints

_KEPT = 256
_NUMBERS = count(1)
SESSION = "coalesce(getvariable('mlbox_session'), '')"


@dataclass(frozen=True, slots=True)
class Argument:
    """An argument: ``default`` is SQL and makes it optional; ``passed`` is how the macro hands it on."""

    name: str
    type: str
    doc: str
    default: str = ""
    passed: str = ""


@dataclass(frozen=True, slots=True)
class Column:
    """A column of the result."""

    name: str
    type: str
    doc: str
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What functions work with, and what a call means in its session."""

    catalog: Catalog
    features: Features
    models: Models
    collections: Collections
    fence: Fence
    endpoints: Endpoints
    _kept: OrderedDict[int, Any] = field(default_factory=OrderedDict)
    _lock: Lock = field(default_factory=Lock)

    def keep(self, thing: Any) -> int:
        """A number under which a statement finds ``thing`` while it runs; the same for the same thing."""
        with self._lock:
            number = next((number for number, known in self._kept.items() if known == thing), None)
            if number is None:
                number = next(_NUMBERS)
                self._kept[number] = thing
                while len(self._kept) > _KEPT:
                    self._kept.popitem(last=False)
            self._kept.move_to_end(number)  # the one that goes first is the one that no statement has asked for since
            return number

    def kept(self, number: int) -> Any:
        """What was kept under a number, or nothing."""
        return self._kept.get(number)

    def project(self, session: str) -> str:
        """Where names without a project are looked up."""
        return self.catalog.session_of(session)[0]

    def check(self, session: str, *, ref: str = "", table: str = "") -> None:
        """For functions that look names up by themselves: what a member may not see is refused."""
        if self.catalog.session_of(session)[1] is None:
            return
        if ref:
            self.ref(ref, session)
        if table:
            self.relation(table, session)

    def check_sight(self, project: str, session: str) -> None:
        """Raise ``Forbidden`` unless the session's user may see ``project``."""
        access = self.catalog.session_of(session)[1]
        if access is not None and not access.sees(project):
            raise unseen(project)

    def ref(self, text: str, session: str) -> Ref:
        """The object that is meant: ``[project.]name[@version]``."""
        name, _, version = text.partition("@")
        head, dot, tail = name.partition(".")
        ref = Ref(head if dot else self.project(session), check_name(tail if dot else head), version or None)
        self.check_sight(ref.project, session)
        return ref

    def relation(self, name: str, session: str) -> str:
        """A table, view or CTE given as text, quoted part by part; anything else than a name is refused."""
        parts = re.fullmatch(r'\s*((?:"[^"]+"|\w+)(?:\s*\.\s*(?:"[^"]+"|\w+)){0,2})\s*', name)
        if not parts:
            raise Invalid(
                f"{name!r} is not the name of a table, view or CTE",
                hint="put the query into a CTE: WITH t AS (SELECT …) FROM ml.summary('t')",
            )
        project, access = self.catalog.session_of(session)
        if access is not None:  # the fence saw it as a text only
            self.fence.check_table(path_of(name), project, access)
        # always in quotes: a name may be a word that means something after FROM
        return ".".join(f'"{part.strip(chr(34))}"' for part in re.findall(r'"[^"]+"|\w+', parts[1]))


@dataclass(frozen=True, slots=True)
class TableFunction:
    """``FROM ml.name(…)``. ``write(asked, argument, …, session)`` gives SQL; arguments come as text."""

    name: str
    summary: str
    arguments: tuple[Argument, ...]
    columns: tuple[Column, ...]
    example: str
    write: Callable[..., str]
    more: str = ""
    """What else a reader must know: methods, formulas, limits."""
    public: bool = True
    """Whether the reference has it as a function of its own."""

    @property
    def call(self) -> str:
        """How it is written."""
        return f"FROM ml.{self.name}({', '.join(map(_shown, self.arguments))})"

    @property
    def registered(self) -> str:
        """The name of the function behind the macro."""
        return f"_ml_{self.name}_sql"

    @property
    def macro(self) -> str:
        """What stands behind CREATE MACRO catalog.ml."""
        taken = ", ".join(f"{a.name} := {a.default}" if a.default else a.name for a in self.arguments)
        passed = ", ".join([*(a.passed or a.name for a in self.arguments), SESSION])
        return f'"{self.name}"({taken}) AS TABLE FROM query({self.registered}({passed}))'


@dataclass(frozen=True, slots=True)
class RowFunction:
    """``SELECT ml.name(first, row) FROM t``.

    ``prepare(asked, first, session)`` is called once, when the statement is bound, and gives a number for what is kept
    (:meth:`Asked.keep`); ``compute(asked, numbers, rows)`` takes and gives Arrow arrays of a batch.
    """

    name: str
    summary: str
    arguments: tuple[Argument, ...]
    columns: tuple[Column, ...]
    example: str
    compute: Callable[..., object]
    prepare: Callable[..., int] | None = None
    more: str = ""
    public: bool = True
    """Without it there is no macro: only SQL that mlbox writes calls it."""

    @property
    def call(self) -> str:
        """How it is written."""
        return f"ml.{self.name}({', '.join(map(_shown, self.arguments))})"

    @property
    def registered(self) -> str:
        """The name of the function behind the macro."""
        return f"_ml_{self.name}"

    @property
    def macro(self) -> str:
        """What stands behind CREATE MACRO catalog.ml."""
        first, row = (a.name for a in self.arguments)
        return f"{self.name}({first}, {row}) AS {self.registered}({self.registered}_of({first}, {SESSION}), {row})"


def _shown(argument: Argument) -> str:
    text = f"{argument.name} {argument.type}"
    return f"{argument.name} := {argument.default}" if argument.default else text


FUNCTIONS: Registry[TableFunction | RowFunction] = Registry("function of ml", "mlbox.sql.functions")
