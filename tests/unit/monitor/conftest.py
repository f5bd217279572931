"""A real catalog, dispatcher and language; predictions come from a generator with a seed."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pytest
from fresh_home import fresh_home
from security_parts import permission_of

from mlbox.app.dispatcher import CommandDispatcher
from mlbox.base.clock import now
from mlbox.base.command import Caller, Result
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.settings import Settings
from mlbox.client.statistics import feature_stats
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.catalog.tables import endpoints, models, predictions
from mlbox.engine.monitor.service import Monitors
from mlbox.engine.security.fence import Fence
from mlbox.engine.workflows.service import Workflows
from mlbox.sql.plain import PlainSql
from mlbox.sql.script import SqlParser

START = datetime(2013, 7, 1, tzinfo=UTC)
DAY = timedelta(days=1)


@dataclass
class House:
    """What the tests look at."""

    catalog: Catalog
    bus: Bus
    dispatcher: CommandDispatcher
    workflows: Workflows
    monitors: Monitors
    parser: SqlParser
    events: list[Event] = field(default_factory=list)

    def sql(self, text: str) -> Result:
        """One statement, as a user sends it."""
        return self.dispatcher.dispatch(self.parser.parse_one(text, "default", {}), Caller())

    def rows(self, text: str) -> list[dict[str, Any]]:
        return self.catalog.rows(text)

    def one(self, text: str) -> dict[str, Any]:
        (row,) = self.rows(text)
        return row

    def drift(self, metric: str, feature: str | None = None) -> dict[int, float]:
        """Values by the day of the window, from 0; all segments together."""
        found = self.rows("SELECT * FROM catalog.ml.drift WHERE segment IS NULL ORDER BY window_start")
        return {
            (row["window_start"] - START) // DAY: row["value"]
            for row in found
            if row["metric"] == metric and row["feature"] == feature
        }

    def model(self, version: int = 1, mean: float = 0.0, stats: bool = True) -> None:
        """A version of model m, trained on x ~ N(mean, 1) and the constant y = 1."""
        generator = np.random.default_rng(version)
        frame = {"x": generator.normal(mean, 1, 4000).tolist(), "y": [1.0] * 4000}

        def write(cursor: Any) -> None:
            model = models.get(cursor, "default", "m")
            if model is None:
                model = models.ModelRow(new_id(), "default", "m", 0, None, now())
                models.insert(cursor, model)
            models.insert_version(
                cursor,
                models.ModelVersion(
                    model_id=model.id,
                    project="default",
                    name="m",
                    version=version,
                    digest="0" * 64,
                    size=1,
                    inputs=(("x", "FLOAT"),),
                    outputs=(("p", "FLOAT"),),
                    features=("x", "y"),
                    feature_stats=feature_stats(frame) if stats else {},
                    created_at=now(),
                ),
            )

        self.catalog.write(write)

    def endpoint(self) -> None:
        """Endpoint e, which serves version 1 of m."""
        row = endpoints.EndpointRow(
            id=new_id(),
            project="default",
            name="e",
            shares=(endpoints.ShareRow("default", "m", "1"),),
            created_at=now(),
            changed_at=now(),
        )
        self.catalog.write(lambda cursor: endpoints.insert(cursor, row))

    def predict(
        self, day: int, rows: int = 400, *, mean: float = 0.0, version: int = 1, auc: bool = True, **more: Any
    ) -> None:
        """Predictions of a day with x ~ N(mean, 1), and their labels, known two days later."""
        generator = np.random.default_rng([day, rows, version])
        x = generator.normal(mean, 1, rows)
        label = (generator.random(rows) < 1 / (1 + np.exp(-2 * x))).astype(float)
        prediction = 1 / (1 + np.exp(-(2 * x if auc else generator.normal(0, 1, rows))))
        at = [START + day * DAY + timedelta(seconds=int(second)) for second in generator.integers(0, 86_400, rows)]
        ids = [f"{day}-{rows}-{version}-{index}" for index in range(rows)]
        time = pa.timestamp("us", "UTC")
        values = np.column_stack([x, np.ones(rows)]).ravel()
        table = pa.table(
            {
                "project": ["default"] * rows,
                "endpoint": ["e"] * rows,
                "model": ["m"] * rows,
                "model_version": pa.array([version] * rows, pa.int32()),
                "request_id": ids,
                "ordinal": pa.array([0] * rows, pa.int32()),
                "row_id": ids,
                "predicted_at": pa.array(at, time),
                "event_time": pa.array(at, time),
                "latency_ms": [1.0] * rows,
                "status": [more.get("status", "ok")] * rows,
                "inputs": [json.dumps({"country": "DE" if index % 4 else "FR"}) for index in range(rows)],
                "features": pa.MapArray.from_arrays(
                    pa.array(range(0, 2 * rows + 1, 2), pa.int32()), pa.array(["x", "y"] * rows), pa.array(values)
                ),
                "prediction": prediction,
                "outputs": pa.array([None] * rows, pa.string()),
                "shadow": [bool(more.get("shadow", False))] * rows,
            }
        )
        truth = pa.table({"id": ids, "label": label, "known_at": pa.array([moment + 2 * DAY for moment in at], time)})

        def write(cursor: Any) -> None:
            predictions.append(cursor, predictions.Batch(table, {}, json=True))
            cursor.register("_truth", truth)
            cursor.execute(
                "CREATE TABLE IF NOT EXISTS data.default.truth (id VARCHAR, label DOUBLE, known_at TIMESTAMPTZ)"
            )
            cursor.execute("INSERT INTO data.default.truth SELECT * FROM _truth")
            cursor.unregister("_truth")

        self.catalog.write_data(write)


@pytest.fixture
def house(tmp_path: Path) -> Iterator[House]:
    """An empty one."""
    catalog = Catalog.open(fresh_home(tmp_path / "home"))
    bus, dispatcher, parser = Bus(), CommandDispatcher(catalog, permission_of(catalog)), SqlParser()
    workflows = Workflows(catalog=catalog, bus=bus, dispatcher=dispatcher, parser=parser)
    monitors = Monitors(catalog=catalog, bus=bus, dispatcher=dispatcher, parser=parser)
    monitors.add_to(workflows.alterations)
    for service in (workflows, monitors, PlainSql(catalog, Fence(catalog), Settings())):
        dispatcher.register(service.handlers())
    found = House(catalog, bus, dispatcher, workflows, monitors, parser)
    bus.listen(found.events.append)
    yield found
    monitors.shutdown()
    workflows.shutdown()
    catalog.close()


@pytest.fixture
def served(house: House) -> House:
    """One that serves version 1 of m at endpoint e."""
    house.model()
    house.endpoint()
    return house


@dataclass
class Hook:
    """A webhook that keeps what it is told; it answers ``answers`` in turn, then 200."""

    url: str = ""
    answers: list[int] = field(default_factory=list)
    told: list[dict[str, Any]] = field(default_factory=list)


@pytest.fixture
def hook() -> Iterator[Hook]:
    """On a free port of loopback."""
    found = Hook()

    class Answer(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            found.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            self.send_response(found.answers.pop(0) if found.answers else 200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, *arguments: Any) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Answer)
    found.url = f"http://127.0.0.1:{server.server_address[1]}/hook"
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield found
    server.shutdown()
    server.server_close()
    thread.join()
