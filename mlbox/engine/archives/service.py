"""EXPORT PROJECT, and CREATE PROJECT .. FROM an archive, a folder or a repository."""

from __future__ import annotations

import os
import tempfile
import zipfile
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid, NotFound, SystemError
from mlbox.engine.archives import manifest as manifests
from mlbox.engine.archives.export import Describe, Exporter
from mlbox.engine.archives.restore import Restorer
from mlbox.engine.catalog.commands import CreateProject, ExportProject
from mlbox.engine.catalog.tables import dumps, projects
from mlbox.engine.catalog.tables.making import told_of
from mlbox.engine.runs.origins.base import Place, inside, origin_of

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.catalog.projects import Projects
    from mlbox.engine.storage.artifacts import ArtifactStore

Carry = Callable[[str, Caller, Path], int]
"""Carries a script out for a caller, whose folder is told; how many statements it had."""


class Archives:
    """Projects as wholes."""

    def __init__(
        self, catalog: Catalog, artifacts: ArtifactStore, service: Projects, describe: Describe, carry: Carry
    ) -> None:
        self._catalog = catalog
        self._projects = service
        self._describe = describe
        self._carry = carry
        self._exporter = Exporter(catalog, artifacts, describe)
        self.restorer = Restorer(catalog, artifacts, service)
        service.fill = self.fill

    def handlers(self) -> Iterable[Handler]:
        """One; CREATE PROJECT comes through :class:`Projects`."""
        return (Handler(ExportProject, self.plan_export, self.export),)

    def plan_export(self, command: ExportProject, caller: Caller) -> Plan:
        """The project must be there, and the file writable."""
        with self._catalog.read() as cursor:
            projects.require(cursor, command.name)
        path = Path(command.base_folder or ".", command.path).expanduser()
        if path.suffix.lower() not in (".zip", ".sql"):
            raise Invalid(f"{command.path!r} is neither a .zip nor a .sql file", hint="'shop.zip' takes all of it")
        if not path.parent.is_dir():
            raise NotFound(f"there is no folder {path.parent}")
        what = "its statements" if path.suffix.lower() == ".sql" else "statements, data and bytes"
        return Plan((Step("write", f"project {command.name.lower()}", f"{what} to {path}"),), {"path": path})

    def export(self, command: ExportProject, plan: Plan, caller: Caller) -> Result:
        """The file is there as a whole, or as it was before."""
        path, name = plan.resolved["path"], command.name.lower()
        unfinished = path.with_name(f".{path.name}.unfinished")
        try:
            if path.suffix.lower() == ".sql":
                unfinished.write_text(self._describe(name, None))
            else:
                with self._scratch() as folder:
                    self._exporter.write(name, folder, runs=command.runs)
                    _pack(folder, unfinished)
            os.replace(unfinished, path)
        except OSError as error:
            raise SystemError(f"{path} cannot be written: {error.strerror}") from None
        finally:
            unfinished.unlink(missing_ok=True)
        size = path.stat().st_size
        return Result(f"exported project {name} to {path}: {size:,} bytes", facts={"path": str(path), "bytes": size})

    def fill(self, command: CreateProject, caller: Caller) -> str:
        """Make the project out of its source; what was done. A project that it made goes again when it fails."""
        name, source = command.name.lower(), str(command.source)
        with self._scratch() as scratch:
            folder = _fetch(source, Path(command.base_folder or "."), scratch)
            if (folder / manifests.NAME).is_file():
                with self._catalog.read() as cursor:
                    known = dumps.migrations(cursor)
                manifest = manifests.read(folder, known)
                self.restorer.check(name, manifest, folder)
                left_out = self.restorer.restore(name, manifest, folder, caller)
                return f"restored project {name}: {counted(len(manifest.files), 'file')}{told_of(left_out)}"
            return self._apply(command, folder, caller)

    def _apply(self, command: CreateProject, folder: Path, caller: Caller) -> str:
        name, script = command.name.lower(), folder / manifests.SCRIPT
        if not script.is_file():
            raise NotFound(f"{command.source} has no {manifests.SCRIPT}", hint="write its statements into such a file")
        made = self._projects.ensure(command, caller)
        try:
            count = self._carry(script.read_text(), Caller(caller.user, name, caller.door), folder)
        except BaseException:
            if made:
                self._projects.removal.remove(name, caller)
            raise
        return f"{'created' if made else 'changed'} project {name}: {counted(count, 'statement')}"

    @contextmanager
    def _scratch(self) -> Iterator[Path]:
        with tempfile.TemporaryDirectory(prefix="archive-", dir=self._catalog.home.cache) as folder:
            yield Path(folder)


def _fetch(source: str, base: Path, scratch: Path) -> Path:
    """The folder that ``source`` names, or what it is unpacked to."""
    text, _, inner = source.partition("#")
    origin = origin_of(text)
    if origin is not None:
        return origin.fetch(Place(text, inner or None, base, scratch)).root
    path = Path(base, text).expanduser()
    if not path.exists():
        raise NotFound(f"there is no file or folder {path}")
    if path.is_dir():
        return inside(path, inner or None).root
    if path.suffix.lower() != ".sql":
        raise Invalid(f"{path} is neither a folder nor an archive", hint="name a folder with a project.sql, or a .zip")
    raise Invalid(f"{path} is a script", hint=f"name its folder, or run it: mlbox sql {path.name}")


def _pack(folder: Path, target: Path) -> None:
    """One zip: the readable first; what is compressed already is stored."""
    first = (manifests.NAME, manifests.SCRIPT)
    paths = sorted(
        (path for path in folder.rglob("*") if path.is_file()), key=lambda path: (path.name not in first, path)
    )
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        for path in paths:
            stored = path.suffix in (".parquet", ".zip")
            kind = zipfile.ZIP_STORED if stored else zipfile.ZIP_DEFLATED
            archive.write(path, path.relative_to(folder).as_posix(), kind)
    with target.open("rb") as file:
        os.fsync(file.fileno())
