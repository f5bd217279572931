"""Has Spark compute what is planned: rows are handed over as Parquet, a run of the project does the work.

The run is one like any other, of the function ``mlbox_spark`` on the Spark executor: it has a log, takes its turn, is
cancelled with its statement, and goes on when the server restarts.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.command import Caller, Dispatcher, Query, Step
from mlbox.base.errors import NotExecuted
from mlbox.base.names import Ref
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.evolution import adapted_sql
from mlbox.engine.features.retrieval import Retrieval
from mlbox.engine.features.sources.base import Rows
from mlbox.engine.features.spark import sampling
from mlbox.engine.features.spark.exchange import Exchange, exchange, result_sql
from mlbox.engine.features.spark.options import ENGINE
from mlbox.engine.features.spark.plan import SparkPlan
from mlbox.engine.features.spark.planning import planned
from mlbox.engine.runs.commands import CreateFunction, StartRun
from mlbox.engine.runs.executors.base import EXECUTORS, Foreseeing, Wish

if TYPE_CHECKING:
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog

FUNCTION = "mlbox_spark"
_CODE = '''
    """Made by mlbox: has Spark compute what ENGINE spark asks for."""


    def compute(spark, job: str):
        from mlbox.client.on_spark import compute

        return compute(spark, job)
    '''


@dataclass(frozen=True, slots=True)
class Wanted:
    """A plan of a query of a project; ``label`` says what it is for, ``options`` are those of the executor."""

    plan: SparkPlan
    query: Query
    project: str
    label: str
    options: Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class Computed:
    """Rows that Spark has computed, by the names and types of DuckDB, and the run that did it."""

    rows: Rows
    run: str


class SparkQueries:
    """Plans and carries out queries on Spark."""

    def __init__(self, catalog: Catalog, retrieval: Retrieval, home: Home, settings: Settings) -> None:
        self.dispatcher: Dispatcher | None = None
        self._catalog = catalog
        self._retrieval = retrieval
        self._home = home
        self._settings = settings

    def plan(self, project: str, query: Query) -> SparkPlan:
        """See :func:`~mlbox.engine.features.spark.planning.planned`."""
        if self.dispatcher is None:
            raise NotExecuted("runs are not started here, so there is no Spark")
        return planned(self._catalog, self._retrieval.ask, project, query)

    def steps(self, plan: SparkPlan, options: Mapping[str, Any]) -> tuple[Step, ...]:
        """What EXPLAIN shows: the tables that go to Spark, its SQL, where it is."""
        executor = EXECUTORS.get(ENGINE)(home=self._home, settings=self._settings)
        foreseen = executor.foresee(Wish(options=options)) if isinstance(executor, Foreseeing) else ()
        return (
            *(Step("read", given.told, f"to Spark as {given.name}, by Parquet") for given in plan.inputs),
            *(Step(*step) for step in foreseen),
            Step("execute", "Spark SQL", plan.text),
        )

    @contextmanager
    def carried_out(self, wanted: Wanted) -> Iterator[Computed]:
        """The rows, for as long as the block lasts. Raises what the run raises, and ``Conflict`` where both engines
        give different rows for a sample."""
        with exchange(self._root) as place:
            checked = self._send(wanted, place)
            run = self._run(wanted, place)
            if checked:
                sampling.compare(self._catalog, wanted.project, wanted.plan, wanted.query, place)
            yield Computed(Rows(result_sql(wanted.plan), lambda: place.received("output")), run)

    def tidy(self) -> None:
        """At the start of a server: remove what a job left whose server ended, unless its run goes on."""
        going = self._catalog.row(
            "SELECT 1 FROM catalog.ml.runs WHERE function = ? AND state IN ('pending', 'preparing', 'running')",
            [FUNCTION],
        )
        for folder in self._root.glob("*/") if going is None else ():
            shutil.rmtree(folder, ignore_errors=True)

    @property
    def _root(self) -> Path:
        """A folder of this home's own: others may use the same exchange."""
        given = self._settings.spark_exchange
        if not given:
            return self._home.cache.resolve() / "spark"
        ours = hashlib.sha256(str(self._home.path.resolve()).encode()).hexdigest()[:12]
        return Path(given).expanduser() / f"mlbox-{ours}"

    @contextmanager
    def body(self, feature_set: FeatureSet) -> Iterator[Rows]:
        """The rows of a set's query, for as long as the block lasts."""
        query = Query(feature_set.body or "", 0, feature_set.body or "")
        plan = self.plan(feature_set.project, query)
        label = f"feature set {feature_set.ref}"
        wanted = Wanted(plan, query, feature_set.project, label, feature_set.engine_options)
        with self.carried_out(wanted) as computed:
            names = [name for name, _ in plan.columns]
            yield replace(computed.rows, sql=adapted_sql(feature_set, computed.rows.sql, names))

    def _send(self, wanted: Wanted, place: Exchange) -> bool:
        """All inputs as of one moment; whether there is a sample too."""
        plan = wanted.plan
        checked = sampling.is_possible(plan, wanted.query)
        paths: dict[str, str] = {}
        samples: dict[str, str] = {}
        size = 0
        with self._catalog.session(wanted.project, reading=True) as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                for given in plan.inputs:
                    paths[given.name], written = place.send(cursor, given, "input")
                    size += written
                    if checked:
                        samples[given.name], _ = place.send_sample(cursor, given)
            finally:
                cursor.execute("ROLLBACK")
        job = json.loads(plan.to_text(paths, str(place.folder / "output")))
        job["bytes"] = size
        if checked:
            job["sample"] = {"inputs": samples, "output": str(place.folder / "sample-output")}
        place.job.write_text(json.dumps(job), encoding="utf-8")
        return checked

    def _run(self, wanted: Wanted, place: Exchange) -> str:
        assert self.dispatcher is not None
        code = self._home.cache.resolve() / "spark" / f"{FUNCTION}.py"
        code.parent.mkdir(parents=True, exist_ok=True)
        code.write_text(textwrap.dedent(_CODE).lstrip(), encoding="utf-8")
        caller = Caller(project=wanted.project, door="engine")
        function = Ref(wanted.project, FUNCTION)
        self.dispatcher.dispatch(
            CreateFunction(ref=function, source=str(code), runtime=ENGINE, options=wanted.options, replace=True), caller
        )
        start = StartRun(function=function, parameters={"job": str(place.job)}, labels={"for": wanted.label})
        return str(self.dispatcher.dispatch(start, caller).facts["run"])
