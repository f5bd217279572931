"""What every model runtime has to do, over all of them, with real models behind a real server."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnx_models
import pytest
from serving_house import House, Live, served
from waiting import wait_until

from mlbox.base.clock import now
from mlbox.base.errors import MlboxError
from mlbox.base.ids import new_id
from mlbox.base.names import Ref
from mlbox.client import artifacts as logged
from mlbox.client import conversion
from mlbox.engine.catalog.tables import artifacts
from mlbox.engine.models.commands import CreateModel
from mlbox.serve.runtimes.base import RUNTIMES

NAMES = ["a", "b", "c"]
ROWS = np.random.default_rng(3).normal(size=(200, 3))
LABEL = (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int)


@dataclass(frozen=True)
class Case:
    """A model as user code logs it, and what its own library says to some rows."""

    model: Any
    expected: Callable[[np.ndarray], np.ndarray]


class Doubler:
    """An object with a predict method, and no more."""

    def predict(self, matrix: Any) -> Any:
        return np.asarray(matrix).sum(axis=1) * 2


class Dies(Doubler):
    """Ends its process at a value."""

    def predict(self, matrix: Any) -> Any:
        import os

        if (np.asarray(matrix) == 13).any():
            os._exit(3)
        return super().predict(matrix)


def _onnx() -> Case:
    return Case(onnx_models.scaled(2.0, width=3), lambda rows: rows.sum(axis=1) * 2)


def _sklearn() -> Case:
    from sklearn.linear_model import LogisticRegression

    model = LogisticRegression().fit(ROWS, LABEL)
    return Case(model, lambda rows: model.predict_proba(rows)[:, 1])


def _xgboost() -> Case:
    import xgboost

    model = xgboost.train({"max_depth": 3, "nthread": 1}, xgboost.DMatrix(ROWS, LABEL, feature_names=NAMES), 5)
    return Case(model, lambda rows: model.predict(xgboost.DMatrix(rows, feature_names=NAMES)))


def _lightgbm() -> Case:
    import lightgbm

    model = lightgbm.LGBMClassifier(n_estimators=5, n_jobs=1, verbose=-1).fit(ROWS, LABEL)
    return Case(model, lambda rows: model.predict_proba(rows)[:, 1])


def _pytorch() -> Case:
    import torch

    model = torch.nn.Linear(3, 1)
    return Case(model, lambda rows: model(torch.tensor(rows, dtype=torch.float32)).detach().numpy()[:, 0])


def _pickle() -> Case:
    import sys

    import cloudpickle

    cloudpickle.register_pickle_by_value(sys.modules[__name__])  # as a class of a notebook is pickled
    return Case(Doubler(), lambda rows: rows.sum(axis=1) * 2)


CASES = {
    "onnx": _onnx,
    "sklearn": _sklearn,
    "xgboost": _xgboost,
    "lightgbm": _lightgbm,
    "pytorch": _pytorch,
    "pickle": _pickle,
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("runtimes"))
    with served(house) as live:
        yield live


SLOW = ("lightgbm", "pytorch", "sklearn", "xgboost")
"""Computed by the nightly tests only: their libraries take seconds to load."""


def _some() -> list[Any]:

    return [pytest.param(name, marks=pytest.mark.nightly) if name in SLOW else name for name in RUNTIMES.names()]


@pytest.fixture(params=_some())
def case(request: pytest.FixtureRequest) -> tuple[str, Case]:
    if request.param == "pytorch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed here")
    return request.param, CASES[request.param]()


def _register(house: House, name: str, payload: Any, alias: str | None = None) -> None:
    content = payload.content
    digest = house.models.artifacts.put_bytes(content).digest
    row = artifacts.ArtifactRow(
        id=new_id(),
        project="default",
        run_id=None,
        name=name,
        kind="model",
        digest=digest,
        size=len(content),
        created_at=now(),
        metadata=payload.metadata,
    )
    house.catalog.write(lambda cursor: artifacts.insert(cursor, row))
    house.do(CreateModel(ref=Ref("default", name), artifact_id=row.id, alias=alias))


@pytest.fixture
def logs_as_it_is(monkeypatch: pytest.MonkeyPatch) -> None:
    """As where no converter is installed."""
    monkeypatch.setattr(conversion, "_CONVERTERS", {})


def test_a_logged_model_answers_as_its_library_does(live: Live, case: tuple[str, Case], logs_as_it_is: None) -> None:
    name, known = case
    payload = logged.model(name, known.model, feature_names=NAMES)
    assert payload.metadata["framework"] == name
    if name != "onnx":
        assert any(line.startswith("numpy==") for line in payload.metadata["requirements"])
    _register(live.house, name, payload)
    live.house.endpoint(name, name)
    some = ROWS[:17]
    expected = known.expected(some)

    by_column = live.rows(name, {n: some[:, i].tolist() for i, n in enumerate(NAMES)}, id=f"{name}-1")
    assert by_column.status_code == 200, by_column.text
    assert np.allclose(by_column.json()["outputs"][0]["data"], expected, atol=1e-5)
    matrix = {"name": "X", "shape": [17, 3], "datatype": "FP64", "data": some.tolist()}
    assert np.allclose(live.infer(name, {"inputs": [matrix]}).json()["outputs"][0]["data"], expected, atol=1e-5)

    rows = live.house.predictions(f"request_id = '{name}-1'")
    assert len(rows) == 17 and {row["model"] for row in rows} == {name}
    by_id = {row["row_id"]: row for row in rows}
    assert by_id[f"{name}-1/3"]["features"] == pytest.approx(dict(zip(NAMES, some[3], strict=True)), abs=1e-6)


def test_wrong_requests_are_the_callers_fault(live: Live, case: tuple[str, Case], logs_as_it_is: None) -> None:
    name = f"{case[0]}_wrong"
    _register(live.house, name, logged.model(name, case[1].model, feature_names=NAMES))
    live.house.endpoint(name, name)
    missing = live.rows(name, {"a": [1.0]})
    assert missing.status_code == 400 and "'b', 'c'" in missing.json()["error"]
    narrow = live.infer(name, {"inputs": [{"name": "X", "shape": [1, 2], "datatype": "FP64", "data": [1, 2]}]})
    assert narrow.status_code == 400 and "2 columns" in narrow.json()["error"]
    text = live.rows(name, {"a": ["x"], "b": [1.0], "c": [1.0]})
    assert text.status_code in (400, 500) and "error" in text.json() and "Traceback" not in text.text


def test_a_file_that_is_no_model_is_refused(live: Live, case: tuple[str, Case], logs_as_it_is: None) -> None:
    name = f"{case[0]}_broken"
    payload = logged.model(name, case[1].model, feature_names=NAMES)
    with pytest.raises(MlboxError) as caught:
        _register(live.house, name, payload._replace(content=b"\x00 this is no model"))
        live.house.endpoint(name, name)
    assert "Traceback" not in caught.value.message and caught.value.message
    assert live.http.get(f"/v2/models/{name}").status_code == 404


def test_alias_moves_switch_without_a_failed_request(live: Live, case: tuple[str, Case], logs_as_it_is: None) -> None:
    name = f"{case[0]}_moving"
    payload = logged.model(name, case[1].model, feature_names=NAMES)
    _register(live.house, name, payload, "champion")
    live.house.endpoint(name, f"{name}@champion")
    _register(live.house, name, payload._replace(metadata={**payload.metadata, "metrics": {"auc": 1.0}}))
    stop = threading.Event()
    seen: list[tuple[int, Any]] = []

    def ask() -> None:
        with httpx.Client(base_url=live.server.url, timeout=60) as client:
            while not stop.is_set():
                reply = Live(live.house, live.server, client).rows(name, {n: [0.5] for n in NAMES})
                seen.append((reply.status_code, reply.json().get("model_version")))

    threads = [threading.Thread(target=ask) for _ in range(2)]
    for thread in threads:
        thread.start()
    wait_until(lambda: len(seen) > 2)
    live.house.alias(name, "champion", 2)
    stop.set()
    for thread in threads:
        thread.join()
    assert {code for code, _ in seen} == {200}
    after = live.rows(name, {n: [0.5] for n in NAMES}).json()
    assert after["model_version"] == "2"


OWN = {
    "pickle": """
class Own:
    def predict(self, matrix):
        return add(matrix)

def add(matrix):
    import numpy
    return numpy.asarray(matrix).sum(axis=1) + 1
""",
    "pytorch": """
import torch

class Own(torch.nn.Module):
    def forward(self, matrix):
        return add(matrix)

def add(matrix):
    return matrix.sum(dim=1, keepdim=True) + 1
""",
}
"""Classes of a file of the user's own, which nobody installs where the model is served."""


@pytest.mark.parametrize("name", ["pickle", pytest.param("pytorch", marks=pytest.mark.nightly)])
def test_the_users_own_classes_travel_with_the_model(
    live: Live, name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if name == "pytorch" and importlib.util.find_spec("torch") is None:
        pytest.skip("PyTorch is not installed here")
    module = f"own_{name}"
    (tmp_path / f"{module}.py").write_text(OWN[name])
    monkeypatch.syspath_prepend(tmp_path)
    payload = logged.model(module, importlib.import_module(module).Own(), feature_names=NAMES)
    monkeypatch.delitem(sys.modules, module)
    assert payload.metadata["framework"] == name
    _register(live.house, module, payload)
    live.house.endpoint(module, module)
    reply = live.rows(module, {"a": [1.0, 2.0], "b": [1.0, 2.0], "c": [1.0, 2.0]})
    assert reply.json()["outputs"][0]["data"] == [4.0, 7.0], reply.text


def test_a_member_that_fails_is_left_out_when_the_policy_says_so(live: Live, logs_as_it_is: None) -> None:
    _pickle()
    _register(live.house, "dies", logged.model("dies", Dies(), feature_names=NAMES))
    live.house.model("lives", onnx_models.scaled(1.0, width=3), *NAMES)
    for name, policy in (("strict", "fail"), ("loose", "skip")):
        more = {"using": "ensemble", "ensemble": "mean", "options": {"on_member_error": policy}}
        live.house.endpoint(name, "lives", "dies", **more)
        both = live.rows(name, {"a": [1.0], "b": [1.0], "c": [2.0]}).json()
        assert both["outputs"][0]["data"] == [6.0] and "parameters" not in both
    strict = live.rows("strict", {"a": [13.0], "b": [1.0], "c": [2.0]})
    assert strict.status_code == 503 and "exit status 3" in strict.json()["error"]
    loose = live.rows("loose", {"a": [13.0], "b": [1.0], "c": [2.0]})
    assert loose.status_code == 200 and loose.json()["parameters"] == {"members_failed": ["dies@1"]}
    assert loose.json()["outputs"][0]["data"] == [16.0]


def test_every_framework_that_is_kept_has_a_runtime() -> None:
    assert {*conversion.FAMILIES.values(), "onnx", "pickle"} <= set(RUNTIMES.names())
    assert set(CASES) == set(RUNTIMES.names())
