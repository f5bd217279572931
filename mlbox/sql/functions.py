"""The ``ml`` functions: macros in ``catalog.ml`` over functions that are registered at each start.

A table macro asks a function for SQL text when the statement is bound, so that DuckDB's optimizer sees the whole plan.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from functools import wraps
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Internal, Invalid, MlboxError, NotFound
from mlbox.base.names import Ref, check_name, literal, quote
from mlbox.engine.catalog.duckdb_errors import wrap
from mlbox.engine.models.evaluate import EPSILON, auc_sql

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.service import Features
    from mlbox.engine.models.service import Models

_SESSION = "coalesce(getvariable('mlbox_session'), '')"

MACROS = (
    f"features(v, spine) AS TABLE FROM query(_ml_features(v, spine, {_SESSION}))",
    f"features_at(v, moment) AS TABLE FROM query(_ml_features_at(v, moment::TIMESTAMPTZ::VARCHAR, {_SESSION}))",
    f"online(v, keys) AS TABLE FROM query(_ml_online(v, to_json(keys)::VARCHAR, {_SESSION}))",
    f"predict(m, input) AS _ml_predict(m, input, {_SESSION})",
    f"evaluate(m, input, label := '') AS TABLE FROM query(_ml_evaluate(m, input, label, {_SESSION}))",
)


def parse_ref(text: str, project: str) -> Ref:
    """``[project.]name[@version]`` as a reference."""
    name, _, version = text.partition("@")
    head, dot, tail = name.partition(".")
    return Ref(head if dot else project, check_name(tail if dot else head), version or None)


def _told(function: Callable[..., Any]) -> Callable[..., Any]:
    """Carry our errors through DuckDB with all that they hold."""

    @wraps(function)  # DuckDB counts the parameters
    def told(*arguments: Any) -> Any:
        try:
            return function(*arguments)
        except MlboxError as error:
            raise RuntimeError(wrap(error)) from None
        except Exception as error:
            raise RuntimeError(wrap(Internal(f"{type(error).__name__}: {error}"))) from error

    return told


class Functions:
    """Registers the functions on the catalog's connection and makes their macros."""

    def __init__(self, catalog: Catalog, features: Features, models: Models) -> None:
        self._catalog = catalog
        self._features = features
        self._models = models

    def install(self) -> None:
        """At each start; a macro that is as it should be is not written again."""
        from duckdb.sqltypes import DOUBLE, VARCHAR

        connection = self._catalog.connection
        writers: dict[str, tuple[Callable[..., str], int]] = {
            "_ml_features": (self._features_sql, 3),
            "_ml_features_at": (self._features_at_sql, 3),
            "_ml_online": (self._online_sql, 3),
            "_ml_evaluate": (self._evaluate_sql, 4),
        }
        for name, (function, count) in writers.items():
            connection.create_function(name, _told(function), [VARCHAR] * count, VARCHAR, side_effects=False)
        # The stubs of DuckDB want enumerations that the module does not export; their names work.
        options: dict[str, Any] = {"type": "arrow", "null_handling": "special", "parameters": None}
        connection.create_function(
            "_ml_predict",
            _told(lambda *columns: self._predict(*columns)),
            return_type=DOUBLE,
            side_effects=True,  # else constant arguments are folded before the batch is seen
            **options,
        )
        for macro in MACROS:
            connection.execute(f"CREATE OR REPLACE MACRO catalog.ml.{macro}")

    def _project(self, session: str) -> str:
        return self._catalog.session_project(session)

    def _features_sql(self, vector: str, spine: str, session: str) -> str:
        project = self._project(session)
        return self._features.features_sql(project, vector, spine)

    def _features_at_sql(self, vector: str, moment: str, session: str) -> str:
        return self._features.features_at_sql(self._project(session), vector, moment)

    def _online_sql(self, vector: str, keys: str, session: str) -> str:
        found = self._features.online_rows(self._project(session), vector, json.loads(keys))
        text = literal(json.dumps(found, default=str))
        if not found:
            raise NotFound(f"vector {vector} gave no row")
        structure = json.dumps([{name: _duckdb_type(value) for name, value in found[0].items()}])
        return f"SELECT unnest(from_json({text}::JSON, {literal(structure)}), recursive := true)"

    def _predict(self, model: Any, rows: Any, session: Any) -> Any:
        from mlbox.engine.models.predict import predict_struct

        if len(rows) == 0:
            import pyarrow

            return pyarrow.array([], "double")
        names = set(model.unique().to_pylist())
        if len(names) != 1:
            raise Invalid("the model of ml.predict must be one constant name, as in ml.predict('m@champion', row)")
        ref = parse_ref(names.pop(), self._project(session[0].as_py()))
        return predict_struct(self._models.predictor(ref), rows)

    def _evaluate_sql(self, model: str, table: str, label: str, session: str) -> str:
        """Metrics of a model over a table, CTE or view, as one row; the formulas are in ``engine/models/evaluate``."""
        ref = parse_ref(model, self._project(session))
        predictor = self._models.predictor(ref)
        truth = quote(label or self._label_of(ref))
        rows = (
            f"SELECT ml.predict({literal(str(ref))}, _row) AS prediction, _row.{truth}::DOUBLE AS label "
            f"FROM {relation(table)} AS _row"
        )
        if predictor.classifies:
            score = f"greatest(least(prediction, 1 - {EPSILON}), {EPSILON})"
            return (
                f"WITH _rows AS MATERIALIZED ({rows}), _ranks AS ({auc_sql('_rows', 'prediction', 'label')}) "
                f"SELECT any_value(_ranks.n) AS n, any_value(_ranks.auc) AS auc, "
                f"-avg(CASE WHEN label = 1 THEN ln({score}) ELSE ln(1 - {score}) END) AS log_loss, "
                "avg(((prediction >= 0.5) = (label = 1))::INTEGER) AS accuracy, "
                "avg((label = 1)::INTEGER) AS positive_rate "
                "FROM _rows, _ranks WHERE isfinite(prediction) AND isfinite(label)"
            )
        return (
            f"WITH _rows AS ({rows}) SELECT count(*) AS n, sqrt(avg((prediction - label) ** 2)) AS rmse, "
            "avg(abs(prediction - label)) AS mae, "
            "1 - sum((prediction - label) ** 2) / nullif(var_pop(label) * count(label), 0) AS r2 "
            "FROM _rows WHERE isfinite(prediction) AND isfinite(label)"
        )

    def _label_of(self, ref: Ref) -> str:
        """The label of the vector that the model was registered with."""
        version = self._models.resolve(ref)
        row = self._catalog.row(
            "SELECT label FROM catalog.ml.feature_vectors v JOIN catalog.ml.model_versions m "
            "ON m.feature_vector IN (v.name, v.project || '.' || v.name) AND m.project = v.project "
            "WHERE m.project = ? AND lower(m.name) = lower(?) AND m.version = ?",
            [ref.project, ref.name, version.version],
        )
        if row is None or not row["label"]:
            raise Invalid(
                f"which column of the rows is the truth for model {ref}?",
                hint="name it: ml.evaluate('m', 't', label := 'column')",
            )
        return str(row["label"]).rpartition(".")[2]


def relation(name: str) -> str:
    """A table name given as text, quoted part by part; anything else than a name is refused."""
    parts = re.fullmatch(r'\s*((?:"[^"]+"|\w+)(?:\s*\.\s*(?:"[^"]+"|\w+)){0,2})\s*', name)
    if not parts:
        raise Invalid(
            f"{name!r} is not the name of a table, view or CTE",
            hint="put the query into a CTE: WITH t AS (SELECT …) FROM ml.evaluate('m', 't')",
        )
    return ".".join(quote(part.strip('"')) for part in re.findall(r'"[^"]+"|\w+', parts[1]))


def _duckdb_type(value: Any) -> str:
    if isinstance(value, bool):
        return "BOOLEAN"
    if isinstance(value, int):
        return "BIGINT"
    if isinstance(value, float):
        return "DOUBLE"
    return "VARCHAR"
