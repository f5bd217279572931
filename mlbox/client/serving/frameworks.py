"""Models of other libraries, kept as they were logged: how each is loaded and asked."""

from __future__ import annotations

import os
from importlib import import_module
from typing import Any, Callable, Dict, List, Mapping

from mlbox.client.failures import WrongCall
from mlbox.client.frames import importable
from mlbox.client.serving.answering import Answering


class OfModel(Answering):
    """A fitted model. Features go in as a matrix in their order, with names where the model was fitted with names."""

    def __init__(self, model: Any, features: List[str], ask: Callable[[Any, Any], Dict[str, Any]]) -> None:
        self._model = model
        self._ask = ask
        # what MLflow saved compares the names with its signature
        self._named = getattr(model, "feature_names_in_", None) is not None or ask is by_predict
        self.features = features
        self.verbs = ["predict"]

    def predict(self, columns: Dict[str, Any], rows: int) -> Any:
        """Predictions, and probabilities of classes where the model has them."""
        import numpy

        names = self.features or list(columns)
        arrays = [columns[name] for name in names]
        if len(arrays) == 1 and getattr(arrays[0], "ndim", 1) >= 2:
            return self._ask(self._model, arrays[0])
        pandas = importable("pandas") if self._named or any(array.dtype == object for array in arrays) else None
        if pandas is not None:
            return self._ask(self._model, pandas.DataFrame(dict(zip(names, arrays))))
        return self._ask(self._model, numpy.column_stack([numpy.asarray(array, dtype="float64") for array in arrays]))


def by_methods(model: Any, matrix: Any) -> Dict[str, Any]:
    """``predict``, and ``predict_proba`` where there is one: of two classes, the probability of the second is the
    prediction, as for a model in ONNX."""
    import numpy

    if not hasattr(model, "predict_proba"):
        return {"prediction": numpy.asarray(model.predict(matrix))}
    try:
        probabilities = numpy.asarray(model.predict_proba(matrix))
    except AttributeError:  # only known when it is called: an SVC without probability=True
        return {"prediction": numpy.asarray(model.predict(matrix))}
    label = numpy.asarray(model.classes_)[probabilities.argmax(axis=1)]
    if probabilities.ndim == 2 and probabilities.shape[1] == 2:
        prediction = probabilities[:, 1]
    else:
        prediction = label if label.dtype.kind in "iufb" else probabilities.argmax(axis=1)
    return {"prediction": prediction, "label": label, "probabilities": probabilities}


def by_xgboost(model: Any, matrix: Any) -> Dict[str, Any]:
    """A Booster takes its own matrix; its classes for scikit-learn are asked by their methods."""
    xgboost: Any = import_module("xgboost")

    if not isinstance(model, xgboost.Booster):
        return by_methods(model, matrix)
    names = None if hasattr(matrix, "columns") else model.feature_names
    return _scores(model.predict(xgboost.DMatrix(matrix, feature_names=names)))


def by_lightgbm(model: Any, matrix: Any) -> Dict[str, Any]:
    """A Booster gives values or probabilities; its classes for scikit-learn are asked by their methods."""
    lightgbm: Any = import_module("lightgbm")

    return _scores(model.predict(matrix)) if isinstance(model, lightgbm.Booster) else by_methods(model, matrix)


def by_torch(model: Any, matrix: Any) -> Dict[str, Any]:
    """A module, in evaluation mode, over a matrix of float32."""
    import numpy

    torch: Any = import_module("torch")
    with torch.no_grad():
        result = model(torch.from_numpy(numpy.ascontiguousarray(matrix, dtype="float32")))
    return _scores(result.detach().cpu().numpy())


def _scores(values: Any) -> Dict[str, Any]:
    """``[n]`` or ``[n, 1]`` are values, ``[n, 2]`` and more probabilities or scores of classes; a tensor of more axes
    is neither."""
    import numpy

    values = numpy.asarray(values)
    if values.ndim > 2:
        return {"output": values}
    if values.ndim == 2 and values.shape[1] > 1:
        prediction = values[:, 1] if values.shape[1] == 2 else values.argmax(axis=1)
        return {"prediction": prediction, "probabilities": values}
    return {"prediction": values.reshape(len(values), -1)[:, 0]}


def by_predict(model: Any, matrix: Any) -> Dict[str, Any]:
    """Whatever has ``predict``."""
    result = model.predict(matrix)
    return result if isinstance(result, dict) else {"prediction": result}


ASK: Dict[str, Callable[[Any, Any], Dict[str, Any]]] = {
    "sklearn": by_methods,
    "xgboost": by_xgboost,
    "lightgbm": by_lightgbm,
    "pytorch": by_torch,
    "pickle": by_methods,
    "mlflow": by_predict,
}


def load_model(spec: Mapping[str, Any]) -> Answering:
    """The model at ``spec["model"]``. Raises ``WrongCall`` with the reason when it cannot be loaded."""
    way, path = str(spec["way"]), str(spec["model"])
    try:
        if way == "mlflow":
            model = import_module("mlflow.pyfunc").load_model(path)
        else:
            model = _unpickled(path)
    except ModuleNotFoundError as error:
        raise WrongCall(
            f"the model needs the module {error.name!r}, which its environment does not have",
            "a module of your own is logged with the model where the function has cloudpickle in its REQUIREMENTS; or "
            "serve it by a class: USING FUNCTION",
        ) from None
    except Exception as error:  # a pickle runs code of any library
        said = (str(error) or repr(error)).splitlines()[0]
        raise WrongCall(f"the model cannot be loaded: {type(error).__name__}: {said}") from None
    if way == "pytorch":
        model.eval()
    if not callable(getattr(model, "predict", None)) and way != "pytorch":
        raise WrongCall(f"what was logged is a {type(model).__name__} and has no method predict")
    return OfModel(model, [str(name) for name in spec.get("features") or ()], ASK[way])


def _unpickled(path: str) -> Any:
    import pickle

    size = os.path.getsize(path)
    with open(path, "rb") as file:
        if size == 0:
            raise ValueError("the file is empty")
        return pickle.load(file)  # noqa: S301 - the user's own model, in the user's own process
