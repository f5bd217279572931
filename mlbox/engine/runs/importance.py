"""Which parameter of a sweep mattered: kept as a table with the sweep when it ends."""

from __future__ import annotations

import csv
import io
import json
import logging
from typing import Any

from mlbox.base.errors import MlboxError
from mlbox.engine.catalog.tables.runs import RunRow
from mlbox.engine.runs.calls_home import CallsHome
from mlbox.engine.runs.search import Search
from mlbox.engine.runs.tuning.optuna_library import optuna
from mlbox.engine.storage.artifacts import ArtifactStore

FEWEST_TRIALS = 4
"""Below this many scored trials nothing can be said."""

_log = logging.getLogger(__name__)


class Importance:
    """Weighs parameters by PED-ANOVA (Watanabe et al., IJCAI 2023) as Optuna has it; without Optuna nothing is kept."""

    def __init__(self, artifacts: ArtifactStore, calls: CallsHome) -> None:
        self._artifacts = artifacts
        self._calls = calls

    def keep(self, parent: RunRow, search: Search) -> None:
        """Write the artifact ``importance`` (parameter, importance; shares of 1); a failure costs only the table."""
        try:
            shares = weigh(search)
        except MlboxError:
            return
        except Exception:
            _log.warning("the importance of the parameters of run %s is unknown", parent.id, exc_info=True)
            return
        if not shares:
            return
        out = io.StringIO()
        writer = csv.writer(out, lineterminator="\n")
        writer.writerow(("parameter", "importance"))
        writer.writerows((name, f"{share:.6f}") for name, share in shares.items())
        blob = self._artifacts.put_bytes(out.getvalue().encode())
        event = {
            "kind": "artifact",
            "name": "importance",
            "artifact_kind": "table",
            "digest": blob.digest,
            "size": blob.size,
            "media_type": "text/csv",
            "file_name": "importance.csv",
            "metadata": {"metric": search.sweep.metric, "trials": len(search.scores), "importance": shares},
        }
        self._calls.accept(parent.id, f"importance-{parent.id}", [event])


def weigh(search: Search) -> dict[str, float]:
    """Share of each varied parameter, the greatest first; empty where the trials say nothing."""
    texts = [{name: json.dumps(value, default=str) for name, value in trial.items()} for trial, _ in search.scores]
    names = [parameter.name for parameter in search.sweep.parameters]
    varied = [name for name in names if len({trial[name] for trial in texts}) > 1]
    if len(texts) < FEWEST_TRIALS or not varied or len({score for _, score in search.scores}) < 2:
        return {}
    library = optuna()
    spaces = {name: _distribution(library, [trial[name] for trial, _ in search.scores]) for name in varied}
    study = library.create_study(direction=search.sweep.goal)
    for (trial, score), text in zip(search.scores, texts, strict=True):
        values = {name: trial[name] if _is_number(spaces[name]) else text[name] for name in varied}
        study.add_trial(library.trial.create_trial(params=values, distributions=spaces, value=score))
    return dict(library.importance.get_param_importances(study))


def _distribution(library: Any, values: list[Any]) -> Any:
    """A range over numbers, else the set of values as text."""
    numbers = [value for value in values if isinstance(value, int | float) and not isinstance(value, bool)]
    if len(numbers) < len(values):
        texts = sorted({json.dumps(value, default=str) for value in values})
        return library.distributions.CategoricalDistribution(texts)
    low, high = min(numbers), max(numbers)
    if all(isinstance(value, int) for value in numbers):
        return library.distributions.IntDistribution(low, high)
    return library.distributions.FloatDistribution(float(low), float(high), log=low > 0 and high / low >= 100)


def _is_number(distribution: Any) -> bool:
    return hasattr(distribution, "low")
