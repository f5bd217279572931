"""Which function of a file is called, and with what."""

from __future__ import annotations

import types
from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

from mlbox.client.clusters import is_at_hand, session, session_asked_for
from mlbox.client.failures import WrongCall, nearest
from mlbox.client.frames import as_declared

CONTEXT_NAMES = ("ctx", "context")
_DEFAULT_NAMES = ("handler", "main")


def default_handler(names: List[str]) -> Optional[str]:
    """The handler when none is named: ``handler``, else the only public function, else ``main``; None: ambiguous."""
    if "handler" in names:
        return "handler"
    if len(names) == 1:
        return names[0]
    return "main" if "main" in names else None


def public_functions(module: types.ModuleType) -> Dict[str, Callable[..., Any]]:
    """Functions that the module itself defines, decorated ones included, in the order of the file."""
    found = {}
    for name, value in vars(module).items():
        if name.startswith("_") or isinstance(value, type) or not callable(value):
            continue
        if getattr(value, "__module__", None) == module.__name__:
            found[name] = value
    return found


def find_handler(module: types.ModuleType, wanted: Optional[str], file: str) -> Callable[..., Any]:
    """The handler called ``wanted`` (dots reach into classes' static methods), or the default one."""
    functions = public_functions(module)
    if wanted:
        value: Any = module
        for part in wanted.split("."):
            value = getattr(value, part, None)
        if callable(value):
            return value  # type: ignore[no-any-return]
        raise WrongCall(f"{file} has no handler {wanted!r}", nearest(wanted, functions))
    name = default_handler(list(functions))
    if name is None:
        known = ", ".join(functions) or "none"
        raise WrongCall(f"{file} has several functions and none was chosen: {known}", "name one with HANDLER")
    return functions[name]


def bind(
    handler: Callable[..., Any], context: Any, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Tuple[List[Any], Dict[str, Any]]:
    """Arguments of the call: the context, inputs and parameters by name. ``inputs`` maps names to functions that load
    them. Raises ``WrongCall`` that shows the signature."""
    import inspect

    name = getattr(handler, "__name__", "handler")
    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return [context], dict(parameters)
    shown = f"the signature is {name}{signature}"
    positional: List[Any] = []
    named: Dict[str, Any] = {}
    accepts_any = False
    missing = []
    for index, (key, entry) in enumerate(signature.parameters.items()):
        if entry.kind is entry.VAR_KEYWORD:
            accepts_any = True
            continue
        if entry.kind is entry.VAR_POSITIONAL:
            continue
        if key in CONTEXT_NAMES or (index == 0 and _is_context(entry.annotation)):
            value = context
        elif key in parameters:
            value = _converted(name, key, entry.annotation, parameters[key], shown)
        elif key in inputs:
            value = as_declared(inputs[key](), entry.annotation)
        elif _session(entry) is not None:
            value = session(_session(entry))
        elif entry.default is entry.empty:
            missing.append(key)
            continue
        else:
            value = entry.default
        if entry.kind is entry.POSITIONAL_ONLY:
            positional.append(value)
        else:
            named[key] = value
    extra = [key for key in parameters if key not in signature.parameters]
    if extra and not accepts_any:
        takes = [key for key in signature.parameters if key not in CONTEXT_NAMES and key not in inputs]
        raise WrongCall(f"{name} has no parameter {extra[0]!r}", f"{nearest(extra[0], takes)} {shown}")
    if missing:
        what = "an input or parameter" if "frame" not in missing else "rows (RUN ... FROM)"
        raise WrongCall(f"{name} needs {what} {', '.join(map(repr, missing))}, which this run was not given", shown)
    named.update((key, parameters[key]) for key in extra)
    return positional, named


def call_imported(handler: Callable[..., Any], context: Any, parameters: Mapping[str, Any]) -> Any:
    """Call a handler of a package with what it takes: inputs and parameters by name, the context where it wants it."""
    inputs = {name: (lambda name=name: context.input(name)) for name in context.inputs}
    positional, named = bind(handler, context, inputs, parameters)
    return handler(*positional, **named)


def _session(entry: Any) -> Any:
    """The session of an engine that a parameter is given; one with a default only on that engine."""
    kind = session_asked_for(entry.name, None if entry.annotation is entry.empty else entry.annotation)
    return kind if kind is not None and (entry.default is entry.empty or is_at_hand(kind)) else None


def _is_context(annotation: Any) -> bool:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return text.split(".")[-1] == "Context"


def _converted(name: str, key: str, annotation: Any, value: Any, shown: str) -> Any:
    """``value`` as the plain type that the handler declares, where nothing is lost by it."""
    declared = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    if declared not in ("int", "float", "str", "bool") or value is None:
        return value
    kind = {"int": int, "float": float, "str": str, "bool": bool}[declared]
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    try:
        if declared == "bool":
            return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
        if isinstance(value, bool) or declared == "str" and not isinstance(value, (int, float)):
            raise ValueError
        if declared == "int" and isinstance(value, float) and not value.is_integer():
            raise ValueError
        return kind(value)
    except (ValueError, KeyError, TypeError):
        raise WrongCall(f"{name}: parameter {key!r} is {value!r}, not {declared}", shown) from None
