"""How good predictions are: over arrays, and as SQL over a relation (for evaluation and monitors).

Binary classification: ``auc`` (Mann–Whitney, ties count half), ``log_loss`` (natural logarithm), ``accuracy`` at 0.5,
``positive_rate``. Regression: ``rmse``, ``mae``, ``r2``. ``n`` is the number of rows where both are known.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.base.names import quote
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    import pyarrow

    from mlbox.engine.models.sessions import Predictor

EPSILON = 2.0**-52
"""How near to 0 and 1 a probability may come in the log loss: the spacing of doubles at 1, as in scikit-learn."""


def evaluate(prediction: Any, label: Any, classifies: bool | None = None) -> dict[str, float]:
    """The metrics of predictions against labels (arrays of one length; NaN is unknown and left out).

    Without ``classifies`` labels of 0 and 1 with predictions between 0 and 1 mean classification.
    Raises ``Invalid`` when no row has both.
    """
    import numpy as np

    prediction = np.asarray(prediction, dtype=np.float64)
    label = np.asarray(label, dtype=np.float64)
    if prediction.shape != label.shape:
        raise Invalid(f"{len(prediction)} predictions and {len(label)} labels cannot be compared")
    known = np.isfinite(prediction) & np.isfinite(label)
    prediction, label = prediction[known], label[known]
    if not len(label):
        raise Invalid("there is no row with both a prediction and a label")
    binary = bool(np.isin(label, (0.0, 1.0)).all())
    if classifies is None:
        classifies = binary and prediction.min() >= 0 and prediction.max() <= 1
    if classifies and binary:
        return classification(prediction, label)
    return regression(prediction, label)


def classification(prediction: Any, label: Any) -> dict[str, float]:
    """Metrics of probabilities against labels of 0 and 1; ``auc`` is NaN when one class is absent."""
    import numpy as np

    positive = label == 1
    clipped = np.clip(prediction, EPSILON, 1 - EPSILON)
    return {
        "n": float(len(label)),
        "auc": auc(prediction, label),
        "log_loss": float(-np.mean(np.where(positive, np.log(clipped), np.log(1 - clipped)))),
        "accuracy": float(np.mean((prediction >= 0.5) == positive)),
        "positive_rate": float(np.mean(positive)),
    }


def regression(prediction: Any, label: Any) -> dict[str, float]:
    """Metrics of values against values; ``r2`` is NaN when the labels are all the same."""
    import numpy as np

    error = prediction - label
    spread = float(np.sum((label - label.mean()) ** 2))
    return {
        "n": float(len(label)),
        "rmse": float(np.sqrt(np.mean(error**2))),
        "mae": float(np.mean(np.abs(error))),
        "r2": 1 - float(np.sum(error**2)) / spread if spread else float("nan"),
    }


def auc(prediction: Any, label: Any) -> float:
    """Area under the ROC curve: the share of (positive, negative) pairs in the right order; ties count half."""
    import numpy as np

    _, place, counts = np.unique(prediction, return_inverse=True, return_counts=True)
    rank = np.cumsum(counts) - (counts - 1) / 2  # the mean rank of each group of equal predictions
    positives = float(np.sum(label == 1))
    negatives = len(label) - positives
    if not positives or not negatives:
        return float("nan")
    total = float(np.sum(rank[place][label == 1]))
    return (total - positives * (positives + 1) / 2) / (positives * negatives)


def auc_sql(relation: str, prediction: str, label: str, by: Sequence[str] = ()) -> str:
    """A SELECT with columns ``by`` and ``auc``, ``n`` of each group; ``relation`` is SQL text that can follow FROM.

    ``prediction`` and ``label`` are SQL expressions; rows where either is NULL or NaN are left out; the label is
    true for 1. ``auc`` is NULL when one class is absent.
    """
    groups = ", ".join(quote(name) for name in by)
    first = f"{groups}, " if by else ""
    window = f"PARTITION BY {groups} " if by else ""
    return (
        "WITH _known AS ("
        f"SELECT {first}CAST({prediction} AS DOUBLE) AS _score, CAST({label} AS DOUBLE) AS _label FROM {relation}"
        "), _tied AS ("
        f"SELECT {first}_score, count(*) FILTER (_label = 1) AS _positives, "
        "count(*) FILTER (_label <> 1) AS _negatives FROM _known "
        f"WHERE isfinite(_score) AND isfinite(_label) GROUP BY {first}_score"
        "), _ranked AS ("
        f"SELECT *, sum(_negatives) OVER ({window}ORDER BY _score "
        "ROWS BETWEEN UNBOUNDED PRECEDING AND CURRENT ROW) - _negatives / 2 AS _below FROM _tied"
        ") "
        f"SELECT {first}sum(_positives * _below) / nullif(sum(_positives)::DOUBLE * sum(_negatives), 0) AS auc, "
        "(sum(_positives) + sum(_negatives))::BIGINT AS n FROM _ranked" + (f" GROUP BY {groups}" if by else "")
    )


def evaluate_table(predictor: Predictor, table: pyarrow.Table, label: str | None = None) -> dict[str, float]:
    """Predict the rows of ``table`` and compare with its column ``label``.

    Without ``label`` the one column that is no feature and holds numbers is taken. Raises ``Invalid``.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    from mlbox.engine.models.predict import predict_table

    name = _label_column(predictor, table, label)
    values = pc.cast(table.column(name), pa.float64(), safe=False).to_numpy(zero_copy_only=False)
    prediction = predict_table(predictor, table).to_numpy(zero_copy_only=False)
    return evaluate(prediction, values, predictor.classifies or None)


def _label_column(predictor: Predictor, table: pyarrow.Table, label: str | None) -> str:
    import pyarrow as pa

    names = table.schema.names
    if label is not None:
        for name in names:
            if name.lower() == label.lower():
                return str(name)
        raise Invalid(f"there is no label column {label!r}", hint=did_you_mean(label, names))
    features = {feature.lower() for feature in predictor.features}
    rest = [
        field.name
        for field in table.schema
        if field.name.lower() not in features
        and (pa.types.is_integer(field.type) or pa.types.is_floating(field.type) or pa.types.is_boolean(field.type))
    ]
    if len(rest) != 1:
        raise Invalid(
            "the label column is not clear: " + (", ".join(rest) if rest else "every column is a feature"),
            hint="select the features and the label only",
        )
    return str(rest[0])
