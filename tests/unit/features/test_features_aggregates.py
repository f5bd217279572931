"""Window aggregates against their formula, computed row by row."""

from __future__ import annotations

import itertools
import math
import statistics
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

import pytest
from examples_of import examples
from feature_house import FeatureHouse, entity, known_at, minute, timestamp
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from mlbox.base.errors import Invalid
from mlbox.engine.features.aggregates import declared
from mlbox.engine.features.commands import Aggregate, Calendar, Column
from mlbox.engine.features.frames import CALENDAR, expiry, start, start_sql
from mlbox.engine.features.window_functions import FUNCTIONS

Pairs = list[tuple[tuple[int, int, int], float]]
"""((time, event time, value to order by), value) of what is not null."""


def last(pairs: Pairs) -> float | None:
    return max(pairs)[1] if pairs else None


NAIVE: dict[str, Callable[[Pairs], float | None]] = {
    "count": lambda pairs: len(pairs),
    "sum": lambda pairs: sum(value for _, value in pairs) if pairs else None,
    "sqr": lambda pairs: sum(value * value for _, value in pairs) if pairs else None,
    "avg": lambda pairs: statistics.fmean(value for _, value in pairs) if pairs else None,
    "min": lambda pairs: min((value for _, value in pairs), default=None),
    "max": lambda pairs: max((value for _, value in pairs), default=None),
    "stddev": lambda pairs: statistics.stdev(value for _, value in pairs) if len(pairs) > 1 else None,
    "var": lambda pairs: statistics.variance(value for _, value in pairs) if len(pairs) > 1 else None,
}
NAIVE["sum_squares"] = NAIVE["sqr"]
ORDERED = ("first", "last")
SKETCHES = ("approx_distinct", "quantile")
NAMES = (f"s{number}" for number in itertools.count())
WINDOW = timedelta(minutes=3)

ROWS = st.lists(
    st.tuples(st.integers(0, 1), st.integers(0, 9), st.integers(0, 3), st.none() | st.integers(-9, 9)),
    min_size=1,
    max_size=20,
)


def test_every_function_has_its_naive_twin() -> None:
    assert set(NAIVE) | set(ORDERED) | set(SKETCHES) == set(FUNCTIONS)
    assert {name for name, function in FUNCTIONS.items() if function.error is not None} == set(SKETCHES)


def same(found: float | None, expected: float | None) -> bool:
    if found is None or expected is None:
        return found is expected
    return math.isclose(found, expected, rel_tol=1e-9, abs_tol=1e-9)


FRAMES: dict[str, tuple[timedelta | Calendar, timedelta | None, Callable[[datetime], datetime]]] = {
    "sliding": (WINDOW, None, lambda t: t - WINDOW),
    "aligned": (
        timedelta(minutes=6),
        timedelta(minutes=2),
        lambda t: t.replace(minute=t.minute // 2 * 2, second=0) - timedelta(minutes=4),
    ),
    "calendar": (Calendar("hour"), None, lambda t: t.replace(minute=0, second=0)),
    "zone": (
        Calendar("day", "Asia/Kathmandu"),  # five hours and three quarters ahead: its day begins at 18:15
        None,
        lambda t: (t - timedelta(hours=18, minutes=15)).replace(hour=0, minute=0) + timedelta(hours=18, minutes=15),
    ),
}


@settings(max_examples=examples(40), suppress_health_check=list(HealthCheck))
@given(
    rows=ROWS,
    cuts=st.lists(st.integers(0, 13), max_size=3),
    has_known_at=st.booleans(),
    frame=st.sampled_from(sorted(FRAMES)),
    shift=st.sampled_from([0, 53, 18 * 60 + 9]),
)
def test_windows_are_as_the_formula_says_at_once_and_in_parts(
    shared: FeatureHouse,
    rows: list[tuple[int, int, int, int | None]],
    cuts: list[int],
    has_known_at: bool,
    frame: str,
    shift: int,
) -> None:
    window, every, begins = FRAMES[frame]
    rows = [(k, t + shift, d, x) for k, t, d, x in rows]
    name = next(NAMES)
    raw = [(number, k, minute(t), minute(t + d), x) for number, (k, t, d, x) in enumerate(rows)]
    shared.table(f"{name}_raw", "n INTEGER, k INTEGER, ts TIMESTAMPTZ, known TIMESTAMPTZ, x DOUBLE", raw)
    functions = [*NAIVE, *ORDERED]
    shared.create(
        name,
        f"FROM {name}_raw",
        entity("k"),
        timestamp("ts"),
        *([known_at("known")] if has_known_at else []),
        Column("n"),
        aggregates=(
            *(Aggregate(f, "x", (window,), every, name=f) for f in functions),
            Aggregate("count", "*", (window,), every, name="n_rows"),
            Aggregate("approx_distinct", "x", (window,), every, name="d"),
            Aggregate("quantile", "x", (window,), every, name="q", argument=0.5),
        ),
        options={"defer": bool(cuts)},
    )
    for cut in sorted(cuts):
        shared.refresh(name, end=minute(cut + shift))
    shared.refresh(name)
    found = {row["n"]: row for row in shared.rows(f"FROM {name}")}

    assert set(found) == set(range(len(rows)))

    def time(row: tuple[int, int, int, int | None]) -> int:
        return row[1] + row[2] if has_known_at else row[1]

    for number, row in enumerate(rows):
        since = begins(minute(time(row)))
        inside = [o for o in rows if o[0] == row[0] and since <= minute(time(o)) and time(o) <= time(row)]
        pairs = [((time(o), o[1], o[3]), float(o[3])) for o in inside if o[3] is not None]
        for function, naive in NAIVE.items():
            assert same(found[number][function], naive(pairs)), (function, number)
        assert found[number]["n_rows"] == len(inside)
        values = sorted(value for _, value in pairs)
        assert found[number]["d"] == len(set(values))  # so few are counted exactly
        middle = found[number]["q"]
        assert (middle is None) == (not values)
        if values:  # within the neighbours of the median
            low, high = values[max(0, (len(values) - 1) // 2 - 1)], values[min(len(values) - 1, len(values) // 2 + 1)]
            assert low <= middle <= high
        ordered = sorted(inside, key=lambda o: (time(o), o[1], math.inf if o[3] is None else o[3]))
        for function, other in (("first", ordered[0]), ("last", ordered[-1])):
            assert found[number][function] == other[3], (function, number)


def test_names() -> None:
    days, hours = timedelta(days=7), timedelta(hours=6)
    assert [column.name for column in declared([Aggregate("AVG", "delay", (days, hours))])] == [
        "avg_delay_7d",
        "avg_delay_6h",
    ]
    assert [column.name for column in declared([Aggregate("avg", "delay", (days,), name="d7")])] == ["d7"]
    several = declared([Aggregate("avg", "delay", (days, hours), name="d")])
    assert [column.name for column in several] == ["d_7d", "d_6h"]
    tail = Aggregate("quantile", "x", (days, Calendar("day")), argument=0.995)
    assert [column.name for column in declared([tail])] == ["quantile_x_99_5_7d", "quantile_x_99_5_day"]
    assert declared([Aggregate("sum", "x", (timedelta(milliseconds=500),))])[0].name == "sum_x_500ms"


@pytest.mark.parametrize(
    ("aggregate", "said"),
    [
        (Aggregate("averge", "x", (WINDOW,)), "no window aggregate 'averge'"),
        (Aggregate("sum", "*", (WINDOW,)), "means nothing"),
        (Aggregate("sum", "x", (timedelta(0),)), "longer than nothing"),
        (Aggregate("sum", "x", (WINDOW, WINDOW)), "called 'sum_x_3m'"),
        (Aggregate("sum", "x", (WINDOW,), timedelta(minutes=2)), "whole periods of 2m"),
        (Aggregate("sum", "x", (Calendar("day"),), timedelta(minutes=2)), "EVERY has no meaning"),
        (Aggregate("sum", "x", (Calendar("decade"),)), "no calendar 'decade'"),
        (Aggregate("sum", "x", (Calendar("day", "Mars/Olympus"),)), "no time zone 'Mars/Olympus'"),
        (Aggregate("quantile", "x", (WINDOW,)), "needs a number between 0 and 1"),
        (Aggregate("quantile", "x", (WINDOW,), argument=95), "needs a number between 0 and 1"),
        (Aggregate("sum", "x", (WINDOW,), argument=0.5), "takes nothing but a column"),
    ],
)
def test_declarations_that_mean_nothing(aggregate: Aggregate, said: str) -> None:
    with pytest.raises(Invalid, match=said):
        declared([aggregate])


@settings(max_examples=examples(60))
@given(
    moment=st.datetimes(datetime(2020, 1, 1), datetime(2030, 1, 1), timezones=st.just(minute(0).tzinfo)),
    later=st.timedeltas(timedelta(0), timedelta(days=800)),
    window=st.sampled_from(
        [
            Aggregate("count", "*", (timedelta(hours=3),)),
            Aggregate("count", "*", (timedelta(hours=3),), timedelta(minutes=45)),
            *(Aggregate("count", "*", (Calendar(unit, z),)) for unit in CALENDAR for z in (None, "Europe/Berlin")),
        ]
    ),
)
def test_what_python_and_sql_say_of_a_window_is_the_same(
    shared: FeatureHouse, moment: datetime, later: timedelta, window: Aggregate
) -> None:
    (column,) = declared([window])
    ((found,),) = shared.run(f"SELECT {start_sql(column, 't')} FROM (SELECT ?::TIMESTAMPTZ AS t)", [moment])
    assert start(column, moment) == found
    ends = expiry(column, moment)
    assert ends > moment
    for time in (ends - timedelta(microseconds=1), ends, moment + later):
        assert (start(column, time) <= moment) == (time < ends)


def test_what_is_only_aggregated_is_not_kept(sets: FeatureHouse) -> None:
    sets.table("raw", "k INTEGER, ts TIMESTAMPTZ, x DOUBLE, y DOUBLE", [(1, minute(0), 1.0, 2.0)])
    aggregate = (Aggregate("sum", "x", (WINDOW,)),)
    sets.create("f", "FROM raw", entity("k"), timestamp("ts"), aggregates=aggregate)
    sets.create("g", "FROM raw", entity("k"), timestamp("ts"), Column("x", type="INTEGER"), aggregates=aggregate)
    assert list(sets.rows("FROM f")[0]) == ["k", "ts", "y", "sum_x_3m"]
    assert sets.rows("FROM g") == [{"k": 1, "ts": minute(0), "x": 1, "sum_x_3m": 1.0}]
    (row,) = sets.rows("SELECT aggregate FROM ml.features WHERE feature_set = 'g' AND name = 'sum_x_3m'")
    assert row["aggregate"] == "sum(x) over 180 s"


@pytest.mark.parametrize(
    ("aggregate", "said"),
    [
        (Aggregate("sum", "delai", (WINDOW,)), "gives no column 'delai'"),
        (Aggregate("sum", "city", (WINDOW,)), "does not fit the query"),
        (Aggregate("count", "delay", (WINDOW,), name="city"), "two columns 'city'"),
    ],
)
def test_aggregates_that_do_not_fit_the_query(sets: FeatureHouse, aggregate: Aggregate, said: str) -> None:
    sets.run("CREATE TABLE raw (k INTEGER, ts TIMESTAMPTZ, delay DOUBLE, city VARCHAR)")
    with pytest.raises(Invalid, match=said):
        sets.create("f", "FROM raw", entity("k"), timestamp("ts"), aggregates=(aggregate,))


def test_statistics_of_an_ingest(sets: FeatureHouse) -> None:
    values: list[Any] = [*range(100), None]
    sets.table("raw", "k VARCHAR, ts TIMESTAMPTZ, x INTEGER, n DOUBLE, o DOUBLE", [])
    sets.run(
        "INSERT INTO raw SELECT 'k' || (i % 4 * i % 3), ?::TIMESTAMPTZ + to_minutes(i), CASE WHEN i < 100 THEN i END, "
        "NULL, 5 FROM range(101) r(i)",
        [minute(0)],
    )
    sets.create("f", "FROM raw", entity("k"), timestamp("ts"))
    found = {row["column_name"]: row for row in sets.rows("FROM ml.feature_stats")}
    x = found["x"]
    known = [value for value in values if value is not None]
    assert (x["row_count"], x["nulls"], x["min"], x["max"], x["mean"]) == (101, 1, 0, 99, 49.5)
    assert math.isclose(x["stddev"], statistics.stdev(known))
    assert abs(x["distinct_count"] - 100) <= 10
    assert len(x["quantiles"]) == 9 and abs(x["quantiles"][4] - 49.5) <= 1.5
    assert len(x["histogram_edges"]) == 21 and (x["histogram_edges"][0], x["histogram_edges"][-1]) == (0, 99)
    assert sum(x["histogram_counts"]) == 100 and set(x["histogram_counts"]) <= {4, 5, 6}
    assert found["k"]["top"][0] == "k0" and found["k"]["min"] is None
    assert (found["n"]["nulls"], found["n"]["min"], found["n"]["mean"]) == (101, None, None)
    assert sum(found["o"]["histogram_counts"]) == 101  # one value only
