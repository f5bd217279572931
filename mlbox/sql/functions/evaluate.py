"""``ml.evaluate``: how good a model is on rows whose truth is known."""

from __future__ import annotations

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref, quote
from mlbox.engine.models.evaluate import EPSILON, auc_sql
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, TableFunction
from mlbox.sql.functions.predict import MODEL, predicted


def write(asked: Asked, model: str, table: str, label: str, session: str) -> str:
    """Metrics as one row; the formulas are in ``engine/models/evaluate``."""
    ref = asked.ref(model, session)
    predictor = asked.models.predictor(ref)
    truth = quote(label or _label_of(asked, ref))
    scored = predicted(asked, model, asked.relation(table, session), session, ("_score", "_scores"))
    rows = f"SELECT _score AS prediction, _scored.{truth}::DOUBLE AS label FROM ({scored}) AS _scored"
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


def _label_of(asked: Asked, ref: Ref) -> str:
    """The label of the vector that the model was registered with."""
    version = asked.models.resolve(ref)
    row = asked.catalog.row(
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


FUNCTIONS.add(
    "evaluate",
    TableFunction(
        "evaluate",
        "Metrics of a model over labelled rows, as one row.",
        (
            MODEL,
            Argument("input", "VARCHAR", "Table, view or CTE with the model's features and the truth"),
            Argument("label", "VARCHAR", "Column of the truth; without it, the label of the model's vector", "''"),
        ),
        (
            Column("n", "BIGINT", "Rows with a prediction and a label", "rows"),
            Column("auc", "DOUBLE", "Classifier: area under the ROC curve, ties count half"),
            Column("log_loss", "DOUBLE", "Classifier: mean negative logarithm of the truth's probability", "nats"),
            Column("accuracy", "DOUBLE", "Classifier: share of right answers at 0.5"),
            Column("positive_rate", "DOUBLE", "Classifier: share of rows whose label is 1"),
            Column("rmse", "DOUBLE", "Regression: root of the mean squared error"),
            Column("mae", "DOUBLE", "Regression: mean absolute error"),
            Column("r2", "DOUBLE", "Regression: share of the variance that is explained"),
        ),
        "SELECT n, auc FROM ml.evaluate('churn@1', 'rows', label := 'churned')",
        write,
        "A classifier gives the first five columns, a regression `n`, `rmse`, `mae` and `r2`.",
    ),
)
