"""A real catalog and a real dispatcher; the parser knows three statements and plain SQL."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar

import pytest
from fresh_home import fresh_home
from security_parts import permission_of

from mlbox.app.dispatcher import CommandDispatcher
from mlbox.base.command import Caller, Command, Handler, Plan, Query, Result, RunSql
from mlbox.base.errors import Invalid, RunFailed, StatementError
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import literal
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.workflows.service import Workflows


@dataclass(frozen=True, kw_only=True)
class Train(Command):
    """Something that gives a run with metrics, as RUN does."""

    statement: ClassVar[str] = "TRAIN"
    auc: float


@dataclass(frozen=True, kw_only=True)
class Fail(Command):
    """Fails the first ``times`` times."""

    statement: ClassVar[str] = "FAIL"
    times: int


@dataclass(frozen=True, kw_only=True)
class Wait(Command):
    """Waits for the test's signal."""

    statement: ClassVar[str] = "WAIT"


class SmallParser:
    """``TRAIN x``, ``FAIL n``, ``WAIT``, else plain SQL; ``$name`` becomes a literal."""

    def parse_one(self, text: str, project: str, parameters: Mapping[str, Any]) -> Command:
        for name, value in parameters.items():
            text = text.replace(f"${name}", literal(value) if isinstance(value, str) else str(value))
        word, _, rest = text.strip().partition(" ")
        if "$" in text:
            raise Invalid("a parameter has no value")
        if word == "TRAIN":
            if not rest.replace(".", "", 1).isdigit():
                raise Invalid(f"TRAIN {rest}: a number is needed")
            return Train(auc=float(rest))
        if word == "FAIL":
            return Fail(times=int(rest))
        if word == "WAIT":
            return Wait()
        if word not in ("SELECT", "CREATE", "INSERT"):
            raise StatementError(f"{word} begins no statement", where=Query(text).where(0))
        return RunSql(query=Query(text), project=project)


@dataclass
class House:
    """The parts that the tests look at."""

    catalog: Catalog
    bus: Bus
    dispatcher: CommandDispatcher
    workflows: Workflows
    parser: SmallParser
    events: list[Event] = field(default_factory=list)
    done: list[tuple[Command, Caller]] = field(default_factory=list)
    failures: int = 0
    gate: threading.Event = field(default_factory=threading.Event)

    def handlers(self) -> Iterable[Handler]:
        yield Handler(Train, _plan, self._train)
        yield Handler(Fail, _plan, self._fail)
        yield Handler(Wait, _plan, self._wait)
        yield Handler(RunSql, _plan, self._sql)

    def do(self, command: Command) -> Result:
        return self.dispatcher.dispatch(command, Caller())

    def _train(self, command: Train, plan: Plan, caller: Caller) -> Result:
        self.done.append((command, caller))
        facts = {"run": new_id(), "state": "completed", "metrics": {"auc": command.auc}}
        return Result(f"auc {command.auc}", facts=facts)

    def _fail(self, command: Fail, plan: Plan, caller: Caller) -> Result:
        self.done.append((command, caller))
        self.failures += 1
        if self.failures <= command.times:
            raise RunFailed(f"failure {self.failures}")
        return Result("worked")

    def _wait(self, command: Wait, plan: Plan, caller: Caller) -> Result:
        self.done.append((command, caller))
        assert self.gate.wait(60)
        return Result("waited")

    def _sql(self, command: RunSql, plan: Plan, caller: Caller) -> Result:
        self.done.append((command, caller))
        with self.catalog.session(command.project) as cursor:
            return Result(table=cursor.sql(command.query.text).to_arrow_table())


def _plan(command: Command, caller: Caller) -> Plan:
    return Plan(())


@pytest.fixture
def make_house(tmp_path: Path) -> Iterator[Callable[[], House]]:
    """Opens the house on one home; a second call is a restart."""
    opened: list[House] = []

    def close() -> None:
        if opened:
            opened[-1].workflows.shutdown()
            opened.pop().catalog.close()

    def make() -> House:
        close()
        catalog = Catalog.open(fresh_home(tmp_path / "home"))
        bus = Bus()
        dispatcher = CommandDispatcher(catalog, permission_of(catalog))
        parser = SmallParser()
        workflows = Workflows(catalog=catalog, bus=bus, dispatcher=dispatcher, parser=parser)
        house = House(catalog, bus, dispatcher, workflows, parser)
        bus.listen(house.events.append)
        dispatcher.register(workflows.handlers())
        dispatcher.register(house.handlers())
        opened.append(house)
        return house

    yield make
    close()


@pytest.fixture
def house(make_house: Callable[[], House]) -> House:
    return make_house()
