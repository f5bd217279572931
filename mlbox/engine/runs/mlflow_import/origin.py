"""Stores of MLflow as an origin of projects."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from mlbox.base.command import Caller, Step
from mlbox.base.errors import Conflict, Invalid
from mlbox.engine.catalog.tables import runs
from mlbox.engine.models.service import Models
from mlbox.engine.runs import lifecycle
from mlbox.engine.runs.experiments import Experiments
from mlbox.engine.runs.mlflow_import.importing import Importing
from mlbox.engine.runs.mlflow_import.models import ModelImport
from mlbox.engine.runs.mlflow_import.runs import RunImport
from mlbox.engine.runs.mlflow_stores.base import STORES, Run, Store
from mlbox.engine.storage.artifacts import ArtifactStore

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

PREFIX = "mlflow+"


class MlflowOrigin:
    """Stores of MLflow as an origin of projects."""

    summary = (
        "`mlflow+sqlite:///path/mlflow.db`, `mlflow+file:///path/mlruns`, `mlflow+http://host:5000`: experiments, runs "
        "with their metrics, parameters, tags and artifacts, and registered models of MLflow"
    )

    def __init__(self, *, catalog: Catalog, artifacts: ArtifactStore, models: Models, experiments: Experiments) -> None:
        self._catalog = catalog
        self._artifacts = artifacts
        self._models = models
        self._experiments = experiments

    def matches(self, source: str) -> bool:
        """What begins with ``mlflow+``."""
        return source.startswith(PREFIX)

    def look(self, project: str, source: str) -> Sequence[Step]:
        """How much there is, and how much of it is new."""
        store = self._open(source)
        try:
            found = list(store.runs())
            fresh = self._fresh(project, found)
            versions = sum(len(model.versions) for model in store.models())
            return (
                Step("read", "experiments", f"{len(store.experiments()):,}"),
                Step("create", "runs", f"{len(fresh):,} of {len(found):,}; the others are here already"),
                Step("create", "versions of models", f"{versions:,} less those that are here already"),
            )
        finally:
            store.close()

    def bring(self, project: str, source: str, caller: Caller) -> str:
        """Bring in what is new."""
        store = self._open(source)
        try:
            to = Importing(
                catalog=self._catalog, artifacts=self._artifacts, store=store, project=project, caller=caller
            )
            found_runs, found_models = RunImport(to, self._experiments), ModelImport(to, self._models)
            found_runs.bring_experiments()  # what is named comes before what names it
            for run in self._fresh(project, list(store.runs())):
                found_runs.bring_run(run)
            found_models.bring_logged_models()
            for model in store.models():
                found_models.bring_model(model)
            return str(to.done)
        finally:
            store.close()

    @staticmethod
    def _open(source: str) -> Store:
        address = source.removeprefix(PREFIX)
        scheme = address.partition(":")[0]
        if scheme not in STORES:
            known = ", ".join(f"{PREFIX}{name}" for name in STORES.names())
            raise Invalid(f"{PREFIX}{scheme} is no store of MLflow that can be read", hint=f"known: {known}")
        return STORES.get(scheme)(address)

    def _fresh(self, project: str, found: Sequence[Run]) -> list[Run]:
        """Runs that are not here, or had not ended. ``Conflict`` when another project has one."""
        with self._catalog.read() as cursor:
            known = runs.states(cursor, [run.id for run in found])
        for id, (home, _) in known.items():
            if home != project:
                raise Conflict(f"run {id} of this store is in project {home} already", hint=f"USE PROJECT {home}")
        return [
            run for run in found if run.id not in known or not (run.deleted or lifecycle.is_final(known[run.id][1]))
        ]
