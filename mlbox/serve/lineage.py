"""What an endpoint is made from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.clock import now
from mlbox.engine.catalog.tables import lineage
from mlbox.engine.catalog.tables.lineage import Edge
from mlbox.serve.graph.runtime import GraphRuntime

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.serve.endpoint import Runtime


def edges(runtime: Runtime) -> list[Edge]:
    """From the model versions that answer and the vector that enriches; and to the log of its predictions."""
    row, moment = runtime.row, now()
    to = f"{row.project}.{row.name}"
    arms = [] if row.function or row.graph else [(arm, "USING") for arm in runtime.arms]
    arms += [(arm, how) for arm, how in ((runtime.meta, "BY"), (runtime.shadow, "SHADOW")) if arm]
    sources = [("model", arm.label if "." in arm.model else f"{row.project}.{arm.label}", how) for arm, how in arms]
    if row.function is not None:
        project, name, version = row.function
        sources.append(("function", f"{project}.{name}@{version}", "USING"))
    if isinstance(runtime, GraphRuntime):
        sources += [(kind, ref, "USING GRAPH") for kind, ref in runtime.uses if kind not in ("table", "secret")]
    if row.vector is not None:
        sources.append(("feature vector", f"{row.vector[0]}.{row.vector[1]}", "ENRICH WITH"))
    found = [Edge(row.project, kind, ref, "endpoint", to, moment, how) for kind, ref, how in sources]
    if isinstance(runtime, GraphRuntime):
        written = [ref for kind, ref in runtime.uses if kind == "table"]
        found += [Edge(row.project, "endpoint", to, "table", ref, moment, "queue") for ref in written]
    if row.log_percent > 0:
        found.append(Edge(row.project, "endpoint", to, "prediction log", to, moment, f"LOG {row.log_percent:g}%"))
    return found


def record(cursor: DuckDBPyConnection, runtime: Runtime) -> None:
    """Write them."""
    lineage.record_all(cursor, edges(runtime))
