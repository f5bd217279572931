"""DELETE ENTITY reaches every version offline, the online store and the prediction log, also over a crash."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from engines import redis
from feature_house import FeatureHouse, entity, timestamp
from fresh_home import fresh_home
from waiting import wait_until

from mlbox.app.house import House
from mlbox.base.clock import now
from mlbox.base.command import Caller
from mlbox.base.errors import Invalid, MlboxError, NotFound
from mlbox.base.events import Event
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.base.settings import Settings
from mlbox.engine.catalog.tables import audit, erasures
from mlbox.engine.features.commands import DeleteEntity
from mlbox.sql.session import Session

SETS = """
CREATE TABLE orders AS SELECT range AS number, 'c' || range % 3 AS customer, range % 2 AS shop,
    TIMESTAMPTZ '2026-01-01' + to_hours(range) AS ts, range * 1.0 AS total FROM range(12);
CREATE FEATURE SET person (ENTITY customer, TIMESTAMP ts) STORE OFFLINE AND ONLINE
    AS SELECT customer, ts, total FROM orders;
CREATE OR REPLACE FEATURE SET person (ENTITY customer, TIMESTAMP ts) STORE OFFLINE AND ONLINE
    AS SELECT customer, ts, total, total + 1 AS more FROM orders;
CREATE FEATURE SET visits (ENTITY customer, ENTITY shop, TIMESTAMP ts) STORE OFFLINE AND ONLINE
    AS SELECT customer, shop, ts, total FROM orders;
CREATE FEATURE SET shops (ENTITY shop, TIMESTAMP ts) AS SELECT shop, ts, total FROM orders;
CREATE FEATURE VECTOR v AS FEATURES (person.total)
"""


class Erasing:
    """A house and a session."""

    def __init__(self, place: Path, settings: Settings) -> None:
        self.home = fresh_home(place)
        self.settings = settings
        self.open()
        self.run(SETS)

    def open(self) -> None:
        self.house = House.open(self.home, self.settings)
        self.session = Session(self.house.catalog, self.house.dispatcher, Caller())

    def reopen(self) -> None:
        self.house.close()
        self.open()

    def run(self, text: str) -> Any:
        *_, outcome = self.session.run(text)
        return outcome.result

    def rows(self, text: str) -> list[tuple[Any, ...]]:
        return [tuple(row.values()) for row in self.run(text).table.to_pylist()]

    def everywhere(self, name: str) -> list[str]:
        """Where a text still is, in both files and online."""
        found = []
        tables = self.rows(
            "SELECT database_name, schema_name, table_name FROM duckdb_tables() "
            "WHERE database_name IN ('data', 'catalog')"
        )
        for parts in tables:
            if parts[2] == "orders":  # the user's own
                continue
            table = ".".join(f'"{part}"' for part in parts)
            with self.house.catalog.read() as cursor:
                rows = cursor.execute(f"FROM {table}").fetchall()
            found += [parts[2] for row in rows if f"'{name}'" in str(row)]
        return found


@pytest.fixture
def erasing(tmp_path: Path) -> Iterator[Erasing]:
    made = Erasing(tmp_path / "home", Settings())
    yield made
    made.house.close()


def online(erasing: Erasing) -> list[Any]:
    return [
        row[0] for row in erasing.rows("SELECT total FROM ml.online('v', [{'customer': 'c0'}, {'customer': 'c1'}])")
    ]


def predict(erasing: Erasing, *requests: tuple[str, str, str]) -> None:
    """Rows of the prediction log, as the recorder writes them: endpoint, JSON of the inputs, project."""

    def write(cursor: Any) -> None:
        for number, (endpoint, inputs, project) in enumerate(requests):
            cursor.execute(
                "INSERT INTO data._mlbox.predictions BY NAME SELECT ? AS project, ? AS endpoint, ? AS request_id, "
                "0 AS ordinal, now() AS predicted_at, 'ok' AS status, ?::JSON::VARIANT AS inputs, false AS shadow",
                [project, endpoint, f"r{number}", inputs],
            )

    erasing.house.catalog.write_data(write)


def test_all_of_a_project(erasing: Erasing) -> None:
    predict(
        erasing,
        ("e", '{"customer": "c1", "x": 1}', "default"),
        ("e", '{"CUSTOMER": "c1"}', "default"),
        ("e", '{"customer": "c2"}', "default"),
        ("e", '{"customer": "c1"}', "other"),
        ("e", '{"x": "c1"}', "default"),
    )
    assert online(erasing) == [9.0, 10.0]
    (plan,) = [erasing.rows("EXPLAIN DELETE ENTITY (customer = 'c1') FROM PROJECT default")]
    assert [row[:2] for row in plan] == [
        ("delete", "feature set default.person"), ("delete", "feature set default.visits"), ("delete", "predictions"),
        ("delete", "rows of feeds"),
        ("redact", "errors"),
    ]  # fmt: skip
    result = erasing.run("DELETE ENTITY (customer = 'c1') FROM PROJECT default")
    assert dict(result.facts) == {"rows": 12, "online": 4, "predictions": 2}  # two versions of person, two shops
    assert "sources and tables of yours are not touched" in result.message
    assert online(erasing) == [9.0, None]
    assert erasing.rows("SELECT count(*) FROM person") == [(8,)]
    assert erasing.rows("SELECT count(*) FROM shops") == [(12,)]  # has no customers
    assert erasing.rows("SELECT count(*) FROM orders") == [(12,)]
    assert erasing.rows("SELECT project, endpoint FROM data._mlbox.predictions ORDER BY ALL") == [
        ("default", "e"), ("default", "e"), ("other", "e"),
    ]  # fmt: skip
    assert erasing.everywhere("c1") == ["predictions", "predictions"]  # of the other project, and another input's
    ((project, of, entities, digest, by, offline, predictions, gone, done),) = erasing.rows(
        "SELECT project, feature_set, entities, digest, requested_by, offline_rows, predictions, online_rows, "
        "completed_at IS NOT NULL FROM ml.erasures"
    )
    assert (project, of, entities, by, offline, predictions, gone, done) == (
        "default", None, ["customer"], "local", 12, 2, 4, True,
    )  # fmt: skip
    assert len(digest) == 64
    erasing.run("DELETE ENTITY (CUSTOMER = 'c1') FROM PROJECT default")  # a repeat finds nothing, and is told
    assert erasing.rows("SELECT DISTINCT digest FROM ml.erasures") == [(digest,)]
    erasing.run("DELETE ENTITY (customer = 'c2') FROM PROJECT default")
    assert len(erasing.rows("SELECT DISTINCT digest FROM ml.erasures")) == 2
    assert ("DELETE ENTITY", "done") in erasing.rows("SELECT statement, outcome FROM ml.audit")


def test_one_set_and_a_part_of_its_entities(erasing: Erasing) -> None:
    result = erasing.run("DELETE ENTITY (customer = 'c1', shop = 0) FROM FEATURE SET visits")
    assert dict(result.facts) == {"rows": 2, "online": 1, "predictions": 0}
    assert erasing.rows("SELECT count(*) FROM visits WHERE customer = 'c1' AND shop = 1") == [(2,)]
    assert erasing.run("DELETE ENTITY (shop = '1') FROM FEATURE SET visits").facts["rows"] == 6
    assert erasing.rows("SELECT DISTINCT shop FROM visits") == [(0,)]
    assert online(erasing) == [9.0, 10.0]  # of another set


@pytest.mark.parametrize(
    ("text", "kind", "message", "hint"),
    [
        ("(custmer = 1) FROM PROJECT default", NotFound, "custmer is no entity of a feature set", "customer"),
        ("(shop = 1) FROM FEATURE SET person", NotFound, "shop is no entity of feature set default.person", "customer"),
        ("(shop = 'x') FROM FEATURE SET visits", Invalid, "entity value 'x' is not of type BIGINT", None),
        ("(shop = NULL) FROM FEATURE SET visits", Invalid, "entity shop needs a value", "DELETE ENTITY"),
        ("(shop = 1) FROM PROJECT nowhere", NotFound, "there is no project", None),
        ("(shop = 1) FROM FEATURE SET vists", NotFound, "there is no feature set default.vists", "visits"),
    ],
)
def test_what_is_wrong_is_told(
    erasing: Erasing, text: str, kind: type[MlboxError], message: str, hint: str | None
) -> None:
    with pytest.raises(kind, match=message) as refused:
        erasing.run(f"DELETE ENTITY {text}")
    assert hint is None or hint in str(refused.value.hint)
    assert erasing.rows("FROM ml.erasures") == []


def test_a_crash_before_the_online_store(erasing: Erasing, monkeypatch: pytest.MonkeyPatch) -> None:
    """The process ends between the two: the data file knows what is still to go."""

    def crash(*_: Any) -> int:
        raise KeyboardInterrupt

    store = erasing.house.features._store
    monkeypatch.setattr(store, "delete", crash)
    with pytest.raises(KeyboardInterrupt):
        erasing.run("DELETE ENTITY (customer = 'c1') FROM PROJECT default")
    assert online(erasing) == [9.0, 10.0]
    with erasing.house.catalog.read() as cursor:
        ((_, keys),) = erasures.pending(cursor)
    assert len(keys) == 4
    monkeypatch.undo()
    erasing.reopen()
    assert online(erasing) == [9.0, None]
    assert erasing.rows("SELECT online_rows, completed_at IS NOT NULL FROM ml.erasures") == [(4, True)]
    with erasing.house.catalog.read() as cursor:
        assert cursor.execute("SELECT pending FROM data._mlbox.erasures").fetchall() == [(None,)]


@pytest.mark.skipif(bool(redis.why_not()), reason=redis.why_not())
def test_a_store_that_is_away_is_followed_later(tmp_path: Path) -> None:
    with redis.running(tmp_path / "redis") as server:
        house = FeatureHouse(tmp_path / "home", Settings(online_store=server.url))
        query = "SELECT i AS k, now() AS ts, i AS x FROM range(3) r(i)"
        house.create("f", query, entity("k"), timestamp("ts"), store="both")
        house.vector("v", "f.x")
        store = house.features._store
        away = server.socket + ".away"
        Path(server.socket).rename(away)  # the server lives, nobody reaches it
        store._writes.connection_pool.disconnect()  # type: ignore[attr-defined]
        told = house.do(DeleteEntity(entity={"k": 1}, ref=Ref("default", "f")))
        assert told.message is not None and "those online follow when the online store can be reached" in told.message
        Path(away).rename(server.socket)
        assert house.online("v", k=1) == {"x": 1}
        house.reopen()
        assert house.online("v", k=1) == {"x": None}
        house.close()


def test_refused_rows_go_with_the_one_they_name(tmp_path: Path, erasing: Erasing) -> None:
    """Of sets with columns of other names, lines that are no rows, and values as the file has them."""
    (tmp_path / "a.csv").write_text(
        "cust,at,total\nc0,2026-01-01,x\nc00,2026-01-01,x\nc2,2026-01-01,c0\nc1,2026-01-01,5\nc0;no row at all,,,,\n"
    )
    erasing.run(
        "CREATE FEATURE SET q (ENTITY customer VARCHAR, TIMESTAMP ts, total DOUBLE) ON ERROR QUARANTINE "
        f"AS SELECT cust AS customer, \"at\"::TIMESTAMPTZ AS ts, total FROM read_csv('{tmp_path}/a.csv', "
        "all_varchar = true, ignore_errors = true)"
    )
    refused = 'SELECT "row" FROM ml.dead_letters ORDER BY ALL'
    before = [row[0] for row in erasing.rows(refused)]
    assert len(before) == 4, before
    done = erasing.run("DELETE ENTITY (customer = 'c0') FROM PROJECT default")
    assert done.facts["refused"] == 2
    assert [row[0] for row in erasing.rows(refused)] == [row for row in before if '"c00"' in row or '"c2"' in row]


def test_nothing_of_one_person_alone_is_left_in_statistics_or_told_of_datasets(erasing: Erasing) -> None:
    erasing.run(
        "CREATE TABLE people AS SELECT range AS id, now() AS ts, 'mail' || range || '@x.org' AS mail, "
        "CASE WHEN range < 2 THEN 'both' ELSE 'rest' END AS shared FROM range(5);"
        "CREATE FEATURE SET mails (ENTITY id, TIMESTAMP ts) AS SELECT * FROM people;"
        "CREATE TABLE spine AS SELECT id, ts FROM people; CREATE FEATURE VECTOR w AS FEATURES (mails.mail);"
        "CREATE DATASET d AS SELECT * FROM ml.features('w', 'spine'); CREATE DATASET n AS SELECT 1 AS one"
    )
    tops = "SELECT column_name, top, max FROM ml.feature_stats WHERE feature_set = 'mails' AND column_name != 'ts'"
    assert "mail4@x.org" in str(erasing.rows(tops)) and ("id", None, 4.0) in erasing.rows(tops)
    assert ("keep", "dataset default.d@1") in [
        row[:2] for row in erasing.rows("EXPLAIN DELETE ENTITY (id = 4) FROM PROJECT default")
    ]
    done = erasing.run("DELETE ENTITY (id = 4) FROM FEATURE SET mails")
    assert done.facts["datasets"] == ["default.d@1"] and "DROP ARTIFACT deletes default.d@1" in done.message
    told = erasing.rows(tops)
    assert "mail4@x.org" not in str(told) and "mail3@x.org" in str(told) and ("id", None, None) in told
    erasing.run("DELETE ENTITY (id = 0) FROM FEATURE SET mails")
    assert "both" in str(erasing.rows(tops))  # another has it too
    erasing.run("DELETE ENTITY (id = 1) FROM FEATURE SET mails")
    assert "both" not in str(erasing.rows(tops))


KINDS = {
    "UUID": "'c80012ff-afad-4784-8bdf-f2709fd43e0f'",
    "DATE": "'2026-01-03'",
    "DECIMAL(9,2)": "'3.00'",
    "BLOB": "'b2'",
    "BOOLEAN": "'true'",
    "TIMESTAMP": "'2026-01-01 02:00:00'",
    "FLOAT": "2.5",
    "ENUM('A', 'B')": "'A'",
    "HUGEINT": "'170141183460469231731687303715884105727'",
    "TIME": "'12:02:00'",
    "STRUCT(a BIGINT)": "'{''a'': 2}'",
    "VARCHAR": "'Zoë; \"x\"'",
}


@pytest.mark.parametrize("kind", KINDS)
def test_an_entity_of_any_type_is_joined_read_online_and_deleted(erasing: Erasing, kind: str) -> None:
    value = KINDS[kind]
    erasing.run(
        f"CREATE TABLE spine AS SELECT {value}::{kind} AS k, now() AS event_time;"
        f"CREATE FEATURE SET of (ENTITY k {kind}, ENTITY shop INT, TIMESTAMP ts, x INT) STORE OFFLINE AND ONLINE;"
        f"INSERT INTO of VALUES ({value}, 1, '2026-01-01', 7), ({value}, 2, '2026-01-01', 8);"
        "CREATE FEATURE VECTOR w AS FEATURES (of.x)"
    )
    read = f"SELECT x FROM ml.online('w', {{'k': {value}, 'shop': 2}})"
    assert erasing.rows(read) == erasing.rows(read.replace(value, f"{value}::{kind}")) == [(8,)]
    joined = "SELECT x FROM ml.features('w', 'rows')"
    assert erasing.rows(f"WITH rows AS (SELECT *, 1 AS shop FROM spine) {joined}") == [(7,)]
    if kind not in ("VARCHAR", "BLOB"):
        with pytest.raises(Invalid, match="is not of type"):
            erasing.run("DELETE ENTITY (k = 'no such') FROM FEATURE SET of")
    assert dict(erasing.run(f"DELETE ENTITY (k = {value}) FROM FEATURE SET of").facts)["rows"] == 2
    assert erasing.rows(read) == [(None,)] and erasing.rows("SELECT count(*) FROM of") == [(0,)]


NOTES = """
CREATE PROJECT r; CREATE TABLE r.o AS SELECT * FROM orders;
CREATE FEATURE SET r.person (ENTITY customer, TIMESTAMP ts) AS SELECT customer, ts, total FROM r.o;
CREATE TABLE notes AS SELECT 'c' || range AS customer, 'body ' || range AS body FROM range(3);
CREATE COLLECTION r.col KEY (customer) TEXT body AS SELECT customer, body FROM "default".notes;
CREATE PROJECT alone; CREATE COLLECTION alone.col KEY (customer) TEXT body AS SELECT customer, body FROM "default".notes
"""


def test_who_was_deleted_while_a_project_was_dropped_is_not_found_in_its_collections(erasing: Erasing) -> None:
    """At once, also when its collections cannot be made anew any more; whatever else the project has."""
    pytest.importorskip("lancedb")
    erasing.run(NOTES)
    for project in ("r", "alone"):
        erasing.run(f"DROP PROJECT {project} CASCADE")
        plan = erasing.rows(f"EXPLAIN DELETE ENTITY (customer = 'c1') FROM PROJECT {project}")
        assert ("delete", f"dropped collection {project}.col", "documents and vectors") in [row[:3] for row in plan]
        done = erasing.run(f"DELETE ENTITY (customer = 'c1') FROM PROJECT {project}")
        assert done.facts["documents"] == 1 and "1 document of 1 collection" in done.message
        with pytest.raises(NotFound, match="is no entity of a feature set of project"):
            erasing.run(f"DELETE ENTITY (custmer = 'c1') FROM PROJECT {project}")
    vectors = erasing.house.home.path / "vectors"
    assert len(list(vectors.glob("*.lance"))) == 2
    assert not any(b"body 1" in path.read_bytes() for path in vectors.rglob("*") if path.is_file())
    erasing.run("DROP TABLE notes")
    erasing.reopen()
    for project in ("r", "alone"):
        assert erasing.run(f"RESTORE PROJECT {project}").message == f"restored project {project}"
        search = f"SELECT customer FROM ml.search('{project}.col', 'body') ORDER BY 1"
        assert erasing.rows(search) == [("c0",), ("c2",)]
        assert erasing.rows(f"SELECT documents FROM ml.collections WHERE project = '{project}'") == [(2,)]
    assert erasing.rows("SELECT count(*) FROM r.person") == [(8,)]
    erasing.run("DROP PROJECT r CASCADE; DROP PROJECT r PURGE; DROP PROJECT alone CASCADE; DROP PROJECT alone PURGE")
    assert not list(vectors.glob("*.lance"))


def test_a_collection_that_cannot_be_made_anew_comes_back_without_rows(erasing: Erasing) -> None:
    pytest.importorskip("lancedb")
    erasing.run("CREATE TABLE notes AS SELECT 'c' || range AS customer, 'body ' || range AS body FROM range(3)")
    erasing.run("CREATE COLLECTION col KEY (customer) TEXT body AS SELECT customer, body FROM notes")
    erasing.run("DROP COLLECTION col; DELETE ENTITY (customer = 'c1') FROM PROJECT default; DROP TABLE notes")
    message = erasing.run("RESTORE COLLECTION col").message
    assert "it is empty, since its query fails" in message and "REFRESH COLLECTION default.col FULL fills it" in message
    assert erasing.rows("SELECT customer FROM ml.search('col', 'body')") == []
    erasing.run("CREATE TABLE notes AS SELECT 'c7' AS customer, 'body 7' AS body; REFRESH COLLECTION col FULL")
    assert erasing.rows("SELECT customer FROM ml.search('col', 'body')") == [("c7",)]


def test_what_does_not_work_again_does_not_keep_the_rest_from_it(erasing: Erasing) -> None:
    erasing.run("CREATE PROJECT r; CREATE TABLE r.t AS SELECT 1 AS x; DROP PROJECT r CASCADE")
    kept = erasing.house.restoring._keepers["project"]
    told: list[str] = []

    def fails(found: Any, caller: Any) -> None:
        raise NotFound("the shop of r is away")

    kept.arrived[:] = [fails, lambda found, caller: told.append(found.name)]
    assert erasing.run("RESTORE PROJECT r").message == "restored project r; the shop of r is away"
    assert told == ["r"] and erasing.rows("SELECT x FROM r.t") == [(1,)]


@pytest.mark.parametrize("there", [True, False])
def test_a_project_that_comes_or_goes_behind_the_plan(erasing: Erasing, there: bool) -> None:
    """Another session restores or drops it between the plan and the deletion."""
    erasing.run("CREATE PROJECT r; CREATE TABLE r.o AS SELECT * FROM orders")
    erasing.run("CREATE FEATURE SET r.person (ENTITY customer, TIMESTAMP ts) AS SELECT customer, ts, total FROM r.o")
    meanwhile = ["DROP PROJECT r CASCADE", "RESTORE PROJECT r"]
    if not there:
        erasing.run(meanwhile.pop(0))
    erasure, command = erasing.house.features.erasure, DeleteEntity(ref=None, project="r", entity={"customer": "c1"})
    plan = erasure.plan(command, Caller())
    erasing.run(meanwhile.pop(0))
    done = erasure.execute(command, plan, Caller())
    assert done.facts["rows"] == 4
    for text in meanwhile:
        erasing.run(text)
    assert erasing.rows("SELECT count(*), count(*) FILTER (customer = 'c1') FROM r.person") == [(8, 0)]


def test_errors_in_histories_lose_the_values(erasing: Erasing) -> None:
    """What DuckDB says of a row that does not convert has the row's values in it."""
    for customer in ("c1", "c2"):
        with pytest.raises(MlboxError, match=customer):
            erasing.run(f"INSERT INTO person SELECT 'x', now(), '{customer}', 1")
        told = {"error": f"row 1: {customer} {customer} is no number"}
        erasing.house.bus.publish(Event("feature_set.behind", "default", "person", told))
    histories = "SELECT error FROM ml.audit WHERE error IS NOT NULL UNION ALL SELECT data::VARCHAR FROM ml.events"
    wait_until(lambda: len(erasing.rows(histories)) >= 4)  # they are written when nobody waits for anything else
    assert "c1" in str(erasing.rows(histories))
    erasing.run("DELETE ENTITY (customer = 'c1') FROM PROJECT default")
    left = str(erasing.rows(histories))
    assert "c1" not in left and "c2 c2 is no number" in left and "*** *** is no number" in left
    assert "total is not of type DECIMAL(21,1): ***" in left  # what was wrong is told all the same


TYPED = """
CREATE TABLE d.t AS SELECT DATE '2026-01-02' AS day, TRUE AS member, 7 AS id, 'n42' AS word, 'a "b" \\ c' AS quoted,
    'error' AS error, now() AS ts, 1 AS x;
CREATE FEATURE SET d.days (ENTITY day, TIMESTAMP ts) AS SELECT day, ts, x FROM d.t;
CREATE FEATURE SET d.members (ENTITY member, TIMESTAMP ts) AS SELECT member, ts, x FROM d.t;
CREATE FEATURE SET d.ids (ENTITY id, TIMESTAMP ts) AS SELECT id, ts, x FROM d.t;
CREATE FEATURE SET d.words (ENTITY word, TIMESTAMP ts) AS SELECT word, ts, x FROM d.t;
CREATE FEATURE SET d.quotes (ENTITY quoted, TIMESTAMP ts) AS SELECT quoted, ts, x FROM d.t;
CREATE FEATURE SET d.errors (ENTITY error, TIMESTAMP ts) AS SELECT error, ts, x FROM d.t
"""


@pytest.fixture(scope="module")
def kinds(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Erasing]:
    made = Erasing(tmp_path_factory.mktemp("kinds"), Settings())
    made.run("CREATE PROJECT d")
    made.run(TYPED)
    yield made
    made.house.close()


def told(erasing: Erasing, object: str, error: str) -> None:
    """An event, and a line of the audit, of an object of project d."""
    erasing.house.bus.publish(Event("feature_set.behind", "d", object, {"error": error, "n42": 1}))
    row = audit.AuditRow(new_id(), now(), "ana", "sql", "d", "INSERT", f"d.{object}", "error", error, 1.0)
    erasing.house.catalog.submit(lambda cursor: audit.insert(cursor, row)).result()


def texts(erasing: Erasing, object: str) -> set[str | None]:
    """What the histories tell of it now."""
    found = f"SELECT error FROM ml.audit WHERE object = 'd.{object}' AND statement = 'INSERT' UNION ALL "
    found += f"SELECT data::JSON->>'$.error' FROM ml.events WHERE object = '{object}' AND kind = 'feature_set.behind'"
    wait_until(lambda: len(erasing.rows(found)) == 2)
    return {row[0] for row in erasing.rows(found)}


@pytest.mark.parametrize(
    ("entity", "text", "left"),
    [
        ("word = 'n42'", "line\n42 here, n42\tn42", "line\n42 here, ***\t***"),
        ("word = 'n42'", 'a "n42" \\n42', 'a "***" \\***'),
        ("error = 'error'", "an error", "an ***"),
        ("quoted = 'a \"b\" \\ c'", 'no number: a "b" \\ c', "no number: ***"),
        ("day = DATE '2026-01-02'", "bad 2026-01-02, 2026-01-02 00:00:00", "bad ***, *** 00:00:00"),
        ("member = TRUE", "member is true, not True", "member is ***, not ***"),
        ("member = TRUE", "that is true", "that is true"),
        ("id = 7", 'row {"id": 7}', 'row {"id": ***}'),
        ("id = 7", "id of ids: File train.py, line 7, in train", "id of ids: File train.py, line 7, in train"),
        ("id = 7", "answered after 7 tries", "answered after 7 tries"),
    ],
)
def test_redacted_texts(kinds: Erasing, entity: str, text: str, left: str) -> None:
    object = f"o{new_id()}"
    told(kinds, object, text)
    kinds.run(f"DELETE ENTITY ({entity}) FROM PROJECT d")
    assert texts(kinds, object) == {left}
    assert kinds.rows(f"SELECT data::JSON->>'$.n42' FROM ml.events WHERE object = '{object}'") == [("1",)]


def test_events_of_dropped_projects_are_redacted(erasing: Erasing) -> None:
    erasing.run("CREATE PROJECT r; CREATE TABLE r.o AS SELECT * FROM orders")
    erasing.run("CREATE FEATURE SET r.person (ENTITY customer, TIMESTAMP ts) AS SELECT customer, ts, total FROM r.o")
    erasing.house.bus.publish(Event("feature_set.behind", "r", "person", {"error": "c1\nc2"}))
    found = "SELECT data::JSON->>'$.error' FROM ml.events WHERE project = 'r' AND kind = 'feature_set.behind'"
    wait_until(lambda: erasing.rows(found) != [])
    erasing.run("DROP PROJECT r CASCADE; DELETE ENTITY (customer = 'c1') FROM PROJECT r; RESTORE PROJECT r")
    assert erasing.rows(found) == [("***\nc2",)]


def test_a_set_has_errors_of_its_own(kinds: Erasing) -> None:
    for object in ("words", "other"):
        told(kinds, object, "n42 is no number")
    kinds.run("DELETE ENTITY (word = 'n42') FROM FEATURE SET d.words")
    assert texts(kinds, "words") == {"*** is no number"}
    assert texts(kinds, "other") == {"n42 is no number"}
