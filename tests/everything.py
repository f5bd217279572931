"""A project in which there is one object of every kind, made by statements, each from the one before."""

from __future__ import annotations

import hashlib
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from fresh_home import fresh_home
from onnx_models import scaled

from mlbox.app.house import House
from mlbox.base.command import Caller, Result
from mlbox.base.settings import Settings
from mlbox.sql.session import Session

SCRIPT = """
CREATE PROJECT shop COMMENT 'a shop';
USE PROJECT shop;
CREATE TABLE shop.tx AS
SELECT i % 5 AS client, TIMESTAMP '2026-01-01' + to_hours(i) AS ts, i::DOUBLE AS amount FROM range(50) t(i);
CREATE FEATURE SET spending (ENTITY client, TIMESTAMP ts, amount DOUBLE CHECK (amount >= 0))
AGGREGATE (sum(amount) OVER (INTERVAL '1 day') AS spent) STORE OFFLINE AND ONLINE AS SELECT client, ts, amount FROM tx;
CREATE FEATURE SET labels (ENTITY client, TIMESTAMP ts) AS SELECT client, ts, (amount > 20)::INTEGER AS late FROM tx;
CREATE SOURCE raw COMMENT 'all of tx' AS SELECT * FROM tx;
CREATE FEATURE SET copied (ENTITY client, TIMESTAMP ts) FROM raw;
CREATE SOURCE app TYPE http;
CREATE FEATURE SET pushed (ENTITY client BIGINT, TIMESTAMP ts, amount DOUBLE NOT NULL) STORE OFFLINE AND ONLINE
AGGREGATE (sum(amount) OVER (1 HOUR) EVERY 5 MINUTES AS recent, quantile(amount, 0.9) OVER (1 DAY) AS high,
count(*) OVER (CALENDAR DAY TIMEZONE 'Europe/Berlin') AS today)
WITH (allowed_lateness = INTERVAL '1 hour', time_unit = 'ms') FROM app;
CREATE FEATURE VECTOR v AS FEATURES (spending.spent) LABEL labels.late;
CREATE COLLECTION notes KEY (client) TEXT note AS SELECT DISTINCT client, 'client ' || client AS note FROM tx;
CREATE FUNCTION train FROM 'train.py';
RUN train FROM v WITH (lr = 0.1) AS fit;
CREATE MODEL m FROM RUN fit ARTIFACT 'model' FEATURES v ALIAS champion;
CREATE MODEL m FROM 'model.onnx' INPUT (spent DOUBLE);
CREATE ENDPOINT e USING MODEL m@champion;
CREATE FEED rows FROM TABLE tx TO ENDPOINT e INTO TABLE scored COMMENT 'of tx';
CREATE MONITOR watch ON ENDPOINT e BASELINE (SELECT amount AS spent FROM tx) METRICS (psi) WINDOW 1 DAY;
CREATE WORKFLOW w AS (STEP a AS (SELECT 1 AS x), STEP b AFTER a WHEN (a.x > 0) AS (REFRESH FEATURE SET spending));
CREATE SCHEDULE hourly CRON '0 * * * *' AS RUN WORKFLOW w;
CREATE ALERT late ON MONITOR watch WHEN psi > 0.2 THEN NOTIFY 'log:';
"""

TRAIN = """
MODEL = bytes.fromhex("%s")


def handler(ctx, frame=None, lr=1.0):
    ctx.log_metric("auc", 0.9)
    ctx.log_model("model", MODEL, feature_names=["spent"])
"""


def write_files(folder: Path) -> None:
    """The files that the script reads."""
    folder.mkdir(exist_ok=True)
    model = scaled(0.1, width=1)
    (folder / "model.onnx").write_bytes(model)
    (folder / "train.py").write_text(TRAIN % model.hex())


class Everything:
    """The house, a session in project ``shop``, and the folder of its files."""

    def __init__(self, house: Any, folder: Path) -> None:
        self.house = house
        self.folder = folder
        write_files(folder)
        self.session = Session(house.catalog, house.dispatcher, Caller(), base_folder=str(folder))
        for statement in SCRIPT.strip().split(";\n"):
            self.run(statement)

    def run(self, text: str, parameters: Any = None) -> Result:
        """Carry out a script; the last result."""
        return [outcome.result for outcome in self.session.run(text, parameters)][-1]

    def rows(self, text: str) -> list[dict[str, Any]]:
        """The rows of a query."""
        table = self.run(text).table
        assert table is not None
        return list(table.to_pylist())

    def fingerprint(self, without: Collection[str] = ()) -> dict[str, Any]:
        """All rows of all tables but ``without`` in both files, views, and the files of the home beside them."""
        # behind whatever was submitted before, also what can wait
        self.house.catalog.submit(lambda cursor: None, patient=True).result()
        found: dict[str, Any] = {}
        with self.house.catalog.read() as cursor:
            tables = cursor.execute(
                "SELECT database_name, schema_name, table_name FROM duckdb_tables() "
                "WHERE database_name IN ('catalog', 'data') ORDER BY ALL"
            ).fetchall()
            for parts in tables:
                if ".".join(parts) in without:
                    continue
                name = ".".join(f'"{part}"' for part in parts)
                digest = f"SELECT count(*), bit_xor(hash(t)), sum(hash(t)::HUGEINT % 1000003) FROM {name} t"
                found[name] = cursor.execute(digest).fetchone()
            found["views"] = cursor.execute(
                "SELECT database_name, schema_name, view_name, sql FROM duckdb_views() WHERE NOT internal ORDER BY ALL"
            ).fetchall()
        home: Path = self.house.home.path
        for path in sorted(home.rglob("*")):
            if path.is_file() and ".duckdb" not in path.name and path.name not in ("lock.mdb", "server.json"):
                found[str(path.relative_to(home))] = hashlib.sha256(path.read_bytes()).hexdigest()
        return found


@contextmanager
def opened(folder: Path, settings: Settings | None = None) -> Iterator[Everything]:
    """In a house of its own that serves and watches runs."""
    house = House.open(fresh_home(folder / "home"), settings or Settings())
    house.runs.reattach()
    house.endpoints.start()
    made = Everything(house, folder / "files")
    try:
        yield made
    finally:
        made.house.close()  # it may have been opened again
