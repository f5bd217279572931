"""Delta Lake tables. What was appended since the version that was read is read; after any other change, all of it."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import unquote

from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.base.object_stores import STORES, for_object_store, type_of, without_credentials
from mlbox.engine.features.sources.base import (
    ARROW,
    SOURCES,
    Capabilities,
    Part,
    Request,
    Rows,
    Source,
    check_options,
)
from mlbox.engine.features.sources.tables import WHOLE
from mlbox.engine.security.profiles import PROFILE

if TYPE_CHECKING:
    import pyarrow


class DeltaSource:
    """The folder or URL of a table."""

    capabilities = Capabilities(batch=True)

    def claims(self, uri: str) -> bool:
        """A folder with a log."""
        return "://" not in uri and Path(uri, "_delta_log").is_dir()

    def check(self, source: Source) -> None:
        """A URI, and access to the store."""
        if source.uri is None:
            raise Invalid("a source of type delta needs FROM 'folder or URL of the table'")
        store = STORES[type_of(source.uri) or "s3"]
        known = [name for name, word in store.options.items() if word is not None]
        check_options(source, (*known, PROFILE))

    def shape(self, source: Source, request: Request) -> Rows | None:
        """The table's columns."""
        return _rows(_dataset(_table(source)))

    def read(self, source: Source, request: Request) -> Iterator[Part]:
        """A version whole, or what was appended behind one."""
        table = _table(source)
        version = table.version()
        known = request.positions.get(WHOLE, {}).get("version")
        position = {"version": version}
        if known is None:
            yield Part(WHOLE, position, _rows(_dataset(table)))
            return
        appended = _appended(_dataset(table).filesystem, known, version)
        if appended is None:
            yield Part(WHOLE, position, _rows(_dataset(table)), replaces=True)
            return
        if request.again:
            yield Part(WHOLE, {"version": known}, _rows(_dataset(_table(source, known))), again=True)
        if version > known:
            yield Part(WHOLE, position, _appendix(source, table, appended) if appended else None)


def _table(source: Source, version: int | None = None) -> Any:
    try:
        from deltalake import DeltaTable
    except ImportError:
        raise Invalid(
            "sources in Delta Lake need the package deltalake",
            hint="install it where the server runs: pip install 'mlbox[delta]'",
        ) from None
    options = for_object_store(type_of(source.uri or "") or "s3", source.options)
    return _told(source, lambda: DeltaTable(source.uri or "", version=version, storage_options=options or None))


def _told(source: Source, act: Callable[[], Any]) -> Any:
    try:
        return act()
    except MlboxError:
        raise
    except Exception as error:
        told = " ".join(str(error).split())
        raise Unavailable(
            without_credentials(f"source {source.ref} cannot be read from {source.uri}: {told}", source.options),
            hint="look at the address, the secret, and whether there is a Delta table",
        ) from None


def _dataset(table: Any) -> Any:
    return table.to_pyarrow_dataset()


def _rows(dataset: Any) -> Rows:
    return Rows(f"SELECT * FROM {ARROW}", lambda: dataset.scanner().to_reader())


def _appendix(source: Source, table: Any, appended: dict[int, set[str]]) -> Rows:
    """Rows of files as they came with each version: a later one may have put them together."""

    def opened() -> pyarrow.RecordBatchReader:
        from pyarrow import dataset as arrow

        now = _dataset(table)
        fragments = [
            fragment
            for version, paths in appended.items()
            for fragment in _dataset(_table(source, version)).get_fragments()
            if fragment.path in paths
        ]
        return arrow.FileSystemDataset(fragments, now.schema, now.format, now.filesystem).scanner().to_reader()

    return Rows(f"SELECT * FROM {ARROW}", opened)


def _appended(files: Any, known: int, version: int) -> dict[int, set[str]] | None:
    """Files that came with each version since; None when rows were changed or removed, or the log is not there."""
    found: dict[int, set[str]] = {}
    for number in range(known + 1, version + 1):
        try:
            with files.open_input_stream(f"_delta_log/{number:020d}.json") as stream:
                actions = [json.loads(line) for line in stream.read().splitlines() if line.strip()]
        except OSError:
            return None
        for action in actions:
            if "metaData" in action or action.get("remove", {}).get("dataChange"):
                return None
            if action.get("add", {}).get("dataChange"):
                found.setdefault(number, set()).add(unquote(action["add"]["path"]))
    return None if version < known else found


SOURCES.add("delta", DeltaSource())
