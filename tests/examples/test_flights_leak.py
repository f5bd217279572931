"""The example's training set leaks nothing: what became known later cannot change what was known then."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from mlbox.base.command import Caller
from mlbox.base.home import Home
from mlbox.cli.demo import data
from mlbox.cli.demo.script import example_folder, sections
from mlbox.sql.session import Session

CUTS = ("2013-02-08 17:30:00Z", "2013-05-23 21:05:00Z")
FEATURES = """
SELECT * FROM ml.features('delay_features', 'departures')
WHERE decided_at <= TIMESTAMPTZ '{cut}' AND decided_at > TIMESTAMPTZ '{cut}' - INTERVAL 20 DAYS
"""


@pytest.fixture(scope="module")
def flights(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The example's data, feature sets and training set, in a house of this process."""
    from mlbox.app.house import House
    from mlbox.base.settings import Settings

    home = Home(tmp_path_factory.mktemp("flights") / "home")
    home.create()
    folder, _ = data.prepare(home)
    house = House.open(home, Settings())
    session = Session(house.catalog, house.dispatcher, Caller())
    text = (example_folder() / "project.sql").read_text()
    for section in sections(text)[:3]:
        for _ in session.run(section.text, {"data": str(folder)} if "$data" in section.text else None):
            pass
    yield session
    house.close()


def one(session: Session, text: str) -> Any:
    """The rows of a statement."""
    *_, outcome = session.run(text)
    return outcome.result.table


def test_the_data_are_whole(flights: Session) -> None:
    """All rows of the package, each flight with a name of its own."""
    rows = one(flights, "SELECT count(*), count(DISTINCT flight_id), count(landed_at), count(arr_delay) FROM flights")
    assert rows.to_pylist()[0] == {
        "count_star()": 336_776,
        "count(DISTINCT flight_id)": 336_776,
        "count(landed_at)": 328_063,
        "count(arr_delay)": 327_346,
    }
    assert one(flights, "SELECT count(*) AS n FROM weather").to_pylist() == [{"n": 26_115}]
    slow = "SELECT count(*) AS n FROM flights WHERE landed_at <= departed_at"
    assert one(flights, slow).to_pylist() == [{"n": 0}]


def test_the_training_set_has_one_row_a_flight_and_gaps_as_they_are(flights: Session) -> None:
    """Labels are those of flights that had landed; features are missing where nothing was known."""
    row = one(
        flights,
        "SELECT count(*) AS n, count(DISTINCT flight_id) AS flights, max(landed_at) AS latest, count(late) AS labels, "
        "count(*) - count(pressure) AS gaps, count(carrier_delay_7d) AS known FROM training",
    ).to_pylist()[0]
    assert row["n"] == row["flights"] == row["labels"]
    assert row["latest"].isoformat() < "2013-07-01"
    assert row["gaps"] > 0
    assert 0.95 * row["n"] < row["known"] < row["n"]


@pytest.mark.parametrize("cut", CUTS)
def test_the_future_changes_nothing(flights: Session, cut: str) -> None:
    """Rows decided up to a moment are the same when everything that became known after it is turned upside down."""
    one(flights, f"CREATE OR REPLACE TABLE before AS {FEATURES.format(cut=cut)}")
    future = {
        "weather": f"SELECT origin, observed_at, CASE WHEN observed_at > '{cut}' THEN 1e6 ELSE temp END AS temp, dewp, "
        "humid, wind_speed, precip, pressure, visib FROM weather",
        "carrier_delays": f"SELECT carrier, origin, departed_at, landed_at, "
        f"CASE WHEN landed_at > '{cut}' THEN 1e6 ELSE arr_delay END AS arr_delay FROM flights "
        "WHERE arr_delay IS NOT NULL",
        "origin_delays": f"SELECT origin, departed_at, CASE WHEN departed_at > '{cut}' THEN 1e6 ELSE dep_delay END "
        "AS dep_delay FROM flights WHERE dep_delay IS NOT NULL",
    }
    definitions = {
        "weather": "(ENTITY origin, TIMESTAMP observed_at) TTL INTERVAL '6 hours'",
        "carrier_delays": "(ENTITY carrier, ENTITY origin, TIMESTAMP departed_at, KNOWN AT landed_at) "
        "AGGREGATE (avg(arr_delay) OVER (INTERVAL '7 days') AS carrier_delay_7d, avg(arr_delay) OVER "
        "(INTERVAL '6 hours') AS carrier_delay_6h, count(*) OVER (INTERVAL '6 hours') AS carrier_flights_6h) "
        "TTL INTERVAL '7 days'",
        "origin_delays": "(ENTITY origin, TIMESTAMP departed_at) AGGREGATE (avg(dep_delay) OVER (INTERVAL '1 hour') "
        "AS origin_delay_1h, avg(dep_delay) OVER (INTERVAL '4 hours') AS origin_delay_4h, count(*) OVER "
        "(INTERVAL '1 hour') AS origin_flights_1h) TTL INTERVAL '1 day'",
    }
    for name, body in future.items():
        one(flights, f"CREATE OR REPLACE FEATURE SET {name}_turned {definitions[name]} AS {body}")
    one(
        flights,
        "CREATE OR REPLACE FEATURE VECTOR turned AS FEATURES (weather_turned.*, carrier_delays_turned.*, "
        "origin_delays_turned.*) LABEL departures.late",
    )
    one(flights, "CREATE OR REPLACE TABLE after AS " + FEATURES.format(cut=cut).replace("delay_features", "turned"))
    later = one(
        flights,
        f"SELECT max(carrier_delay_6h) AS m FROM ml.features('turned', 'departures') WHERE decided_at > '{cut}'",
    )
    assert later.to_pylist()[0]["m"] == 1e6, "the test must turn something upside down"
    counts = one(
        flights,
        "SELECT (SELECT count(*) FROM before) AS rows, (SELECT count(*) FROM (FROM before EXCEPT FROM after)) AS gone, "
        "(SELECT count(*) FROM (FROM after EXCEPT FROM before)) AS new",
    ).to_pylist()[0]
    assert counts["rows"] > 10_000
    assert (counts["gone"], counts["new"]) == (0, 0)


def test_the_example_can_be_read_in_five_minutes() -> None:
    """It stays short."""
    folder = example_folder()
    lines = {path.name: len(path.read_text().splitlines()) for path in Path(folder).iterdir() if path.is_file()}
    assert {"project.sql", "train.py", "README.md"} <= set(lines)
    assert sum(lines.values()) < 350
