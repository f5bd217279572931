"""What a home gives to the replicas of its deployments, and takes from them."""

from __future__ import annotations

import hmac
from collections.abc import Mapping
from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

import msgspec

from mlbox.base.clock import now
from mlbox.base.errors import Conflict, Invalid, MlboxError, NotFound, Unauthorized
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables import deployments, predictions
from mlbox.engine.catalog.tables.deployments import DeploymentRow, Taken
from mlbox.engine.runs.package_sources import CERTIFICATES, PackageSources
from mlbox.engine.security.secrets import Secrets
from mlbox.serve.deploy.bundle import Bundle, Private, decoded
from mlbox.serve.deploy.delivery import checked
from mlbox.serve.deploy.features import answered, asked
from mlbox.serve.deploy.packing import tables_of
from mlbox.serve.graph.scope import to_table

if TYPE_CHECKING:
    from duckdb import DuckDBPyConnection

    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog
    from mlbox.serve.needs import OnlineReader
    from mlbox.serve.shop import Append, Shop

_KEPT = 256
_decoded = lru_cache(32)(decoded)
_FILES = ("SSL_CERT_FILE", "PIP_CERT")
"""Variables that name files, which replicas do not have."""


class HomeSide:
    """Each call is of one deployment, whose token ``require`` has seen."""

    def __init__(self, catalog: Catalog, shop: Shop, settings: Settings) -> None:
        self._catalog = catalog
        self._shop = shop
        self._settings = settings
        self._secrets = Secrets(catalog)
        self._readers: dict[str, OnlineReader] = {}
        self._tables: dict[tuple[str, str], Append] = {}

    def token(self, deployment: str) -> str:
        """What opens the doors of replicas, of one deployment and nothing else."""
        return self._secrets.digest(f"replicas of {deployment}")

    def require(self, deployment: str, token: str) -> DeploymentRow:
        """The deployment that a replica says it is of; raises ``Unauthorized``."""
        with self._catalog.read() as cursor:
            row = deployments.get(cursor, deployment)
        if row is None or not hmac.compare_digest(self.token(deployment).encode(), token.encode()):
            raise Unauthorized("this token opens no deployment", hint="was it undeployed?")
        return row

    def hand_out(self, row: DeploymentRow, version: str) -> str:
        """The bundle of a version, with what is private; ``NotFound`` for one that is neither wanted nor there."""
        found = next((each for each in _bundles(row) if each.version == version), None)
        if found is None:
            raise NotFound(
                f"{row.project}.{row.endpoint} has no version {version} any more", hint="DEPLOY ENDPOINT made another"
            )
        return msgspec.structs.replace(found, private=self._private(found)).encoded()

    def blob(self, row: DeploymentRow, digest: str) -> BinaryIO:
        """Bytes that its bundle names."""
        if all(digest not in each.digests for each in _bundles(row)):
            raise NotFound(f"the bundle of {row.project}.{row.endpoint} has no {digest}")
        return self._shop.models.artifacts.open(digest)

    def features(self, row: DeploymentRow, vector: str, body: bytes) -> bytes:
        """Features of keys by what is online here; ``NotFound`` for a vector that its bundle does not name."""
        if all(vector != f"{one.project}.{one.name}" for each in _bundles(row) for one in each.vectors):
            raise NotFound(f"the bundle of {row.project}.{row.endpoint} has no feature vector {vector}")
        question = asked(body)
        return answered(self._reader(vector).read(question.columns, question.at))

    def warm(self) -> None:
        """Open what replicas will ask for: they wait no longer than a request may."""
        with self._catalog.read() as cursor:
            rows = deployments.load(cursor)
        for vector in {f"{one.project}.{one.name}" for row in rows for each in _bundles(row) for one in each.vectors}:
            with suppress(MlboxError):
                reader = self._reader(vector)
                answered(reader.read({name: [None] for name in reader.entities}))

    def _reader(self, vector: str) -> OnlineReader:
        found = self._readers.get(vector)
        if found is None:
            if self._shop.features is None:
                raise Conflict("there is no feature store in this home")
            if len(self._readers) >= _KEPT:
                self._readers.clear()
            project, _, name = vector.partition(".")
            found = self._readers[vector] = self._shop.features.reader(Ref(project, name))
        return found

    def append(self, row: DeploymentRow, table: str, body: bytes) -> None:
        """An event for a table that its graph writes into."""
        if all(table not in tables_of(each, self._shop) for each in _bundles(row)):
            raise NotFound(f"the graph of {row.project}.{row.endpoint} writes into no table {table}")
        try:
            moment, event = msgspec.msgpack.decode(body, type=tuple[datetime, str])
        except msgspec.MsgspecError as error:
            raise Invalid(f"an event of a replica cannot be read: {error}") from None
        key = (row.project, table)
        if key not in self._tables:
            self._tables[key] = to_table(self._catalog, row.project, table)
        self._tables[key](row.project, table, moment, event)

    def take(self, row: DeploymentRow, replica: str, number: int, body: bytes) -> bool:
        """Write predictions of a replica; whether they were new. ``Invalid`` for what its endpoint cannot have made."""
        delivery = checked(body, row.project, row.endpoint)

        def write(cursor: DuckDBPyConnection) -> bool:
            if not deployments.is_new(cursor, row.id, replica, number):
                return False
            for batch in delivery.batches:
                predictions.append(cursor, batch)
            predictions.count(cursor, delivery.counts)
            deployments.note(cursor, Taken(row.project, row.id, replica, number, delivery.rows, now()))
            return True

        return bool(self._catalog.write_data(write, behind=True))

    def _private(self, bundle: Bundle) -> Private:
        by_store = any(vector.by == "store" for vector in bundle.vectors)
        sources: Mapping[str, str] = {}
        certificates, wheels = "", False
        if _needs_packages(bundle):
            known = PackageSources.of(self._settings)
            wheels = isinstance(known.wheelhouse, Path)
            sources = known.container_variables("")
            file = known.container_files().get(CERTIFICATES)
            certificates = file.read_text() if file is not None else ""
        return Private(
            store=self._settings.online_store if by_store else "",
            store_password=self._settings.online_store_password if by_store else "",
            secrets={
                project: dict(self._secrets.values(project, sorted(names)))
                for project, names in bundle.secret_names.items()
            },
            certificates=certificates,
            wheels=wheels,
            packages={
                name: value
                for name, value in sources.items()
                if name not in _FILES and not name.endswith("_NO_CACHE") and not (wheels and "FIND_LINKS" in name)
            },
        )

    def wheels(self, row: DeploymentRow) -> dict[str, Path]:
        """Files of the folder of wheels by name, for replicas that build environments; ``NotFound`` without one."""
        folder = PackageSources.of(self._settings).wheelhouse
        if not isinstance(folder, Path) or not any(map(_needs_packages, _bundles(row))):
            raise NotFound(
                "this home has no folder of wheels for these replicas", hint="the setting package_wheelhouse"
            )
        return {path.name: path for path in sorted(folder.iterdir()) if path.is_file()}


def _needs_packages(bundle: Bundle) -> bool:
    return bool(bundle.functions or bundle.facts)


def _bundles(row: DeploymentRow) -> list[Bundle]:
    """That which is wanted, and that which answered before while the other is on its way."""
    return [_decoded(text) for text in (row.bundle, row.previous) if text]
