"""``REFRESH EVERY`` and ``REFRESH CRON``: a schedule made for the set, which is seen and stopped like any other."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Dispatcher, Parser
from mlbox.base.errors import AlreadyExists, Conflict
from mlbox.base.names import literal, quote
from mlbox.engine.catalog.tables import schedules
from mlbox.engine.features.definition import FeatureSet

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


class RefreshClock:
    """Makes and drops these schedules by statements, as anybody would."""

    def __init__(self, catalog: Catalog, dispatcher: Dispatcher, parser: Parser) -> None:
        self._catalog = catalog
        self._dispatcher = dispatcher
        self._parser = parser

    def check(self, built: FeatureSet) -> str | None:
        """The name of the schedule that the set asks for; ``AlreadyExists`` when another one has it."""
        if built.refresh is None:
            return None
        with self._catalog.read() as cursor:
            present = schedules.get(cursor, built.project, schedule_name(built))
        if present is not None and present.statement != refresh_text(built):
            raise AlreadyExists(
                f"schedule {present.project}.{present.name} exists already, and is not of feature set {built.name}",
                hint="rename that schedule, or leave REFRESH away and make a schedule yourself",
            )
        return f"{built.project}.{schedule_name(built)}"

    def follow(self, built: FeatureSet, before: FeatureSet | None, caller: Caller) -> None:
        """The schedule as the set wants it now."""
        if built.refresh is not None:
            zone = f" TIMEZONE {literal(built.timezone)}" if built.timezone and "CRON" in built.refresh else ""
            text = (
                f"CREATE OR REPLACE SCHEDULE {_named(built)} {built.refresh}{zone} "
                f"COMMENT {literal(f'of feature set {built.name}')} AS {refresh_text(built)}"
            )
            self._do(built, text, caller)
        elif before is not None:
            self.drop(before, caller)

    def switch(self, found: FeatureSet, action: str, caller: Caller) -> None:
        """Suspend or resume."""
        self._do(found, f"ALTER SCHEDULE {_named(found)} {action.upper()}", caller)

    def drop(self, gone: FeatureSet, caller: Caller) -> None:
        """With the set."""
        if gone.refresh is not None:
            self._do(gone, f"DROP SCHEDULE IF EXISTS {_named(gone)}", caller)

    def _do(self, found: FeatureSet, text: str, caller: Caller) -> None:
        self._dispatcher.dispatch(self._parser.parse_one(text, found.project, {}), caller)


class NoClock(RefreshClock):
    """Of a feature store that nobody keeps the time for."""

    def __init__(self) -> None:
        pass

    def check(self, built: FeatureSet) -> str | None:
        """Refused."""
        if built.refresh is not None:
            raise Conflict("there is no scheduler here", hint="leave REFRESH away")
        return None


def schedule_name(found: FeatureSet) -> str:
    """Names have 63 characters at most."""
    return f"refresh_{found.name}"[:63]


def refresh_text(found: FeatureSet) -> str:
    """What the schedule carries out."""
    return f"REFRESH FEATURE SET {quote(found.project)}.{quote(found.name)}"


def _named(found: FeatureSet) -> str:
    return f"{quote(found.project)}.{quote(schedule_name(found))}"
