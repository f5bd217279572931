"""Messages of one connection: simple and extended query, in threads of the pool of the server, one after the other."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from mlbox.base.defects import defect_of, told_to
from mlbox.base.errors import Invalid, MlboxError, NotExecuted, NotFound, StatementError, Where
from mlbox.sql.script import split
from mlbox.sql.wire import messages
from mlbox.sql.wire.answers import Answer, Delivery
from mlbox.sql.wire.bound import bind
from mlbox.sql.wire.copying import CopyAnswer
from mlbox.sql.wire.errors import error_response
from mlbox.sql.wire.messages import Body, Field, ProtocolError
from mlbox.sql.wire.prepared import Portal, Prepared, in_formats
from mlbox.sql.wire.statements import Statements
from mlbox.sql.wire.tags import completed

if TYPE_CHECKING:
    from collections.abc import Iterator

    from mlbox.sql.wire.context import Introduction, WireContext

T = TypeVar("T")
MOST_PREPARED = 5_000
"""Prepared statements of a connection."""
MOST_PORTALS = 256
"""Open portals of a connection: each that has begun holds a cursor and the rows that it has ahead."""


class Outbox(Protocol):
    """Where bytes for the client go."""

    def write(self, data: bytes | memoryview) -> None:
        """Add; waits while the client does not take what is there already."""
        ...

    def flush(self) -> None:
        """Send what is there."""
        ...

    def urgent(self, data: bytes) -> None:
        """Send at once, from any thread."""
        ...


class Conversation:
    """What one client says and is answered. ``handle`` and ``close`` are called by one thread at a time."""

    def __init__(self, context: WireContext, who: Introduction, user: str, outbox: Outbox) -> None:
        self._context = context
        self._outbox = outbox
        self.statements = Statements(
            context, who, user, outbox.write, lambda line, severity: outbox.urgent(messages.notice(line, severity))
        )
        self.statements.forget = self._forget
        self._prepared: dict[str, Prepared] = {}
        self._portals: dict[str, Portal] = {}
        self._skipping = False
        self.underway: str | None = None
        """The id of what is carried out now, for a CancelRequest."""
        self.waits_for_ours = False
        """Whether that is a statement of ours: a run goes on when its client has gone."""
        self._messages: dict[int, Callable[[Body], None]] = {
            ord("Q"): self._query,
            ord("P"): self._parse,
            ord("B"): self._bind,
            ord("D"): self._describe,
            ord("E"): self._execute,
            ord("C"): self._close,
            ord("H"): lambda body: self._outbox.flush(),
            ord("S"): self._sync,
            ord("F"): self._function_call,
        }

    def welcome(self, key: bytes) -> None:
        """What follows authentication."""
        from mlbox.sql.wire.session_settings import REPORTED

        self.statements.report(*REPORTED)
        self._outbox.write(messages.message(b"K", key))
        self._outbox.write(messages.ready("I"))
        self._outbox.flush()

    def handle(self, kind: int, body: bytes) -> None:
        """Answer one message. Raises ``ProtocolError`` when the connection cannot go on."""
        if self._skipping and kind != ord("S"):
            return
        method = self._messages.get(kind)
        if method is None:
            return  # CopyData and its like, after a COPY that was refused
        try:
            method(Body(body))
        except ProtocolError:
            raise
        except (MlboxError, RecursionError) as error:
            self._failed(error, kind)
        except ConnectionError:
            raise
        except Exception as error:
            self._failed(defect_of(error, "answering a client of the PostgreSQL protocol"), kind)

    def close(self) -> None:
        """The client has gone: end what is open."""
        self._end_portals()
        self.statements.rollback()

    def _failed(self, error: Exception, kind: int) -> None:
        known = error if isinstance(error, MlboxError) else StatementError("too deeply nested")
        told = told_to(self.statements.session.caller.user, known)
        self._end_portals()
        if self.statements.transaction is not None:
            self.statements.transaction.fail()
        self._outbox.write(error_response(told))
        if kind == ord("Q"):
            self._ready()
        else:
            self._skipping = kind != ord("S")
            if not self._skipping:
                self._ready()
            self._outbox.flush()  # some clients wait for the error before they send Sync

    def _ready(self) -> None:
        self._outbox.write(messages.ready(self.statements.status))
        self._outbox.flush()

    @contextmanager
    def _begun(self, text: str, *, ours: bool) -> Iterator[None]:
        caller, seconds = self.statements.session.caller, self.statements.seconds
        with self._context.ongoing.begin(text, caller, seconds=seconds) as underway:
            self.underway, self.waits_for_ours = underway.id, ours
            try:
                yield
            finally:
                self.underway = None

    # -- simple query -------------------------------------------------------------------------------------------------

    def _query(self, body: Body) -> None:
        text = body.text()
        body.end()
        self._drop_portal("")
        found = split(text)
        if not found:
            self._outbox.write(messages.message(b"I"))
        for statement in found:
            with self._begun(statement.text, ours=statement.ours):
                self._deliver_all(self.statements.run(statement))
            if self.statements.transaction is None:
                self._end_portals()
        self._ready()

    def _deliver_all(self, answer: Answer) -> None:
        self._notices(answer)
        if isinstance(answer, CopyAnswer):
            self._copy(answer)
            return
        if answer.schema is None:
            self._outbox.write(messages.command_complete(answer.tag))
            return
        fields = answer.fields or []
        delivery = Delivery(answer, fields, self.statements.settings.zone)
        try:
            self._outbox.write(messages.row_description(fields))
            for portion in delivery.portions():
                self._outbox.write(portion)
        finally:
            delivery.close()
        self._complete(answer, delivery)

    def _complete(self, answer: Answer, delivery: Delivery) -> None:
        if answer.cut():
            self.statements.tell(f"the result was cut after {delivery.rows:,} rows; there are more", "WARNING")
        self._outbox.write(messages.command_complete(completed(answer.tag, delivery.rows)))

    def _notices(self, answer: Answer) -> None:
        for line in answer.notices:
            self.statements.tell(line)
        if answer.warning:
            self.statements.tell(answer.warning, "WARNING")

    def _copy(self, answer: CopyAnswer) -> None:
        rows = 0
        try:
            self._outbox.write(messages.copy_out(answer.columns))
            for data, count in answer.lines():
                if len(data):
                    self._outbox.write(messages.message(b"d", bytes(data)))
                rows += count
        finally:
            answer.close()
        self._outbox.write(messages.message(b"c"))
        self._outbox.write(messages.command_complete(f"COPY {rows}"))

    # -- extended query -----------------------------------------------------------------------------------------------

    def _parse(self, body: Body) -> None:
        name, text, declared = body.text(), body.text(), body.int32s()
        body.end()
        if name and name in self._prepared:
            raise Invalid(f"prepared statement {name!r} already exists", hint="close it first")
        if len(self._prepared) >= MOST_PREPARED:
            raise Invalid(f"more than {MOST_PREPARED:,} prepared statements", hint="close some, or DEALLOCATE ALL")
        found = split(text)
        if len(found) > 1:
            raise StatementError(
                "cannot insert multiple commands into a prepared statement",
                hint="send one statement at a time",
                where=Where.at(text, found[1].offset),
            )
        known = [0 if oid == 705 else oid for oid in declared]
        self._prepared[name] = Prepared(found[0] if found else None, known)
        self._outbox.write(messages.message(b"1"))

    def _bind(self, body: Body) -> None:
        portal_name, name = body.text(), body.text()
        formats = body.int16s()
        values = [body.value() for _ in range(body.counted(4))]
        results = body.int16s()
        body.end()
        prepared = self._find(self._prepared, name, "prepared statement")
        if portal_name and portal_name in self._portals:
            raise Invalid(f"portal {portal_name!r} already exists", hint="close it first")
        if len(self._portals) >= MOST_PORTALS:
            raise Invalid(f"more than {MOST_PORTALS:,} portals are open", hint="close some")
        if any(code not in (0, 1) for code in (*formats, *results)) or len(formats) not in (0, 1, len(values)):
            raise ProtocolError("formats of a Bind message are 0 or 1, none, one, or one a value")
        oids = prepared.parameters(self.statements)
        if len(values) != len(oids):
            raise ProtocolError(f"bind message supplies {len(values)} parameters, but {len(oids)} are needed")
        codes = formats * len(values) if len(formats) == 1 else formats or [0] * len(values)
        bound = [bind(*each) for each in zip(values, oids, map(bool, codes), strict=True)]
        self._drop_portal(portal_name)
        self._portals[portal_name] = Portal(prepared, bound, results)
        self._outbox.write(messages.message(b"2"))

    def _describe(self, body: Body) -> None:
        kind, name = body.raw(1), body.text()
        body.end()
        if kind == b"S":
            prepared = self._find(self._prepared, name, "prepared statement")
            self._outbox.write(messages.parameter_description(prepared.parameters(self.statements)))
            self._row_description(prepared.columns(self.statements))
        elif kind == b"P":
            portal = self._find(self._portals, name, "portal")
            self._row_description(self._portal_fields(portal))
        else:
            raise ProtocolError(f"a Describe message of kind {kind!r}")

    def _row_description(self, fields: list[Field] | None) -> None:
        self._outbox.write(messages.message(b"n") if fields is None else messages.row_description(fields))

    def _execute(self, body: Body) -> None:
        name, limit = body.text(), body.int32()
        body.end()
        portal = self._find(self._portals, name, "portal")
        if portal.prepared.statement is None:
            self._outbox.write(messages.message(b"I"))
            return
        with self._begun(portal.prepared.statement.text, ours=portal.prepared.statement.ours):
            self._start(portal)
            self._continue(portal, max(0, limit))

    def _start(self, portal: Portal) -> None:
        """Run the portal's statement unless it has begun."""
        if portal.answer is None:
            assert portal.prepared.statement is not None
            portal.answer = self.statements.run(portal.prepared.statement, portal.bound)
            portal.silent = portal.prepared.described and portal.prepared.fields is None

    def _continue(self, portal: Portal, limit: int) -> None:
        answer = portal.answer
        assert answer is not None
        if portal.delivery is None:
            self._notices(answer)
        if isinstance(answer, CopyAnswer):
            self._copy(answer)
            return
        if answer.schema is None or portal.silent:
            answer.close()
            tag = answer.tag if answer.schema is None else completed(answer.tag, 0)
            self._outbox.write(messages.command_complete(tag))
            return
        if portal.delivery is None:
            fields = portal.formatted(answer)
            portal.delivery = Delivery(answer, fields, self.statements.settings.zone)
        for data in portal.delivery.portions(limit):
            self._outbox.write(data)
        if limit and not portal.delivery.finished:
            self._outbox.write(messages.message(b"s"))
            return
        portal.delivery.close()
        self._complete(answer, portal.delivery)

    def _portal_fields(self, portal: Portal) -> list[Field] | None:
        """Columns in the formats that Bind asked for. What gives rows runs now: only then its columns are known."""
        prepared = portal.prepared
        if prepared.statement is None:
            return None
        if prepared.described:
            return None if prepared.fields is None else in_formats(prepared.fields, portal.formats)
        if not prepared.statement.ours and not prepared.reads(self.statements):
            fields = prepared.columns(self.statements)
            return None if fields is None else in_formats(fields, portal.formats)
        if portal.answer is None and not self.statements.own(prepared.statement):
            with self._begun(prepared.statement.text, ours=prepared.statement.ours):
                self._start(portal)
        if portal.answer is None or portal.answer.schema is None or isinstance(portal.answer, CopyAnswer):
            own = prepared.columns(self.statements) if portal.answer is None else None
            return None if own is None else in_formats(own, portal.formats)
        return portal.formatted(portal.answer)

    def _close(self, body: Body) -> None:
        kind, name = body.raw(1), body.text()
        body.end()
        if kind == b"S":
            self._prepared.pop(name, None)
        elif kind == b"P":
            self._drop_portal(name)
        else:
            raise ProtocolError(f"a Close message of kind {kind!r}")
        self._outbox.write(messages.message(b"3"))

    def _sync(self, body: Body) -> None:
        self._skipping = False
        if self.statements.transaction is None:
            self._end_portals()
        self._ready()

    def _function_call(self, body: Body) -> None:
        raise NotExecuted("function calls of the protocol are not offered", hint="SELECT function(…)")

    def _find(self, among: dict[str, T], name: str, kind: str) -> T:
        if name not in among:
            raise NotFound(f"{kind} {name!r} does not exist")
        return among[name]

    def _drop_portal(self, name: str) -> None:
        portal = self._portals.pop(name, None)
        if portal is not None and portal.delivery is not None:
            portal.delivery.close()
        elif portal is not None and portal.answer is not None:
            portal.answer.close()

    def _end_portals(self) -> None:
        for name in list(self._portals):
            self._drop_portal(name)

    def _forget(self, name: str | None = None) -> None:
        if name is None:
            self._prepared.clear()
        elif self._prepared.pop(name, None) is None:
            raise NotFound(f"prepared statement {name!r} does not exist")
