"""Fitted models of other libraries: converted to ONNX where a converter is installed, else kept as they are."""

from __future__ import annotations

from typing import Any, Dict, List, Mapping, NamedTuple, Optional, Sequence

from mlbox.client.failures import MlboxClientError
from mlbox.client.frames import columns_of, importable

FAMILIES = {"sklearn": "sklearn", "xgboost": "xgboost", "lightgbm": "lightgbm", "torch": "pytorch"}
"""Package that a model's class comes from, to the framework's name."""
_USUAL = ("numpy", "pandas", "cloudpickle")
"""What a model may need besides its own library, where it is installed."""
_CONVERTERS = {"sklearn": "skl2onnx", "xgboost": "onnxmltools", "lightgbm": "onnxmltools"}


class Kept(NamedTuple):
    """A model as bytes: ``onnx``, or the framework's name with a pickle of the object and why it was not converted."""

    framework: str
    data: bytes
    note: Optional[str] = None


def is_fitted_model(value: Any) -> bool:
    """Whether it is an object that predicts."""
    return family_of(value) is not None and hasattr(value, "predict") or _is_torch(value)


def family_of(value: Any) -> Optional[str]:
    """The library whose model this is, by the packages of its classes; None: of none that is known."""
    for kind in type(value).__mro__:
        package = kind.__module__.partition(".")[0]
        if package in FAMILIES:
            return FAMILIES[package]
    return None


def keep(name: str, value: Any, training_set: Any, feature_names: Optional[Sequence[str]]) -> Kept:
    """``value`` as ONNX, else as a pickle. Raises ``MlboxClientError`` for what is no model."""
    family = family_of(value)
    if family is None and not hasattr(value, "predict"):
        raise MlboxClientError(
            f"model {name!r}: a {type(value).__name__} is not a model",
            "give ONNX (bytes, a path, what skl2onnx.to_onnx returns) or a fitted model with a predict method",
        )
    note: Optional[str] = None
    if family in _CONVERTERS:
        try:
            return Kept("onnx", _convert(family, value, _width(value, training_set, feature_names)))
        except ImportError:
            note = f"{_CONVERTERS[family]} is not installed"
        except Exception as error:  # a converter does not know every model: the model itself is still worth keeping
            said = (str(error) or repr(error)).splitlines()[0]
            note = f"{_CONVERTERS[family]} could not convert it: {said}"
    return Kept(family or "pickle", pickled(f"model {name!r}", value), note)


def _convert(family: str, value: Any, width: int) -> bytes:
    if family == "sklearn":
        import skl2onnx
        from skl2onnx.common.data_types import FloatTensorType

        options = {id(value): {"zipmap": False}} if hasattr(value, "predict_proba") else None
        model = skl2onnx.convert_sklearn(
            value, initial_types=[("features", FloatTensorType([None, width]))], options=options
        )
    else:
        import onnxmltools
        from onnxmltools.convert.common.data_types import FloatTensorType

        taken = [("features", FloatTensorType([None, width]))]
        if family == "lightgbm":  # probabilities as a matrix, and not as a list of dictionaries
            model = onnxmltools.convert_lightgbm(value, initial_types=taken, zipmap=False)
        else:
            model = onnxmltools.convert_xgboost(_numbered(value, width), initial_types=taken)
    return bytes(model.SerializeToString())


def _numbered(value: Any, width: int) -> Any:
    """A model of XGBoost whose features are called ``f0``, ``f1``, .., which is what its converter reads: a copy, if
    they have names of their own."""
    import copy

    own = value.get_booster() if hasattr(value, "get_booster") else value
    if not getattr(own, "feature_names", None):
        return value
    copied = copy.deepcopy(value)
    booster = copied.get_booster() if hasattr(copied, "get_booster") else copied
    booster.feature_names = [f"f{index}" for index in range(width)]
    return copied


def _width(value: Any, training_set: Any, feature_names: Optional[Sequence[str]]) -> int:
    for attribute in ("n_features_in_", "num_features"):
        known = getattr(value, attribute, None)
        if known is not None:
            return int(known() if callable(known) else known)
    if feature_names:
        return len(feature_names)
    if training_set is not None:
        return len(columns_of(training_set))
    raise ValueError("how many features it takes is not known; give feature_names or training_set")


def names_in(value: Any) -> Sequence[str]:
    """Names of the features that the model was fitted with, where it remembers them."""
    known = getattr(value, "feature_names_in_", None)
    if known is None:
        known = getattr(value, "feature_name_", None) or getattr(value, "feature_names", None)
    return [str(name) for name in known] if known is not None and not callable(known) else []


def pickled(what: str, value: Any) -> bytes:
    """With the code of the user's own modules in it, where cloudpickle is installed: nobody else has these."""
    import pickle

    library = importable("cloudpickle")
    told = library.list_registry_pickle_by_value() if library is not None else ()
    own = [] if library is None else [module for module in _own_modules() if module.__name__ not in told]
    for module in own:
        library.register_pickle_by_value(module)
    try:
        return bytes((library or pickle).dumps(value))
    except Exception as error:
        raise MlboxClientError(f"{what} cannot be pickled: {error}") from None
    finally:
        for module in own:
            library.unregister_pickle_by_value(module)


def _own_modules() -> List[Any]:
    """Modules out of files that no distribution and not Python itself has brought."""
    import os
    import sys
    import sysconfig

    names = ("stdlib", "platstdlib", "purelib", "platlib")
    brought = tuple({os.path.join(os.path.realpath(sysconfig.get_path(name)), "") for name in names})
    packages = {"mlbox", "__main__", *_distributions()}
    found = []
    for name, module in list(sys.modules.items()):
        file = getattr(module, "__file__", None)
        if not file or name.partition(".")[0] in packages or getattr(module, "__name__", None) != name:
            continue
        path = os.path.realpath(file)
        if path.endswith(".py") and not path.startswith(brought) and "-packages" + os.sep not in path:
            found.append(module)
    return found


def _is_torch(value: Any) -> bool:
    return any(kind.__module__.startswith("torch.nn") for kind in type(value).__mro__)


def about(kept: Kept, value: Any) -> Dict[str, Any]:
    """What the artifact's metadata say of it: with what it can be loaded again, when it is no ONNX."""
    body: Dict[str, Any] = {"framework": kept.framework, **({"note": kept.note} if kept.note else {})}
    if kept.framework != "onnx":
        import sys

        body["requirements"] = requirements_of(value)
        body["python"] = f"{sys.version_info[0]}.{sys.version_info[1]}"
    return body


def requirements_of(value: Any) -> List[str]:
    """Distributions with their versions that a pickle of the model needs: those of its classes, and of numpy."""
    from importlib import metadata

    found: Dict[str, str] = {}
    owners = _distributions()
    packages = {kind.__module__.partition(".")[0] for kind in type(value).__mro__}
    for package in sorted({*packages, *_USUAL}):
        for name in owners.get(package, ()):
            try:
                found[name.lower()] = metadata.version(name)
            except metadata.PackageNotFoundError:
                continue
    return [f"{name}=={version}" for name, version in sorted(found.items())]


def _distributions() -> Mapping[str, Sequence[str]]:
    """Package → distributions that bring it. Python 3.9 does not know; there the usual names are taken."""
    from importlib import metadata

    known = getattr(metadata, "packages_distributions", None)
    if known is not None:
        found: Mapping[str, Sequence[str]] = known()
        return found
    return {"sklearn": ["scikit-learn"], **{name: [name] for name in ("xgboost", "lightgbm", "torch", *_USUAL)}}
