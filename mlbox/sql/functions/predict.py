"""``ml.predict``: a model over rows, one value a row or all of a table's rows with their predictions."""

from __future__ import annotations

from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.names import quote
from mlbox.engine.models.predict import Rows
from mlbox.sql.functions.base import FUNCTIONS, Argument, Asked, Column, RowFunction, TableFunction


def predicted(asked: Asked, model: str, rows: str, session: str, names: tuple[str, str]) -> str:
    """A SELECT of all columns of ``rows`` (SQL that can follow FROM), and the predictions under ``names``.

    The second name is for the probabilities; it is left out when the model gives none. The version is the one that the
    reference means now, for the whole statement.
    """
    ref = asked.ref(model, session)
    version = asked.models.resolve(ref)
    predictor = asked.models.predictor_of(version)
    # DuckDB names it when a feature is missing among the columns.
    row = quote(f"the rows for model {ref}")
    columns = [f"{row}.{quote(name)}" for name in predictor.features]
    value, probabilities = map(quote, names)
    linear = asked.models.linear_of(version)
    if linear is not None:
        text = f"SELECT {row}.*, {linear.sql(columns)} AS _value FROM {rows} AS {row}"
        both = (
            f", CASE WHEN _value IS NOT NULL THEN [1 - _value, _value] END AS {probabilities}"
            if predictor.classifies
            else ""
        )
        return f"SELECT * EXCLUDE (_value), _value AS {value}{both} FROM ({text})"
    struct = ", ".join(f"{quote(name)} := {column}" for name, column in zip(predictor.features, columns, strict=True))
    function = "_ml_predict_all" if predictor.classifies else "_ml_predict"
    call = f"{function}({asked.keep(Rows(predictor))}, struct_pack({struct}))"
    text = f"SELECT {row}.*, {call} AS _value FROM {rows} AS {row}"
    if not predictor.classifies:
        return f"SELECT * EXCLUDE (_value), _value AS {value} FROM ({text})"
    both = f"_value.prediction AS {value}, _value.probabilities AS {probabilities}"
    return f"SELECT * EXCLUDE (_value), {both} FROM ({text})"


def write(asked: Asked, model: str, rows: str, session: str) -> str:
    """See below."""
    return predicted(asked, model, asked.relation(rows, session), session, ("prediction", "probabilities"))


def prepare(asked: Asked, model: str, session: str) -> int:
    """A number for the predictor of a constant name: computed once, when the statement is bound."""
    return asked.keep(Rows(asked.models.predictor(asked.ref(model, session))))


def compute(asked: Asked, numbers: Any, rows: Any) -> Any:
    """A value for each row."""
    import pyarrow

    return _rows(asked, numbers).predict(rows) if len(rows) else pyarrow.array([], "double")


def compute_all(asked: Asked, numbers: Any, rows: Any) -> Any:
    """Value and probabilities for each row."""
    import pyarrow

    if len(rows) == 0:
        kind = pyarrow.struct([("prediction", pyarrow.float64()), ("probabilities", pyarrow.list_(pyarrow.float64()))])
        return pyarrow.array([], kind)
    return _rows(asked, numbers).predict_all(rows)


def _rows(asked: Asked, numbers: Any) -> Rows:
    given = numbers.to_numpy(zero_copy_only=False)
    found = asked.kept(given[0])
    if not isinstance(found, Rows) or (given != given[0]).any():
        raise Invalid("the model of ml.predict must be one constant name, as in ml.predict('m@champion', row)")
    return found


MODEL = Argument("m", "VARCHAR", "Model, with `@version` or `@alias` if it is not to be the latest")

FUNCTIONS.add(
    "predict",
    TableFunction(
        "predict",
        "All rows of a table with the model's predictions.",
        (MODEL, Argument("input", "VARCHAR", "Table, view or CTE that has the model's features among its columns")),
        (
            Column("…", "", "The columns of the rows; others than the features are passed on"),
            Column("prediction", "DOUBLE", "Probability of class 1, the class, or the value; NULL where there is none"),
            Column(
                "probabilities", "DOUBLE[]", "Of each class in the model's order; only from a model that gives them"
            ),
        ),
        "SELECT customer, prediction FROM ml.predict('churn@1', 'rows') ORDER BY customer LIMIT 3",
        write,
        "A linear model (linear or logistic regression, with a scaler or not) is computed by DuckDB itself, as an "
        "expression in 64 bits over features rounded as the model rounds them: some millions of rows a second, and "
        "within 0.000001 of ONNX Runtime. Every other model runs in ONNX Runtime, 2,048 rows at a time, on all cores. "
        "A missing value is NaN to the model; where it makes no number of that, the prediction is NULL, as it is "
        "null in the answer of an endpoint. When the rows have a column `prediction` already, both are there; leave "
        "yours out in a CTE.",
    ),
)
FUNCTIONS.add(
    "predict_row",
    RowFunction(
        "predict",
        "The model's prediction for a row.",
        (MODEL, Argument("input", "STRUCT", "The row: the alias of a table, or a struct")),
        (
            Column(
                "",
                "DOUBLE",
                "Probability of class 1, the class, or the value; NULL where there is none, and for a row that is NULL",
            ),
        ),
        "SELECT customer, ml.predict('churn@1', r) AS p FROM rows AS r ORDER BY customer LIMIT 3",
        compute,
        prepare,
        "For many rows the table form is faster: it hands the features over and nothing else, and computes linear "
        "models in DuckDB. A struct of your own works too: `ml.predict('m', {'age': 41, 'amount': 9.5})`.",
    ),
)
FUNCTIONS.add(
    "predict_all",
    RowFunction(
        "predict_all",
        "Behind the table form.",
        (MODEL, Argument("input", "STRUCT", "The features")),
        (Column("", "STRUCT(prediction DOUBLE, probabilities DOUBLE[])", "Both"),),
        "",
        compute_all,
        public=False,
    ),
)
