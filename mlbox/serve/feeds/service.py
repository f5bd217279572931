"""Feeds: their commands, and the workers that carry their rows while a server runs."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import datetime, timedelta
from functools import partial
from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Query, Result, Step
from mlbox.base.errors import AlreadyExists, MlboxError, NotExecuted, NotFound, Unavailable
from mlbox.base.events import Bus, Event
from mlbox.base.names import Ref, check_name
from mlbox.base.suggest import no_such
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import dropped, projects, streams
from mlbox.engine.catalog.tables import feeds as table
from mlbox.engine.catalog.tables import sources as position_table
from mlbox.engine.catalog.tables.feeds import FeedRow
from mlbox.engine.catalog.tables.lineage import record_all
from mlbox.engine.catalog.tables.sources import PositionRow
from mlbox.engine.security.secret_names import secrets_in
from mlbox.engine.workflows.commands import AlterObject
from mlbox.engine.workflows.scheduler import Job
from mlbox.serve.feeds import definition
from mlbox.serve.feeds.commands import CreateFeed, DropFeed
from mlbox.serve.feeds.events import WHOLE
from mlbox.serve.feeds.inlets import CLOCK, end_of
from mlbox.serve.feeds.ways import Ways
from mlbox.serve.feeds.wording import edges, noun, told
from mlbox.serve.feeds.worker import Worker

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.base.access import Access
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.service import Features
    from mlbox.engine.features.sources.base import Source
    from mlbox.engine.workflows.bodies import Bodies
    from mlbox.serve.service import Endpoints

WAITING = 1_000_000
"""Rows that may wait for a feed; more are answered with 503."""


class Feeds:
    """Creates, changes and drops feeds. ``start`` carries their rows until ``stop``."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        bus: Bus,
        features: Features,
        endpoints: Endpoints,
        bodies: Bodies,
        access: Callable[[str], Access | None],
    ) -> None:
        self._catalog = catalog
        self._bus = bus
        self._features = features
        self._endpoints = endpoints
        self._bodies = bodies
        self._ways = Ways(catalog, features, endpoints, access)
        self._lock = threading.RLock()
        self._known: dict[str, FeedRow] = {}
        self._workers: dict[str, Worker] = {}
        self._not_before: dict[str, datetime] = {}
        self._running = False
        self._paused: list[str] = []
        self._load()
        features.listeners.append(self)
        bus.listen(self._on_event)

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers, but for ALTER."""
        return (
            Handler(CreateFeed, self._plan_create, self._create),
            Handler(DropFeed, self._plan_drop, self._drop),
        )

    # what a server does

    def start(self) -> None:
        """Carry rows from now on."""
        self._running = True
        self._tidy()
        self._attend()

    def stop(self) -> None:
        """Take nothing more; what is under way and not committed comes again at the next start."""
        self._running = False
        with self._lock:
            workers, self._workers = list(self._workers.values()), {}
        for worker in workers:
            worker.stop(wait=False)
        for worker in workers:
            worker.stop()

    def forget_project(self, project: str) -> None:
        """A project is dropped, with all rows of its feeds."""
        with self._lock:
            self._known = {key: row for key, row in self._known.items() if row.project != project}
        self._attend()

    def adopt_project(self, project: str) -> None:
        """A project has come with all its rows."""
        self._load()
        self._attend()

    def _load(self) -> list[FeedRow]:
        """Read all from the catalog; those that are not there any more."""
        with self._catalog.read() as cursor:
            rows = {row.id: row for row in table.every(cursor)}
        with self._lock:
            gone = [row for row in self._known.values() if row.id not in rows]
            self._known = rows
        return gone

    def _tidy(self) -> None:
        """What stands in the data file of feeds that are gone for good: those that were dropped can be restored."""
        with self._catalog.read() as cursor:
            left = table.known_data(cursor) - self._known.keys() - dropped.kept_ids(cursor, "feeds")
        for feed_id in left:
            self._catalog.write_data(partial(table.delete_data, feed_id=feed_id))

    @contextmanager
    def paused(self, project: str) -> Iterator[None]:
        """Nothing of a project's feeds is under way; they go on behind what is committed."""
        with self._lock:
            self._paused.append(project)
        try:
            self._attend()
            yield
        finally:
            with self._lock:
                self._paused.remove(project)
            self._attend()

    def places(self, project: str, endpoints: Sequence[str] | None) -> tuple[list[str], list[str]]:
        """Ids of a project's feeds (of those that ask ``endpoints`` only, if given), and the tables that they write."""
        with self._lock:
            own = [row for row in self._known.values() if row.project == project]
        own = [row for row in own if endpoints is None or row.endpoint in endpoints]
        targets = {row.target for row in own if row.target is not None and row.target.startswith(definition.TABLE)}
        return [row.id for row in own], sorted(target.removeprefix(definition.TABLE) for target in targets)

    def _attend(self) -> None:
        """A worker for each active feed as it is now, and for no other."""
        with self._lock:
            active = [row for row in self._known.values() if row.state == "active" and row.project not in self._paused]
            wanted = {row.id: row for row in active} if self._running else {}
            gone = [self._workers.pop(key) for key, worker in list(self._workers.items()) if _other(worker, wanted)]
            for worker in gone:
                worker.stop()
            for key, row in wanted.items():
                if key not in self._workers:
                    self._workers[key] = Worker(self._catalog, self._bus, row, self._ways.opener(row))
                    self._workers[key].start()

    def _on_event(self, event: Event) -> None:
        noun, _, verb = event.kind.partition(".")
        renamed = noun == "endpoint" and verb == "altered"
        if renamed or (noun == "feed" and verb in ("altered", "dropped", "restored")):
            self._load()
            self._attend()

    # rows that are brought

    def readers(self, source_id: str) -> list[str]:
        """Names of the feeds that read a source."""
        with self._lock:
            return sorted(f"{row.project}.{row.name}" for row in self._known.values() if row.source_id == source_id)

    def takers(self, source: Source) -> list[FeedRow]:
        """Feeds that rows pushed to a source go to; suspended ones keep them until they are resumed."""
        with self._lock:
            return [row for row in self._known.values() if row.source_id == source.id and row.kind == "push"]

    def take(self, row: FeedRow, rows: pyarrow.Table, key: str | None) -> bool:
        """Rows for a feed, durable when it returns; whether they were there already under their key."""

        def write(cursor: DuckDBPyConnection) -> bool:
            if key is not None:
                if streams.known_keys(cursor, row.id, [key]):
                    return True
                streams.insert_keys(cursor, row.project, row.id, [key], now())
                streams.forget_keys(cursor, row.id, now())
            if table.waiting(cursor, row.id) + len(rows) > WAITING:
                raise Unavailable(
                    f"feed {row.project}.{row.name} has {table.waiting(cursor, row.id):,} rows waiting",
                    hint="push again in a while",
                )
            table.append(cursor, row.project, row.id, rows, now())
            return False

        repeated = self._catalog.write_data(write)
        self._ways.signal(row.id).set()
        return repeated

    # the clock

    def jobs(self) -> list[Job]:
        """When which feeds choose rows."""
        with self._lock:
            rows = [row for row in self._known.values() if row.kind == "schedule" and row.state == "active"]
        found = []
        for row in rows:
            due = definition.first_due(row, self._fired(row))
            if due is not None:
                again = max(due, self._not_before.get(row.id, due))
                found.append(Job("feed", row.project, row.name, again, partial(self._fire, row, due)))
        return found

    def _fired(self, row: FeedRow) -> datetime | None:
        with self._catalog.read() as cursor:
            known = {each.part: each.position for each in position_table.positions(cursor, row.id)}
        return datetime.fromisoformat(json.loads(known[CLOCK])) if CLOCK in known else None

    def _fire(self, row: FeedRow, due: datetime) -> None:
        """Rows of the query as of now, put to those that wait in the transaction that says that it was done."""
        moment = now()
        with self._lock:
            if self._known.get(row.id) != row or not self._running:
                return
        with self._catalog.read() as cursor:
            if table.waiting(cursor, row.id):  # the last rows are not through yet
                self._not_before[row.id] = moment + timedelta(seconds=1)
                return
        found: pyarrow.Table | None = None
        failed: str | None = None
        try:
            caller = Caller(row.owner, row.project, "feed")
            found = self._bodies.run(Query(str(row.query)), caller, {"scheduled_at": due}).table
        except MlboxError as error:
            failed = error.with_hint

        def write(cursor: DuckDBPyConnection) -> None:
            if found is not None and len(found):
                table.append(cursor, row.project, row.id, found, moment)
            mark = PositionRow(CLOCK, json.dumps(moment.isoformat()), None, None)
            position_table.put_positions(cursor, row.project, row.id, "", [mark], moment)
            if failed is not None:
                streams.put_progress(cursor, row.project, row.id, 0, failed, moment)

        self._catalog.write_data(write)
        upcoming = definition.first_due(row, moment)
        self._catalog.write(lambda cursor: table.set_next(cursor, row.id, upcoming))
        self._remember(row.id, upcoming)
        if failed is not None:
            self._bus.publish(Event("feed.failed", row.project, row.name, {"error": failed}))
        self._ways.signal(row.id).set()

    def _remember(self, feed_id: str, upcoming: datetime | None) -> None:
        with self._lock:
            if feed_id in self._known:
                self._known[feed_id] = replace(self._known[feed_id], next_run=upcoming)

    # CREATE FEED

    def _plan_create(self, command: CreateFeed, caller: Caller) -> Plan:
        ref = command.ref
        definition.check(command)
        source = self._features.sources.source(command.source) if command.source is not None else None
        with self._catalog.read() as cursor:
            projects.require(cursor, ref.project)
            existing = table.get(cursor, ref.project, ref.name)
            keeps = kept("feed", command, existing, "changes it")
            if keeps is not None:
                return keeps
            row = definition.row_of(command, cursor, source, existing, caller)
        definition.check_target(row, command.options)
        self._endpoints.shop.secrets.require(ref.project, secrets_in(command.options))
        if command.query is not None:
            self._bodies.foresee(command.query, Caller(caller.user, ref.project, "feed"), {"scheduled_at": now()})
            row = replace(row, next_run=definition.first_due(row, None))
        goes_on = existing is not None and existing.id == row.id
        when = {"stream": "as they come", "push": f"POST /push/{row.source}", "table": "as they are added"}
        steps = [
            Step("replace" if existing else "create", f"feed {ref}", "goes on where it is" if goes_on else ""),
            Step("read", f"{noun(row)} {row.source}", when[row.kind])
            if row.source
            else Step("read", "query", f"first at {row.next_run:%Y-%m-%d %H:%M:%S} UTC"),
            Step("execute", f"endpoint {ref.project}.{row.endpoint}"),
        ]
        if row.target:
            shown = row.target.replace(definition.TABLE, f"table {ref.project}.", 1)
            steps.append(Step("write", shown, "each row once" if command.into else "each at least once, with event_id"))
        return Plan(tuple(steps), {"row": row, "existing": existing})

    def _create(self, command: CreateFeed, plan: Plan, caller: Caller) -> Result:
        row: FeedRow = plan.resolved["row"]
        existing: FeedRow | None = plan.resolved["existing"]
        anew = existing is None or existing.id != row.id
        start = definition.own_options(command.options)[definition.START]
        end = end_of(self._catalog, row) if anew and row.kind == "table" and start == "latest" else None

        def begin(cursor: DuckDBPyConnection) -> None:
            table.begin(cursor, row)
            if end is not None:
                position_table.put_positions(
                    cursor, row.project, row.id, "", [PositionRow(WHOLE, end, None, None)], now()
                )

        self._catalog.write_data(begin)

        def write(cursor: DuckDBPyConnection) -> None:
            table.put(cursor, row)
            record_all(cursor, edges(row))

        self._catalog.write(write)
        gone = self._load()
        self._attend()
        for old in gone:
            self._catalog.write_data(partial(table.delete_data, feed_id=old.id))
        self._bus.publish(Event("feed.created", row.project, row.name, {"kind": row.kind}))
        return Result(f"created feed {command.ref}: {told(row)}", facts={"kind": row.kind, "next_run": row.next_run})

    # DROP and ALTER FEED

    def _plan_drop(self, command: DropFeed, caller: Caller) -> Plan:
        try:
            row = self._require(command.ref)
        except NotFound:
            if not command.if_exists:
                raise
            return missing(f"feed {command.ref}")
        return Plan((Step("drop", f"feed {command.ref}", "what it has written stays"),), {"row": row})

    def _drop(self, command: DropFeed, plan: Plan, caller: Caller) -> Result:
        row: FeedRow = plan.resolved["row"]

        def write(cursor: DuckDBPyConnection) -> None:
            dropped.bury_named(cursor, "feed", row.project, row.name, caller.user)
            table.delete(cursor, row.project, row.name)

        self._catalog.write(write)
        self._bus.publish(Event("feed.dropped", row.project, row.name))
        return Result(f"dropped feed {command.ref}")

    def plan_alter(self, command: AlterObject, caller: Caller) -> Plan:
        """Check ALTER FEED; change nothing."""
        action = command.action.lower()
        if action not in ("suspend", "resume", "rename"):
            raise NotExecuted(
                f"ALTER FEED {action.upper()} is not executed by this version but for comment and owner",
                hint="CREATE OR REPLACE FEED changes the rest, and goes on where the feed is",
            )
        row = self._require(command.ref)
        if action == "rename":
            name = check_name(command.new_name or "", "feed name")
            with self._catalog.read() as cursor:
                taken = table.get(cursor, row.project, name)
            if taken is not None and taken.id != row.id:
                raise AlreadyExists(f"there is a feed {row.project}.{name} already")
        details = {"suspend": "rows wait where they are", "resume": "it goes on where it was", "rename": "to "}
        return Plan((Step("replace", f"feed {command.ref}", details[action] + (command.new_name or "")),), {"row": row})

    def alter(self, command: AlterObject, plan: Plan, caller: Caller) -> Result:
        """Suspend, resume or rename."""
        row: FeedRow = plan.resolved["row"]
        action, name = command.action.lower(), command.new_name or ""
        if action == "rename":
            self._catalog.write(lambda cursor: table.rename(cursor, row, name))
        else:
            state = "suspended" if action == "suspend" else "active"
            upcoming = definition.first_due(row, self._fired(row)) if state == "active" else None
            self._catalog.write(lambda cursor: table.set_state(cursor, row.id, state, upcoming))
        self._bus.publish(Event("feed.altered", row.project, row.name, {"action": action}))
        done = {"suspend": "suspended", "resume": "resumed", "rename": f"renamed to {name}:"}[action]
        return Result(f"{done} feed {command.ref}")

    def _require(self, ref: Ref) -> FeedRow:
        with self._catalog.read() as cursor:
            projects.require(cursor, ref.project)
            row = table.get(cursor, ref.project, ref.name)
            if row is None:
                names = [each.name for each in table.every(cursor) if each.project == ref.project]
                raise no_such("feed", ref.at(None), names)
        return row


def _other(worker: Worker, wanted: dict[str, FeedRow]) -> bool:
    """Whether a worker carries a feed that is not wanted, or not as it is now; when it fires next is nothing to it."""
    row = wanted.get(worker.feed.id)
    return row is None or replace(row, next_run=None, comment=None) != replace(worker.feed, next_run=None, comment=None)
