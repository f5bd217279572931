"""A Delta Lake table for each version, at ``v<version>``. Each ingest is one commit of it, which says how far it went
(the ``txn`` of the protocol, under the id of the version), so that rows are never written twice."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Conflict, Invalid, MlboxError, Unavailable
from mlbox.base.object_stores import for_object_store, type_of, without_credentials
from mlbox.engine.catalog.duckdb_errors import translate
from mlbox.engine.features.definition import FeatureSet
from mlbox.engine.features.locations.base import FORMS, Job, apart

if TYPE_CHECKING:
    import pyarrow

BATCH = 122_880
COMPACTED_EVERY = 100
"""Commits after which small files are put together."""
_PATIENCE = {"timeout": "30s", "max_retries": "3", "retry_timeout": "30s"}
_CONFIGURATION = {
    "delta.logRetentionDuration": "interval 0 days",
    "delta.deletedFileRetentionDuration": "interval 0 days",
}
"""No checkpoint tells of files that have gone: what was deleted is to be found nowhere."""
_OLD = 7 * 24
"""Hours for which readers may go on with files that have been written anew."""
_WIDER = {"UTINYINT": "SMALLINT", "USMALLINT": "INTEGER", "UINTEGER": "BIGINT", "UBIGINT": "DECIMAL(20,0)"}
"""Delta has no unsigned integers."""


class Delta:
    """Delta Lake, by the package ``deltalake``."""

    def check(self, job: Job) -> None:
        """The package, the place, the types; another's table is not written over."""
        lake = _package()
        try:
            lake.Schema.from_arrow(_reader(job, job.no_rows()).schema)
        except Exception as error:  # the package raises plain ones
            raise _unfit(job.found, error) from None
        table = _told(job, lambda: _table(lake, job))
        if table is not None and not _ours(table, job.found):
            name = f"{job.found.project}.{job.found.name}"
            raise Conflict(
                f"at {job.address} is a Delta table already, and not of feature set {name}",
                hint="name another location",
            )

    def write(self, job: Job) -> None:
        """Append, or overwrite in one commit: readers see all of it or nothing."""
        lake = _package()
        table = _told(job, lambda: _table(lake, job))
        done = table.transaction_version(job.found.id) if table is not None else None
        if job.anew or done is None:
            self._commit(lake, job, table, job.rows(1), "overwrite")
        elif done < job.last:
            self._commit(lake, job, table, job.rows(max(job.first, done + 1)), "append")
        if job.erase:
            _told(job, lambda: _forget_history(_table(lake, job)))

    def _commit(self, lake: Any, job: Job, table: Any, relation: str, mode: str) -> None:
        found = job.found
        _, names = apart(found)
        more: dict[str, Any] = {"schema_mode": "overwrite"} if mode == "overwrite" and table is not None else {}
        if table is None:
            more = {"configuration": _CONFIGURATION, "description": _description(found)}
        properties = lake.CommitProperties(app_transactions=[lake.Transaction(found.id, job.last)])
        rows, address = _reader(job, relation), job.address.removeprefix("file://")

        def write() -> None:
            lake.write_deltalake(
                table if table is not None else address,
                rows,
                mode=mode,
                partition_by=list(names) or None,
                commit_properties=properties,
                storage_options=_options(address, job.store),
                **more,
            )

        _told(job, write)
        if table is not None and (mode == "overwrite" or table.version() % COMPACTED_EVERY == COMPACTED_EVERY - 1):
            _told(job, lambda: _tidy(_table(lake, job), compact=mode == "append"))


def _reader(job: Job, relation: str) -> pyarrow.RecordBatchReader:
    """The rows, in types that Delta has."""
    import duckdb

    columns, _ = apart(job.found)
    kinds = {feature.name: feature.type for feature in job.found.features} | dict(job.found.entities)
    for place, name in enumerate(job.found.columns):
        wider = _WIDER.get(kinds.get(name, ""))
        if wider is not None:
            columns[place] = f"CAST({columns[place]} AS {wider}) AS {columns[place]}"
    try:
        return job.cursor.sql(f"SELECT {', '.join(columns)} FROM {relation}").to_arrow_reader(BATCH)
    except duckdb.Error as error:
        raise translate(error) from None


def _package() -> Any:
    try:
        import deltalake
        import deltalake.exceptions
    except ImportError:
        raise Invalid(
            "locations in Delta Lake need the package deltalake",
            hint="install it where the server runs: pip install 'mlbox[delta]'",
        ) from None
    return deltalake


def _options(address: str, store: Mapping[str, Any]) -> dict[str, str] | None:
    """Those of a profile, and how long a store is waited for; else those of the environment: AWS_…, AZURE_…"""
    import os

    kind = type_of(address)
    if "://" not in address:
        return None
    if store and kind is not None:
        return {**_PATIENCE, **for_object_store(kind, store)}
    plain = os.environ.get("AWS_ENDPOINT_URL", "").startswith("http://")
    return {**_PATIENCE, **({"AWS_ALLOW_HTTP": "true"} if plain and address.startswith("s3://") else {})}


def _table(lake: Any, job: Job) -> Any:
    """As it is now; None where there is none."""
    address = job.address.removeprefix("file://")
    try:  # DeltaTable.is_deltatable would hold the interpreter while the store answers
        return lake.DeltaTable(address, storage_options=_options(address, job.store))
    except lake.exceptions.TableNotFoundError:
        return None


def _description(found: FeatureSet) -> str:
    return f"feature set {found.project}.{found.name}, version {found.version}, of mlbox"


def _ours(table: Any, found: FeatureSet) -> bool:
    return bool(table.metadata().description == _description(found))


def _tidy(table: Any, *, compact: bool) -> None:
    """Small files become larger ones; those go that nobody should read any more."""
    if compact:
        table.optimize.compact()
    table.vacuum(retention_hours=_OLD, dry_run=False)


def _forget_history(table: Any) -> None:
    """Files that are not of the newest commit go, and so does the log with their least and greatest values."""
    table.vacuum(retention_hours=0, enforce_retention_duration=False, dry_run=False)
    table.update_incremental()
    table.create_checkpoint()
    table.cleanup_metadata()


def _said(error: Exception) -> str:
    """In one line, without the trace that the package adds."""
    told = re.split(r"\n\s+0: ", str(error))[0]
    return " ".join(re.sub(r"\x1b\[\d+m|↳", "", told).split())


def _unfit(found: FeatureSet, error: Exception) -> Conflict:
    return Conflict(
        f"rows of feature set {found.name} cannot be written as Delta: {_said(error)}",
        hint="columns of such a type are not for Delta: CAST them in the query, or leave location away",
    )


def _told(job: Job, act: Callable[[], Any]) -> Any:
    import duckdb

    try:
        return act()
    except MlboxError:
        raise
    except duckdb.Error as error:
        raise translate(error) from None
    except Exception as error:  # each store has errors of its own
        told = _said(error)
        if "Invalid data type" in told:
            raise _unfit(job.found, error) from None
        raise Unavailable(
            without_credentials(f"location {job.address} cannot be used: {type(error).__name__}: {told}", job.store),
            hint="look at the address, the credentials (CREATE PROFILE, or the server's own), and the network",
        ) from None


FORMS.add("delta", Delta())
