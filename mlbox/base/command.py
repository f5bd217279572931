"""What every door builds and the dispatcher carries out."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, ClassVar, Literal, Protocol

from mlbox.base.errors import Where

if TYPE_CHECKING:
    import pyarrow

Role = Literal["viewer", "editor", "admin"]
OWNER = "local"
"""The user who owns the home, and in whose name the house itself acts."""


@dataclass(frozen=True, kw_only=True)
class Command:
    """One thing to do, as an immutable value. ``role`` is the least role that may ask for it."""

    role: ClassVar[Role] = "editor"
    audited: ClassVar[bool] = True
    """Whether the audit has a row of each one that changes something."""
    audit_waits: ClassVar[bool] = False
    """Whether that row lets other writes go first: of what is asked for many times a second, by someone who goes on."""
    private: ClassVar[bool] = False
    """Whether credentials may stand in its text: it is not kept, and an error shows no line of it."""
    statement: ClassVar[str] = ""
    """The words that start the statement of this command, as the user knows it (``CREATE MODEL``)."""


@dataclass(frozen=True, slots=True)
class Query:
    """A piece of the user's SQL, verbatim, and where it starts in the text that it came from."""

    text: str
    offset: int = 0
    source: str = field(default="", compare=False, repr=False)
    """The whole text, so that an error inside ``text`` can point into what the user wrote."""
    replaced: tuple[tuple[int, int, int], ...] = field(default=(), compare=False, repr=False)
    """Where ``text`` has a parameter's value: its start, its length, the length of what the user wrote."""

    def where(self, position: int) -> Where:
        """The place of character ``position`` of this piece in the whole text."""
        if not self.source:
            return Where.at(self.text, position)
        place = self.offset + position
        for start, length, written in self.replaced:
            if position < start:
                break
            place += written - length if position >= start + length else start - position
        return Where.at(self.source, place)

    def within(self, before: str, after: str = "") -> Query:
        """The piece between other text, so that its places stay those of the user's text."""
        replaced = tuple((start + len(before), length, written) for start, length, written in self.replaced)
        return Query(before + self.text + after, self.offset - len(before), self.source, replaced)


@dataclass(frozen=True, slots=True)
class Caller:
    """On whose behalf a command runs, and in which project names without one are looked up."""

    user: str = OWNER
    project: str = "default"
    door: str = "sql"
    """sql, http, cli, scheduler, alert, workflow"""


@dataclass(frozen=True, slots=True)
class Step:
    """One line of a plan."""

    action: str
    """create, replace, read, write, execute, build, reuse, drop, move"""
    object: str
    detail: str = ""


@dataclass(frozen=True, slots=True)
class Plan:
    """What will be done. Making it checks everything that can be checked and changes nothing."""

    steps: tuple[Step, ...]
    resolved: Mapping[str, Any] = field(default_factory=dict)
    """What was looked up on the way, for the execution."""
    outcome: Result | None = None
    """Told at once where there is nothing to do: nothing is executed."""


class Rows(Protocol):
    """Rows that are computed while they are taken, in one pass; whoever gets them closes them, read or not."""

    @property
    def schema(self) -> pyarrow.Schema:
        """Columns."""
        ...

    def __iter__(self) -> Iterator[pyarrow.RecordBatch]:
        """Batch by batch; raises an ``MlboxError`` where the query fails on the way."""
        ...

    def close(self) -> None:
        """End the query and its transaction; harmless a second time."""
        ...


@dataclass(frozen=True, slots=True)
class Result:
    """The outcome of a command: a line for people, rows, and named facts for conditions (``fit.auc``)."""

    message: str = ""
    table: pyarrow.Table | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    rows: Rows | None = None
    """Instead of ``table``, for a caller that asked for it (``RunSql.streamed``)."""


@dataclass(frozen=True, slots=True)
class Handler:
    """Who plans and executes a kind of command."""

    command: type[Command]
    plan: Callable[[Any, Caller], Plan]
    execute: Callable[[Any, Plan, Caller], Result]

    def carry_out(self, command: Command, plan: Plan, caller: Caller) -> Result:
        """What the plan says."""
        return plan.outcome if plan.outcome is not None else self.execute(command, plan, caller)


class Service(Protocol):
    """A part of the house that answers commands."""

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        ...


class Dispatcher(Protocol):
    """The one door: permission, plan, audit, execution."""

    def plan(self, command: Command, caller: Caller) -> Plan:
        """What would be done, for a caller who may do it; changes nothing."""
        ...

    def dispatch(self, command: Command, caller: Caller) -> Result:
        """Carry the command out; raises an ``MlboxError``."""
        ...


class Parser(Protocol):
    """Text to command, for those who keep statements as text (schedules, alerts, workflow steps)."""

    def parse_one(self, text: str, project: str, parameters: Mapping[str, Any]) -> Command:
        """The command of one statement; plain SQL becomes ``RunSql``."""
        ...


@dataclass(frozen=True, kw_only=True)
class RunSql(Command):
    """Plain SQL, verbatim, for DuckDB."""

    statement: ClassVar[str] = "SQL"
    role: ClassVar[Role] = "viewer"
    query: Query
    project: str
    parameters: Any = None
    row_limit: int | None = None
    streamed: bool = False
    """Give the rows of a query as ``Result.rows``, while they are computed; what writes gives a table all the same."""
    transaction: Any = field(default=None, compare=False, repr=False)
    """The transaction that the session holds open (``sql.transaction``); its rows come as ``Result.rows``."""
