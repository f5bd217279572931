"""Every kind of batch source: nothing is read twice, late rows come, a backfill and a reload give the same rows."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from database_servers import why_not
from source_rigs import SERVERS, made

from mlbox.base.command import Caller
from mlbox.base.errors import Conflict, Invalid
from mlbox.engine.features.sources.base import SOURCES
from mlbox.sql.session import Session

ALL = [name for name, plugin in SOURCES if plugin.capabilities.batch]
KINDS = [pytest.param(kind, marks=[pytest.mark.engine] if kind in SERVERS else []) for kind in ALL]
FIRST = [(1, "2026-01-01 00:00:00", 1.0), (2, "2026-01-02 00:00:00", 2.0)]
LATE = [(1, "2025-12-31 00:00:00", 3.0), (2, "2026-01-03 00:00:00", 4.0)]
COLUMNS = "(ENTITY id BIGINT, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0))"


@pytest.fixture
def session(house: Any, tmp_path: Path) -> Session:
    return Session(house.catalog, house.dispatcher, Caller(), base_folder=str(tmp_path))


def do(session: Session, text: str) -> Any:
    return [outcome.result for outcome in session.run(text)][-1]


def rows(session: Session, name: str = "f") -> list[tuple[Any, ...]]:
    table = do(session, f"SELECT id, strftime(ts, '%Y-%m-%d %H:%M:%S') AS ts, amount FROM {name} ORDER BY ALL").table
    return [tuple(row.values()) for row in table.to_pylist()]


@pytest.fixture(scope="module")
def ports() -> Iterator[Callable[[str], int]]:
    """Ports of servers, which are started when one asks for them."""
    with ExitStack() as stack:

        @cache
        def port(kind: str) -> int:
            if kind not in SERVERS:
                return 0
            if why_not(kind):
                pytest.skip(why_not(kind))
            return stack.enter_context(SERVERS[kind]())

        yield port


@pytest.fixture(params=KINDS)
def rig(request: pytest.FixtureRequest, tmp_path: Path, session: Session, ports: Callable[[str], int]) -> Any:
    found = made(request.param, tmp_path, session, ports(request.param))
    do(session, f"CREATE SOURCE s {'' if request.param == 'query' else f'TYPE {request.param}'} {found.declared()}")
    return found


def test_rows_are_read_once_whenever_they_come(rig: Any, session: Session) -> None:
    rig.add(FIRST)
    do(session, f"CREATE FEATURE SET f {COLUMNS} FROM s")
    assert rows(session) == FIRST
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 0
    rig.add(LATE)
    done = do(session, "REFRESH FEATURE SET f")
    assert done.facts["rows"] == 2 and "1 late" in done.message
    assert rows(session) == sorted(FIRST + LATE)
    assert do(session, "SELECT late, rows FROM ml.ingests ORDER BY started_at DESC LIMIT 1").table.to_pylist() == [
        {"late": 1, "rows": 2}
    ]
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 0


def test_a_backfill_gives_the_rows_of_its_range_and_whatever_is_new(rig: Any, session: Session) -> None:
    rig.add(FIRST)
    do(session, f"CREATE FEATURE SET f {COLUMNS} FROM s")
    rig.add(LATE)
    do(session, "REFRESH FEATURE SET f FROM '2026-01-02' TO '2026-01-03'")
    assert rows(session) == sorted(FIRST + LATE)
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 0
    do(session, "REFRESH FEATURE SET f FULL")
    assert rows(session) == sorted(FIRST + LATE)
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 0


def test_windows_are_as_if_all_had_come_at_once(rig: Any, session: Session) -> None:
    rig.add(FIRST)
    made_of = "(ENTITY id BIGINT, TIMESTAMP ts) AGGREGATE (sum(amount) OVER (7 DAYS) AS total) FROM s"
    do(session, f"CREATE FEATURE SET w {made_of}")
    rig.add(LATE)
    do(session, "REFRESH FEATURE SET w")
    assert do(session, "REFRESH FEATURE SET w").facts["rows"] == 0
    do(session, f"CREATE FEATURE SET once {made_of}")
    for name in ("w", "once"):
        found = do(session, f"SELECT id, total::DOUBLE AS total FROM {name} ORDER BY ALL").table.to_pylist()
        assert found == [{"id": 1, "total": 3}, {"id": 1, "total": 4}, {"id": 2, "total": 2}, {"id": 2, "total": 6}]


def test_a_wrong_row_leaves_nothing_and_is_named(rig: Any, session: Session) -> None:
    rig.add(FIRST)
    do(session, f"CREATE FEATURE SET f {COLUMNS} FROM s")
    rig.add([(3, "2026-01-05 00:00:00", 1.0), (4, "2026-01-06 00:00:00", -1.0)])
    with pytest.raises(Invalid, match=r"CHECK \(amount >= 0\) is false .* first in row 2"):
        do(session, "REFRESH FEATURE SET f")
    assert rows(session) == FIRST
    assert do(session, "SELECT count(*) AS n FROM ml.ingests").table.to_pylist() == [{"n": 1}]


def test_what_is_suspended_or_dropped_is_not_read(rig: Any, session: Session) -> None:
    rig.add(FIRST)
    do(session, f"CREATE FEATURE SET f {COLUMNS} FROM s; ALTER SOURCE s SUSPEND")
    with pytest.raises(Conflict, match="suspended"):
        do(session, "REFRESH FEATURE SET f")
    do(session, "ALTER SOURCE s RESUME; ALTER SOURCE s RENAME TO t")
    rig.add(LATE)
    assert do(session, "REFRESH FEATURE SET f").facts["rows"] == 2
    with pytest.raises(Conflict, match="read by feature set default.f"):
        do(session, "DROP SOURCE t")
    do(session, "DROP SOURCE t CASCADE")
    with pytest.raises(Conflict, match="was dropped"):
        do(session, "REFRESH FEATURE SET f")
    assert rows(session) == sorted(FIRST + LATE)
