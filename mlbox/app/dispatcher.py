"""The one door: every command, from wherever it comes, passes here."""

from __future__ import annotations

import time
from collections.abc import Iterable
from contextlib import AbstractContextManager, nullcontext
from typing import TYPE_CHECKING

from mlbox.base.access import acting_for
from mlbox.base.clock import now
from mlbox.base.command import Caller, Command, Handler, Plan, Result
from mlbox.base.defects import defect_of
from mlbox.base.errors import Forbidden, Internal, MlboxError, NotExecuted
from mlbox.base.ids import new_id
from mlbox.base.locks import Locks
from mlbox.base.names import Ref
from mlbox.base.placed import locate
from mlbox.engine.catalog.commands import Explain
from mlbox.engine.catalog.tables import audit
from mlbox.sql.printing import printed

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.security.permission import Permission


DEFINING = frozenset({"CREATE", "ALTER", "DROP", "RESTORE"})
"""The first words of statements that make, change or drop one object."""


class CommandDispatcher:
    """Finds the handler of a command, plans, executes, and writes the audit row."""

    def __init__(self, catalog: Catalog, permission: Permission) -> None:
        self._catalog = catalog
        self._permission = permission
        self._handlers: dict[type[Command], Handler] = {}
        self._locks = Locks()

    def register(self, handlers: Iterable[Handler]) -> None:
        """Add handlers; a command has one."""
        for handler in handlers:
            if handler.command in self._handlers:
                raise Internal(f"{handler.command.__name__} has two handlers")
            self._handlers[handler.command] = handler

    @property
    def commands(self) -> frozenset[type[Command]]:
        """The commands that are carried out."""
        return frozenset(self._handlers) | {Explain}

    def plan(self, command: Command, caller: Caller) -> Plan:
        """What would be done; changes nothing."""
        access = self._permission.access(caller.user)
        with acting_for(access):
            if access is not None:
                self._permission.check(command, caller, access)
            return self._planned(self._handler(command), command, caller)

    def dispatch(self, command: Command, caller: Caller) -> Result:
        """Plan and execute; whatever is not an ``MlboxError`` is a defect of ours and told as one."""
        started, began = now(), time.perf_counter()
        outcome: MlboxError | None = None
        access = self._permission.access(caller.user)
        try:
            with acting_for(access):
                if access is not None:
                    self._permission.check(command, caller, access)
                return self._carry_out(command, caller)
        except MlboxError as error:
            outcome = error
            raise
        except Exception as error:
            outcome = defect_of(error, f"carrying out {command.statement}")
            raise outcome from error
        finally:
            if (command.role != "viewer" and command.audited) or isinstance(outcome, Forbidden):
                self._audit(command, caller, started, time.perf_counter() - began, outcome)

    def _carry_out(self, command: Command, caller: Caller) -> Result:
        if isinstance(command, Explain):
            return self._explain(command, caller)
        handler = self._handler(command)
        with self._turn(command):
            return handler.carry_out(command, self._planned(handler, command, caller), caller)

    def _turn(self, command: Command) -> AbstractContextManager[None]:
        """Who defines an object does it alone: what the plan has seen is still so when it is executed."""
        ref, name, new_name = (getattr(command, field, None) for field in ("ref", "name", "new_name"))
        if ref is None and name is not None:
            ref = Ref(name, "")
        elif ref is not None and getattr(command, "kind", "") == "project":  # it is no object of its own name in it
            ref = Ref(ref.project, "")
        if command.statement.partition(" ")[0] not in DEFINING or ref is None:  # runs and tokens have ids of their own
            return nullcontext()
        return self._locks.of(ref, *([Ref(ref.project, new_name)] if new_name is not None else []))

    def _planned(self, handler: Handler, command: Command, caller: Caller) -> Plan:
        """An error about an option says where it stands."""
        try:
            return handler.plan(command, caller)
        except MlboxError as error:
            locate(error, command)
            raise

    def _explain(self, command: Explain, caller: Caller) -> Result:
        import pyarrow

        explained = command.command
        while isinstance(explained, Explain):  # the plan of a plan is the plan
            explained = explained.command
        plan = self.plan(explained, caller)
        rows = [(step.action, step.object, step.detail) for step in plan.steps]
        if command.analyze:
            began = time.perf_counter()
            outcome = self.dispatch(explained, caller)
            rows.append(("done", outcome.message, f"{(time.perf_counter() - began) * 1000:.1f} ms"))
        columns = list(zip(*rows, strict=True)) or [(), (), ()]
        names = ("action", "object", "detail")
        table = pyarrow.table({name: pyarrow.array(c, "string") for name, c in zip(names, columns, strict=True)})
        statement = printed(explained, caller.project)
        return Result(f"plan of {explained.statement}", table, {"statement": statement})

    def _handler(self, command: Command) -> Handler:
        try:
            return self._handlers[type(command)]
        except KeyError:
            raise NotExecuted(
                f"{command.statement} is part of the language, but this version does not execute it",
                hint="docs/reference/sql.md says which statements are executed",
            ) from None

    def _audit(
        self, command: Command, caller: Caller, started: object, seconds: float, error: MlboxError | None
    ) -> None:
        row = audit.AuditRow(
            id=new_id(),
            started_at=started,
            caller=caller.user,
            door=caller.door,
            project=caller.project,
            statement=command.statement,
            object=str(getattr(command, "ref", getattr(command, "name", "")) or ""),
            outcome="error" if error else "done",
            error=error.message if error else None,
            duration_ms=seconds * 1000,
        )
        self._catalog.submit(lambda cursor: audit.insert(cursor, row), patient=command.audit_waits and error is None)
