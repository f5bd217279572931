"""``ml.dataset``: the rows of a dataset artifact."""

from __future__ import annotations

import os
import shutil
import time
from pathlib import Path

from mlbox.base.errors import Invalid
from mlbox.base.ids import new_id
from mlbox.base.names import literal
from mlbox.base.suggest import no_such
from mlbox.engine.catalog.tables import artifact_marks, artifacts
from mlbox.engine.runs.versions import version_of
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, TableFunction

_KEPT_SECONDS = 86_400
_READERS = {
    "application/vnd.apache.parquet": "read_parquet",
    "text/csv": "read_csv",
    "application/json": "read_json",
}


def write(asked: Asked, name: str, session: str) -> str:
    """See below."""
    ref = asked.ref(name, session)
    with asked.catalog.read() as cursor:
        aliases = artifact_marks.aliases(cursor, ref.project, ref.name)
        there = artifacts.find(cursor, ref.project, ref.name) is not None
        rows = artifacts.named(cursor, ref.project, ref.name, version_of("artifact", ref, aliases, lambda: there), None)
        found = max((row for row in rows if row.kind == "dataset"), key=lambda row: row.version, default=None)
        known = artifacts.names(cursor, ref.project, None)
    if found is None:
        raise no_such("dataset", ref, known)
    reader = _READERS.get(found.media_type or "")
    if reader is None:
        raise Invalid(
            f"dataset {ref} is kept as {found.media_type or 'bytes of unknown kind'}, which is not read in SQL",
            hint="Parquet, CSV and JSON are; a handler reads all: RUN f INPUTS (rows = ARTIFACT ..)",
        )
    path = asked.models.artifacts.path(found.digest)
    return f"SELECT * FROM {reader}({literal(str(_reachable(asked, path)))})"


def _reachable(asked: Asked, path: Path) -> Path:
    """Where sessions may read on a server with members, which reads no folder but those of data and of copies."""
    if not asked.catalog.fenced:
        return path
    target = asked.catalog.home.cache.resolve() / "sources" / "datasets" / path.name
    if not target.exists():
        target.parent.mkdir(parents=True, exist_ok=True)
        copy = target.with_name(f".{new_id()}")
        try:
            os.link(path, copy)
        except OSError:  # another file system
            shutil.copyfile(path, copy)
        os.replace(copy, target)
        for old in target.parent.iterdir():  # a query that reads one goes on
            if old != target and old.stat().st_ctime < time.time() - _KEPT_SECONDS:
                old.unlink(missing_ok=True)
    return target


FUNCTIONS.add(
    "dataset",
    TableFunction(
        "dataset",
        "The rows of a dataset artifact, as CREATE DATASET or a run has kept them.",
        (Argument("name", "VARCHAR", "Dataset, as name, name@version or name@alias; without a version the newest"),),
        (Column("…", "", "The columns of the dataset"),),
        "FROM ml.dataset('kept')",
        write,
        "`CREATE TABLE t AS FROM ml.dataset('kept')` makes a table of it, `COPY (FROM ml.dataset('kept@1')) TO "
        "'kept.parquet'` a file. Parquet, CSV and JSON are read.",
    ),
)
