"""COLLECT GARBAGE: what nothing needs any more, by rules that are settings. What something points at is not touched.

Environments, images and the client's copies can be made again and are deleted. Folders and logs of runs are moved to
``<home>/trash/<time>``, where they lie for ``gc_trash_days`` more and can be moved back by hand.
"""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import MlboxError
from mlbox.base.names import Ref
from mlbox.engine.catalog.commands import CollectGarbage
from mlbox.engine.catalog.tables import (
    artifact_marks,
    dropped,
    functions,
    kept_projects,
    references,
    renames,
    runs,
)
from mlbox.engine.catalog.tables.dropped import Tombstone
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.models.mapped import MappedModels
from mlbox.engine.runs.attempts import Workshop
from mlbox.engine.runs.client_zip import is_current
from mlbox.engine.runs.commands import DropRun
from mlbox.engine.runs.environments import unused_environments
from mlbox.engine.runs.executors.base import Collecting, Waste
from mlbox.engine.runs.executors.endings import size_text
from mlbox.engine.runs.garbage_bytes import GarbageBytes
from mlbox.engine.runs.removal import Removal

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog


@dataclass(frozen=True, slots=True)
class _Known:
    """The runs, as the collection sees them."""

    active: dict[str, RunRow]
    ended: dict[str, datetime]
    """Id → its end."""

    def __contains__(self, run_id: str) -> bool:
        return run_id in self.active or run_id in self.ended


class Garbage:
    """Finds and removes it."""

    def __init__(self, shop: Workshop, catalog: Catalog, removal: Removal) -> None:
        self._catalog = catalog
        self._home = shop.home
        self._settings = shop.settings
        self._engines = shop.engines
        self._is_over = shop.ledger.is_over
        self._removal = removal
        self._forget_functions = shop.functions.forget
        self._bytes = GarbageBytes(catalog, shop.artifacts, shop.settings)
        self.for_good: Callable[[Tombstone], None] = self._forget
        """Deletes what a tombstone stands for, and it itself; of all kinds when the house is put together."""

    def plan(self, command: CollectGarbage, caller: Caller) -> Plan:
        """One step for each thing that would go; nothing is changed."""
        found = list(self._find(caller))
        steps = tuple(
            Step("drop", f"{waste.kind} {waste.name}", f"{size_text(waste.size)}; {waste.why}") for waste in found
        )
        return Plan(steps or (Step("reuse", "everything", "there is no garbage"),), {"found": found})

    def collect(self, command: CollectGarbage, plan: Plan, caller: Caller) -> Result:
        """Remove it, one thing after the other; what cannot be removed stays and is told."""
        import pyarrow

        gone: list[Waste] = []
        problems: list[str] = []
        for waste in plan.resolved["found"]:
            try:
                waste.remove()
            except (MlboxError, OSError) as error:
                problems.append(f"{waste.kind} {waste.name}: {error}")
            else:
                gone.append(waste)
        size = sum(waste.size for waste in gone)
        message = f"collected {counted(len(gone), 'thing')}, {size_text(size)}"
        if problems:
            message += f"; {len(problems)} stay: {'; '.join(problems[:3])}"
        rows = [{"kind": w.kind, "name": w.name, "bytes": w.size, "why": w.why} for w in gone]
        schema = pyarrow.schema([("kind", "string"), ("name", "string"), ("bytes", "int64"), ("why", "string")])
        facts: dict[str, Any] = {"collected": len(gone), "bytes": size}
        return Result(message, table=pyarrow.Table.from_pylist(rows, schema), facts=facts)

    def _find(self, caller: Caller) -> Iterator[Waste]:
        # before the runs are read: a folder that comes later is that of a run which these do not tell of
        folders, logs = _entries(self._home.runs), _entries(self._home.logs)
        with self._catalog.read() as cursor:
            active = {row.id: row for row in runs.active(cursor)}
            known = _Known(active, runs.ends(cursor))
            known.ended.update(kept_projects.ends_of_runs(cursor))
        yield from self._old_runs()
        trash = self._home.path / "trash" / now().strftime("%Y%m%dT%H%M%S")  # one for all that goes together
        yield from self._folders(folders, known, trash)
        yield from self._logs(logs, known, trash)
        before = now() - timedelta(days=self._settings.gc_cache_days)
        used = {str((row.handle or {}).get("environment")) for row in active.values()}
        yield from unused_environments(self._home.environments, used, before.timestamp())
        yield from self._client_copies()
        yield from self._mapped_models(before.timestamp())
        for name in self._engines.names():
            engine = self._engines.get(name)
            if isinstance(engine, Collecting):
                with suppress(MlboxError):  # an engine that is away keeps what it has
                    yield from engine.waste(self._is_over, before)
        yield from self._dropped()
        yield from self._code()
        yield from self._trash()
        yield from self._bytes.waste(active.values())

    def _old_runs(self) -> Iterator[Waste]:
        days, keep = self._settings.gc_runs_days, self._settings.gc_runs_keep
        before = now() - timedelta(days=days) if days else None
        with self._catalog.read() as cursor:
            old = runs.old(cursor, before, keep or None)
        for project, run_id in old:
            command = DropRun(project=project, run=run_id)
            try:
                plan = self._removal.plan(command, Caller())
            except MlboxError:
                continue  # a model is made from it, or a trial of it goes on
            with self._catalog.read() as cursor:
                if artifact_marks.marked(cursor, [row.id for row in plan.resolved["rows"]]):
                    continue  # somebody has given a version of an artifact of it a name
            size = sum(
                _size(self._home.runs / row.id) + _size(self._home.logs / f"{row.id}.log")
                for row in plan.resolved["rows"]
            )
            why = f"ended more than {days} days ago" if days else f"beyond the newest {keep} of its project"
            yield Waste("run", run_id, why, size, _dropper(self._removal, command))

    def _folders(self, folders: Iterable[Path], known: _Known, trash: Path) -> Iterator[Waste]:
        for path in folders:
            why = self._why_old(path.name, known, self._settings.gc_run_folder_days)
            if why:
                yield Waste("run folder", path.name, why, _size(path), _mover(path, trash))

    def _logs(self, logs: Iterable[Path], known: _Known, trash: Path) -> Iterator[Waste]:
        for path in logs:
            if path.suffix == ".log" and len(path.stem) == 32:  # the server's own log is another matter
                why = self._why_old(path.stem, known, self._settings.gc_log_days)
                if why:
                    yield Waste("log", path.stem, why, _size(path), _mover(path, trash))

    def _why_old(self, run_id: str, known: _Known, days: int) -> str:
        if run_id not in known:
            return "its run is not there any more"
        end = known.ended.get(run_id)
        if days and end is not None and end < now() - timedelta(days=days):
            return f"its run ended more than {days} days ago"
        return ""

    def _client_copies(self) -> Iterator[Waste]:
        for path in _entries(self._home.cache):
            if path.name.startswith("client-") and not is_current(path):
                yield Waste("client", path.name, "of another version of mlbox", _size(path), partial(_delete, path))

    def _mapped_models(self, before: float) -> Iterator[Waste]:
        with self._catalog.read() as cursor:
            digests = references.digests(cursor)
        for path, why in MappedModels.of(self._home).unneeded(digests, before):
            yield Waste("mapped model", path.name[:12], why, _size(path), partial(_delete, path))

    def _dropped(self) -> Iterator[Waste]:
        """What can be restored no more. Runs with what is theirs; of other kinds the rows that were kept."""
        days = self._settings.gc_dropped_days
        before = now() - timedelta(days=days)
        why = f"dropped more than {days} days ago"
        with self._catalog.read() as cursor:
            old, rows = dropped.expired(cursor, before), runs.deleted(cursor, None, before)
        for row in rows:
            size = _size(self._home.runs / row.id) + _size(self._home.logs / f"{row.id}.log")
            yield Waste("dropped run", row.id, why, size, partial(self._removal.purge, row))
        for tombstone in old:
            if tombstone.kind != "run":
                ref = Ref(tombstone.project, tombstone.name, tombstone.version)
                name = tombstone.name if tombstone.kind == "project" else str(ref)
                yield Waste(f"dropped {tombstone.kind}", name, why, 0, partial(self.for_good, tombstone))

    def _forget(self, tombstone: Tombstone) -> None:
        self._catalog.write(lambda cursor: dropped.forget(cursor, tombstone))

    def _code(self) -> Iterator[Waste]:
        """Of dropped functions that nobody runs again and nobody names: endpoints and others keep theirs."""
        before = now() - timedelta(days=self._settings.gc_dropped_days)
        with self._catalog.read() as cursor:
            found = [
                (project, name, version)
                for project, name, version in functions.unneeded(cursor, before)
                if not renames.mentions(cursor, "function", name)
            ]
        for project, name, version in found:
            shown = str(Ref(project, name, str(version)))
            yield Waste(
                "code of function",
                shown,
                "it was dropped, and no run is of it",
                0,
                self._let_go(project, name, version),
            )

    def _let_go(self, project: str, name: str, version: int) -> Callable[[], None]:
        def remove() -> None:
            self._catalog.write(lambda cursor: functions.purge(cursor, project, name, version))
            self._forget_functions()

        return remove

    def _trash(self) -> Iterator[Waste]:
        before = (now() - timedelta(days=self._settings.gc_trash_days)).timestamp()
        for path in _entries(self._home.path / "trash"):
            if path.stat().st_mtime < before:
                why = f"collected more than {self._settings.gc_trash_days} days ago"
                yield Waste("trash", path.name, why, _size(path), partial(_delete, path))


def _mover(path: Path, trash: Path) -> Callable[[], None]:
    def move() -> None:
        folder = trash / path.parent.name
        folder.mkdir(parents=True, exist_ok=True)
        with suppress(FileNotFoundError):
            os.replace(path, folder / path.name)

    return move


def _dropper(removal: Removal, command: DropRun) -> Callable[[], None]:
    def drop() -> None:
        removal.drop(command, removal.plan(command, Caller()), Caller())

    return drop


def _entries(folder: Path) -> list[Path]:
    return sorted(folder.iterdir()) if folder.is_dir() else []


def _size(path: Path) -> int:
    """Bytes of a file, or of all files below a folder."""
    if path.is_dir() and not path.is_symlink():
        return sum(_size(entry) for entry in _entries(path))
    with suppress(OSError):
        return path.lstat().st_size
    return 0


def _delete(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
