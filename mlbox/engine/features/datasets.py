"""CREATE DATASET: rows of a query as a version of a dataset artifact, with the query and what it was made from."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid
from mlbox.base.events import Bus, Event
from mlbox.base.ids import new_id
from mlbox.base.names import Ref, check_name
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.catalog.tables import artifacts as table
from mlbox.engine.catalog.tables import lineage as edges
from mlbox.engine.catalog.tables import projects
from mlbox.engine.features.commands import CreateDataset
from mlbox.engine.features.directory import Directory
from mlbox.engine.features.lineage import sources_of
from mlbox.engine.features.reading import opened
from mlbox.engine.features.retrieval import ref_of
from mlbox.engine.features.sources.base import Rows
from mlbox.engine.features.spark.options import ENGINE as SPARK
from mlbox.engine.features.spark.options import check_engine
from mlbox.engine.features.spark.service import SparkQueries, Wanted

if TYPE_CHECKING:
    from pathlib import Path

    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.spark.plan import SparkPlan
    from mlbox.engine.storage.artifacts import ArtifactStore

BATCH = 100_000
PREVIEW = 5
PARQUET = "application/vnd.apache.parquet"
_TEXT = "'((?:[^']|'')+)'"
_RETRIEVED = re.compile(rf"\bml\s*\.\s*features(?:_at)?\s*\(\s*{_TEXT}\s*(?:,\s*{_TEXT})?", re.IGNORECASE)


class Datasets:
    """Answers CREATE DATASET. Rows are written while they are computed: they need not fit in memory."""

    def __init__(
        self, catalog: Catalog, bus: Bus, directory: Directory, artifacts: ArtifactStore, spark: SparkQueries
    ) -> None:
        self._catalog = catalog
        self._spark = spark
        self._bus = bus
        self._directory = directory
        self._artifacts = artifacts
        self._home = catalog.home

    def handlers(self) -> Iterable[Handler]:
        """The command it answers."""
        return (Handler(CreateDataset, self.plan, self.execute),)

    def plan(self, command: CreateDataset, caller: Caller) -> Plan:
        """The query must bind."""
        check_name(command.ref.name, "dataset name")
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
        check_engine(command.engine, command.options)
        columns = self._catalog.describe(command.ref.project, command.query)
        write = Step("write", f"dataset {command.ref}", f"{counted(len(columns), 'column')}, as Parquet")
        if command.engine == SPARK:
            planned = self._spark.plan(command.ref.project, command.query)
            return Plan((*self._spark.steps(planned, command.options), write), {"spark": planned})
        read = [Step("read", f"{kind} {name}") for kind, name in self._sources(command)]
        return Plan((*read, write))

    def _sources(self, command: CreateDataset) -> list[tuple[str, str]]:
        """(kind, reference) of what the query reads; vectors and spines of ``ml.features`` where they are literals."""
        project, text = command.ref.project, command.query.text
        found = set(sources_of(self._catalog, project, text))
        for vector, spine in _RETRIEVED.findall(text):
            known = self._directory.find_vector(ref_of(vector.replace("''", "'"), project))
            if known is not None:
                found.add(("feature vector", f"{known.project}.{known.name}"))
            if spine:
                of_set = self._directory.find_set(ref_of(spine.replace("''", "'"), project))
                if of_set is not None:
                    found.add(("feature set", str(of_set.ref)))
                elif self._is_table(project, spine):
                    ref = ref_of(spine, project)
                    found.add(("table", f"{ref.project}.{ref.name}"))
        return sorted(found)

    def _is_table(self, project: str, name: str) -> bool:
        ref = ref_of(name, project)
        found = self._catalog.row(
            "SELECT 1 FROM information_schema.tables WHERE table_catalog = 'data' AND lower(table_schema) = ? "
            "AND lower(table_name) = ?",
            [ref.project.lower(), ref.name.lower()],
        )
        return found is not None

    def execute(self, command: CreateDataset, plan: Plan, caller: Caller) -> Result:
        """Parquet into the artifact store, then the artifact with its lineage; the same bytes are the same version."""
        project = command.ref.project
        place = self._home.cache / f"dataset-{new_id()}.parquet"
        planned: SparkPlan | None = plan.resolved.get("spark")
        run: str | None = None
        try:
            if planned is None:
                rows, schema, preview = self._write(command.ref, Rows(command.query.text), place)
            else:
                asked = Wanted(planned, command.query, project, f"dataset {command.ref}", command.options)
                with self._spark.carried_out(asked) as computed:
                    run = computed.run
                    rows, schema, preview = self._write(command.ref, computed.rows, place)
            blob = self._artifacts.put_path(place)
        finally:
            place.unlink(missing_ok=True)
        metadata = {"schema": schema, "rows": rows, "preview": preview, "query": command.query.text}
        if command.comment:
            metadata["comment"] = command.comment
        if planned is not None:
            metadata.update(engine=SPARK, engine_query=planned.text, run=run)
        row = table.ArtifactRow(
            id=new_id(),
            project=project,
            run_id=None,
            name=command.ref.name,
            kind="dataset",
            digest=blob.digest,
            size=blob.size,
            created_at=now(),
            media_type=PARQUET,
            file_name=f"{command.ref.name}.parquet",
            metadata=metadata,
        )
        sources = [*self._sources(command), *([("run", run)] if run else [])]

        def write(cursor: DuckDBPyConnection) -> table.ArtifactRow:
            kept = table.insert(cursor, row)
            to = f"{project}.{kept.name}@{kept.version}"
            edges.record_all(
                cursor,
                [edges.Edge(project, kind, ref, "artifact", to, now(), "CREATE DATASET") for kind, ref in sources],
            )
            return kept

        kept = self._catalog.write(write)
        self._bus.publish(Event("artifact.logged", project, kept.name, {"kind": "dataset", "version": kept.version}))
        return Result(
            f"created dataset {project}.{kept.name}, version {kept.version}: {counted(rows, 'row')}, "
            f"{counted(blob.size, 'byte')}",
            facts={"rows": rows, "version": kept.version},
        )

    def _write(self, ref: Ref, given: Rows, place: Path) -> tuple[int, list[dict[str, str]], list[list[Any]]]:
        import duckdb
        import pyarrow.parquet as parquet

        rows, preview = 0, []
        with self._catalog.session(ref.project, reading=True) as cursor:
            cursor.execute("BEGIN TRANSACTION READ ONLY")
            try:
                with opened(cursor, given):
                    relation = cursor.sql(given.sql)
                    if relation is None:
                        raise Invalid("a dataset is made of a query", hint="CREATE DATASET name AS SELECT …")
                    reader = relation.to_arrow_reader(BATCH)
                    with parquet.ParquetWriter(place, reader.schema, compression="zstd") as writer:
                        for batch in reader:
                            if rows == 0:
                                first = batch.slice(0, PREVIEW).to_pylist()
                                preview = [[_plain(value) for value in row.values()] for row in first]
                            rows += batch.num_rows
                            writer.write_batch(batch)
                schema = [{"name": field.name, "type": str(field.type)} for field in reader.schema]
            except duckdb.Error as error:
                raise translate(error) from None
            finally:
                cursor.execute("ROLLBACK")
        return rows, schema, preview


def _plain(value: Any) -> Any:
    return value if value is None or isinstance(value, bool | int | float | str) else str(value)
