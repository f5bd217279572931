"""The functions of ``ml``: every documented example runs, models say in SQL what they say elsewhere, errors help."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import onnx_models
import pytest
from fresh_home import fresh_home

from mlbox.app.house import House
from mlbox.base.command import Caller
from mlbox.base.errors import MlboxError
from mlbox.base.settings import Settings
from mlbox.sql.functions.base import FUNCTIONS, RowFunction
from mlbox.sql.session import Session

Run = Callable[[str], list[dict[str, Any]]]
PUBLIC = [name for name, entry in FUNCTIONS if entry.public]

SETUP = """
CREATE TABLE rows AS SELECT i AS customer, (hash(i) % 1000 / 500.0 - 1)::FLOAT AS age,
    (hash(i + 7) % 1000 / 500.0 - 1)::FLOAT AS amount, 'city ' || i % 3 AS city, i % 7 AS score,
    (hash(i) % 1000 > 500)::INT AS churned
    FROM range(5000) t(i);
CREATE TABLE later AS SELECT * REPLACE (age + 0.5 AS age) FROM rows WHERE customer % 2 = 0;
CREATE MODEL churn FROM 'churn.onnx' INPUT (age FLOAT, amount FLOAT);
CREATE MODEL trees FROM 'trees.onnx' INPUT (age FLOAT, amount FLOAT, score FLOAT);
CREATE MODEL value FROM 'value.onnx' INPUT (age FLOAT, amount FLOAT);
CREATE MODEL sum FROM 'sum.onnx' INPUT (age FLOAT, amount FLOAT);
CREATE FEATURE SET clicks (ENTITY customer BIGINT, TIMESTAMP at, n BIGINT) STORE OFFLINE AND ONLINE
    AS SELECT 7 AS customer, TIMESTAMP '2026-01-01' + INTERVAL 1 DAY * i AS at, i AS n FROM range(5) t(i);
REFRESH FEATURE SET clicks ONLINE;
CREATE FEATURE VECTOR profile AS FEATURES (clicks.n);
CREATE ENDPOINT score USING MODEL churn;
CREATE TABLE told AS FROM (VALUES (1, 'payment refused', 'ana'), (2, 'all is well', 'ben')) AS x(id, body, author);
CREATE DATASET kept AS FROM told;
CREATE COLLECTION notes KEY (id) TEXT body AS FROM told;
CREATE MODEL words FROM 'words.onnx';
CREATE COLLECTION papers KEY (id) TEXT body EMBED WITH MODEL words AS FROM told;
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Run]:
    """A house with tables, models and features; its function gives the rows of a script's last statement."""
    folder = tmp_path_factory.mktemp("functions")
    _write_models(folder)
    house = House.open(fresh_home(folder / "home"), Settings())
    session = Session(house.catalog, house.dispatcher, Caller(), base_folder=str(folder))

    def rows(text: str) -> list[dict[str, Any]]:
        last = list(session.run(text))[-1].result
        return [] if last.table is None else list(last.table.to_pylist())

    rows(SETUP)
    yield rows
    house.close()


def _write_models(folder: Path) -> None:
    contents = {
        "churn": onnx_models.logistic([1.5, -0.5], 0.25),
        "trees": onnx_models.gradient_boosting(zipmap=True, columns=3).onnx,
        "value": onnx_models.regression([2.0, -1.0], 0.5),
        "sum": onnx_models.scaled(2.0),
        "words": onnx_models.text_embedding(["a text of words", "another one", "more of it"], 2),
    }
    for name, content in contents.items():
        (folder / f"{name}.onnx").write_bytes(content)


@pytest.mark.parametrize("name", PUBLIC)
def test_documented_examples_run(run: Run, name: str) -> None:
    assert run(FUNCTIONS.get(name).example)


@pytest.mark.parametrize("name", PUBLIC)
def test_functions_are_documented(name: str) -> None:
    """Argument by argument and column by column."""
    entry = FUNCTIONS.get(name)
    assert len(entry.summary) > 15
    assert all(len(argument.doc) > 5 for argument in entry.arguments)
    assert entry.columns
    assert all(len(column.doc) > 5 for column in entry.columns)
    assert isinstance(entry, RowFunction) or entry.example.count(f"ml.{entry.name}(") == 1


@pytest.mark.parametrize("model", ["churn", "trees", "value", "sum"])
def test_both_forms_of_predict_say_the_same(run: Run, model: str) -> None:
    """A linear model is an expression in one and a session in the other."""
    table = run(f"SELECT customer, prediction FROM ml.predict('{model}', 'rows') ORDER BY customer")
    row = run(f"SELECT ml.predict('{model}', r) AS p FROM rows AS r ORDER BY customer")
    assert np.allclose([one["prediction"] for one in table], [one["p"] for one in row], rtol=0, atol=1e-6)
    assert len(table) == 5000


def test_rows_keep_their_columns_and_get_what_the_model_gives(run: Run) -> None:
    """Probabilities from classifiers only; a CTE works as a table does."""
    given = ["customer", "age", "amount", "city", "score", "churned"]
    for model in ("churn", "trees"):
        found = run(f"WITH few AS (FROM rows LIMIT 10) FROM ml.predict('{model}@1', 'few')")
        assert list(found[0]) == [*given, "prediction", "probabilities"]
        for row in found:
            assert row["probabilities"][1] == pytest.approx(row["prediction"], abs=1e-6)
            assert sum(row["probabilities"]) == pytest.approx(1, abs=1e-6)
    for model in ("value", "sum"):
        assert list(run(f"FROM ml.predict('{model}', 'rows') LIMIT 1")[0]) == [*given, "prediction"]


def test_missing_values_and_rows(run: Run) -> None:
    """What a model makes no number of has no prediction, nor has a row that is NULL; no rows give no rows."""
    for model in ("value", "sum"):
        found = run(f"WITH g AS (SELECT NULL::FLOAT AS age, 1 AS amount) FROM ml.predict('{model}', 'g')")
        assert found[0]["prediction"] is None
    rows = "(VALUES ({'age': 1.0, 'amount': 1}), (NULL)) t(r)"
    assert run(f"SELECT ml.predict('sum', r) AS p FROM {rows}") == [{"p": 4.0}, {"p": None}]
    assert run("WITH none AS (FROM rows LIMIT 0) FROM ml.predict('trees', 'none')") == []


def test_evaluation_of_an_expression_and_of_a_session_agree(run: Run) -> None:
    """The metrics of a linear model, and of the same predictions computed by hand."""
    found = run("FROM ml.evaluate('value', 'rows', label := 'churned')")[0]
    by_hand = run("SELECT sqrt(avg((ml.predict('value', r) - churned) ** 2)) AS rmse FROM rows r")[0]
    assert found["rmse"] == pytest.approx(by_hand["rmse"], abs=1e-6)
    assert found["n"] == 5000
    assert 0.5 < run("SELECT auc FROM ml.evaluate('churn', 'rows', label := 'churned')")[0]["auc"] <= 1


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("FROM ml.predict('chrun', 'rows')", "did you mean churn"),
        ("FROM ml.predict('churn@7', 'rows')", "version 7"),
        ("FROM ml.predict('churn', 'rowz')", "did you mean rows?"),
        ("FROM ml.predict('churn', 'SELECT 1')", "is not the name of a table"),
        ("WITH q AS (SELECT age FROM rows) FROM ml.predict('churn', 'q')", '"amount"'),
        ("WITH q AS (SELECT age FROM rows) FROM ml.predict('trees', 'q')", '"amount"'),
        (
            "WITH q AS (SELECT age, city AS amount, 1 AS score FROM rows) FROM ml.predict('trees', 'q')",
            "'amount' is given as string",
        ),
        ("WITH q AS (SELECT age, city AS amount FROM rows) FROM ml.predict('churn', 'q')", "could not convert"),
        ("SELECT ml.predict('churn', {'age': 1})", "no 'amount'"),
        ("SELECT ml.predict('churn', 3)", "a row is needed"),
        ("SELECT ml.predict(CASE WHEN age > 0 THEN 'sum' ELSE 'value' END, r) FROM rows r", "one constant name"),
        ("SELECT ml.predict(NULL, r) FROM rows r", "one constant name"),
        ("FROM ml.evaluate('churn', 'rows')", "which column of the rows is the truth"),
        ("SELECT count(*) FROM ml.exec('SHOW MODELS')", "must stand alone"),
        ("FROM ml.exec('SHOW MODELS; SHOW RUNS')", "one statement"),
        ("FROM ml.exec('RUN nix')", "there is no function"),
        ("FROM ml.features('profil', 'rows')", "did you mean profile"),
    ],
)
def test_wrong_calls_are_told(run: Run, text: str, words: str) -> None:
    with pytest.raises(MlboxError) as caught:
        run(text)
    assert words in f"{caught.value.message} {caught.value.hint}"
    assert caught.value.code != "internal"


def test_description_of_a_relation(run: Run) -> None:
    """Against the numbers that DuckDB gives column by column; types of all sorts, a CTE, columns without values."""
    relation = (
        "WITH q AS (SELECT customer, age, CASE WHEN customer % 4 = 0 THEN NULL ELSE amount END AS gaps, city, "
        "customer % 2 = 0 AS even, 'NaN'::DOUBLE AS broken, NULL::INT AS nothing, '12' AS digits, now() AS at, "
        "[1] AS list, {'a': 1} AS struct, {'a': 1}::VARIANT AS variant FROM rows) "
    )
    found = {row["column_name"]: row for row in run(f"{relation} FROM ml.summary('q')")}
    assert list(found) == ("customer age gaps city even broken nothing digits at list struct variant".split())
    truth = run(f"{relation} SELECT count(gaps) n, min(gaps) low, avg(gaps) mean, stddev(gaps) s FROM q")[0]
    gaps = found["gaps"]
    assert (gaps["type"], gaps["row_count"], gaps["nulls"]) == ("FLOAT", 5000, 5000 - truth["n"])
    assert (gaps["min"], gaps["mean"]) == (pytest.approx(truth["low"]), pytest.approx(truth["mean"]))
    assert gaps["stddev"] == pytest.approx(truth["s"])
    assert sum(gaps["histogram_counts"]) == truth["n"]
    assert gaps["histogram_edges"][0] == gaps["min"] and gaps["histogram_edges"][20] == pytest.approx(gaps["max"])
    assert found["customer"]["histogram_counts"] == [250] * 20
    assert found["customer"]["quantiles"][4] == pytest.approx(2499.5, rel=0.02)
    assert found["even"]["mean"] == 0.5
    assert set(found["city"]["top"]) == {"city 0", "city 1", "city 2"}
    for name in ("city", "broken", "nothing", "digits", "at", "list", "struct", "variant"):
        assert found[name]["mean"] is None and found[name]["histogram_counts"] is None, name
    assert found["nothing"]["nulls"] == 5000


def test_description_of_no_rows(run: Run) -> None:
    found = run("WITH q AS (FROM rows LIMIT 0) FROM ml.summary('q')")
    assert [(row["column_name"], row["row_count"], row["mean"]) for row in found][:2] == [
        ("customer", 0, None),
        ("age", 0, None),
    ]


def test_describe_needs_quotes(run: Run) -> None:
    """The name is a word of DuckDB's own statements."""
    columns = "column_name, type, row_count, nulls, min, max"
    quoted = run(f"SELECT {columns} FROM ml.\"describe\"('rows')")
    assert quoted == run(f"SELECT {columns} FROM ml.summary('rows')")


def test_drift_of_columns(run: Run) -> None:
    """Nothing for the same rows, much for a shifted column and none for the others; what monitors would say."""
    same = {row["column_name"]: row for row in run("FROM ml.drift('rows', 'rows')")}
    assert set(same) == {"customer", "age", "amount", "score", "churned"}
    for row in same.values():
        assert all(abs(row[name]) < 1e-9 for name in ("psi", "ks", "kl", "js", "wasserstein", "null_rate"))
        assert row["base_n"] == row["n"] == 5000
    moved = {row["column_name"]: row for row in run("FROM ml.drift('rows', 'later')")}
    assert moved["age"]["psi"] > 0.25 > moved["amount"]["psi"]
    assert moved["age"]["wasserstein"] == pytest.approx(0.5, rel=0.2)
    assert 0 < moved["age"]["ks"] <= 1
    gaps = run("WITH g AS (SELECT CASE WHEN customer % 4 > 0 THEN age END AS age FROM rows) FROM ml.drift('rows', 'g')")
    assert [(row["column_name"], round(row["null_rate"], 3)) for row in gaps] == [("age", 0.25)]
    assert run("WITH g AS (SELECT 1 AS nix) FROM ml.drift('rows', 'g')") == []


def test_statements_through_a_query(run: Run) -> None:
    """The same as the statement itself: rows where it has some, else what it says; and it is in the audit."""
    assert run("FROM ml.exec('SHOW MODELS')") == run("SHOW MODELS")
    told = run("select * from ml.exec('ALTER MODEL churn SET ALIAS best = 1')")
    assert "churn@best" in told[0]["message"]
    run("ALTER MODEL churn SET ALIAS next = 1")  # written after the audit of the one before
    found = run("SELECT outcome FROM ml.audit WHERE statement = 'ALTER MODEL' ORDER BY started_at LIMIT 1")
    assert found == [{"outcome": "done"}]


def test_a_graph_and_a_function_run_over_a_table(run: Run, tmp_path: Path) -> None:
    code = "class Double:\n    def do(self, event): return {**event, 'd': event['x'] * 2}\n"
    (tmp_path / "double.py").write_text(code)
    (tmp_path / "flow.yaml").write_text(
        "steps:\n"
        "  - {kind: map, function: double}\n"
        "  - {kind: filter, where: d < 8}\n"
        "  - {kind: model, model: sum, result: s}\n"
        "  - {kind: map, select: {s: s, d: d}}\n"
    )
    run(f"CREATE FUNCTION double FROM '{tmp_path}/double.py' HANDLER Double")
    plan = run(f"EXPLAIN CREATE ENDPOINT flow USING GRAPH '{tmp_path}/flow.yaml'")
    assert {row["object"] for row in plan} >= {"graph", "function default.double@1", "model default.sum@1"}
    run(f"CREATE ENDPOINT flow USING GRAPH '{tmp_path}/flow.yaml'")
    (tmp_path / "wrong.yaml").write_text("steps:\n  - {kind: respond}\n  - {kind: model, model: smu}\n")
    with pytest.raises(MlboxError, match="wrong.yaml, line 3: step 'model': there is no model default.smu") as caught:
        run(f"CREATE ENDPOINT wrong USING GRAPH '{tmp_path}/wrong.yaml'")
    assert caught.value.hint == "did you mean sum?"
    found = run("SELECT x, ml.ask('flow', t) AS a FROM (SELECT range AS x, 1 AS age, 2 AS amount FROM range(5)) t")
    assert [row["a"] for row in found] == [*(f'{{"s":6.0,"d":{x * 2}}}' for x in range(4)), "null"]
    (row,) = run("SELECT kind, model, graph FROM ml.endpoints WHERE name = 'flow'")
    assert row["kind"] == "graph" and row["model"] == "sum@1" and "kind: filter" in row["graph"]
    with pytest.raises(MlboxError, match="there is no endpoint default.nosuch"):
        run("SELECT ml.ask('nosuch', t) FROM rows t")
    with pytest.raises(MlboxError, match="the request has no input 'age'"):
        run("SELECT ml.ask('score', {'z': 1})")
    (tmp_path / "rules.py").write_text("def score(x, y=2):\n    return x + y\n")
    run(f"CREATE FUNCTION rules FROM '{tmp_path}/rules.py'; CREATE ENDPOINT rules USING FUNCTION rules")
    (tmp_path / "rules.py").write_text("def score(x, y=2):\n    return x * y\n")
    run(f"CREATE FUNCTION rules FROM '{tmp_path}/rules.py'")
    assert run("SELECT ml.ask('rules', {'x': 5})->>'$.prediction' AS p")[0]["p"] == "7.0"
    for function in ("rules", "double"):
        with pytest.raises(MlboxError, match=f"function default.{function} is named by endpoint default"):
            run(f"ALTER FUNCTION {function} RENAME TO other")
    run("ALTER ENDPOINT rules USING FUNCTION rules")
    assert run("SELECT ml.ask('rules', {'x': 5})->>'$.prediction' AS p")[0]["p"] == "10.0"
    edges = run("SELECT from_ref FROM ml.lineage WHERE to_kind = 'endpoint' AND to_ref = 'default.rules' ORDER BY 1")
    assert [edge["from_ref"] for edge in edges] == ["default.rules@1", "default.rules@2"]
