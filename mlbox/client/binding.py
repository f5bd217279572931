"""Which function of a file is called, and with what."""

from __future__ import annotations

from mlbox.client.clusters import is_at_hand, session, session_asked_for
from mlbox.client.failures import WrongCall, nearest

TYPE_CHECKING = False
if TYPE_CHECKING:
    import types
    from typing import Any, Callable, Dict, List, Mapping, Optional, Tuple

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


class _Missing:
    """No annotation, no default."""


_POSITIONAL, _KEYWORD, _ANY_POSITIONAL, _ANY_KEYWORD = range(4)


class Parameter:
    """What a handler takes."""

    __slots__ = ("annotation", "default", "kind", "name")

    def __init__(self, name: str, kind: int, annotation: Any, default: Any) -> None:
        self.name = name
        self.kind = kind
        self.annotation = annotation
        self.default = default


def parameters_of(handler: Callable[..., Any]) -> Optional[List[Parameter]]:
    """In their order; None where they cannot be known (a function in C). Of a plain function they are read off its
    code: ``inspect`` takes as long to load as an interpreter to start."""
    disguised = hasattr(handler, "__wrapped__") or hasattr(handler, "__signature__")
    if type(handler) is type(parameters_of) and not disguised:
        return _read_off(handler, handler.__code__)
    import inspect

    try:
        signature = inspect.signature(handler)
    except (TypeError, ValueError):
        return None
    kinds: Dict[Any, int] = {
        inspect.Parameter.POSITIONAL_ONLY: _POSITIONAL,
        inspect.Parameter.VAR_POSITIONAL: _ANY_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD: _ANY_KEYWORD,
    }

    def known(value: Any) -> Any:
        return _Missing if value is inspect.Parameter.empty else value

    return [
        Parameter(name, kinds.get(entry.kind, _KEYWORD), known(entry.annotation), known(entry.default))
        for name, entry in signature.parameters.items()
    ]


def _read_off(handler: Any, code: types.CodeType) -> List[Parameter]:
    count, keywords = code.co_argcount, code.co_kwonlyargcount
    names = list(code.co_varnames)
    annotations = getattr(handler, "__annotations__", None) or {}
    last = handler.__defaults__ or ()
    defaults = {**dict(zip(names[count - len(last) : count], last)), **(handler.__kwdefaults__ or {})}
    kinds = {name: _POSITIONAL for name in names[: code.co_posonlyargcount]}
    order = names[:count]
    rest = names[count + keywords :]
    if code.co_flags & 0x04:  # *args
        order.append(rest.pop(0))
        kinds[order[-1]] = _ANY_POSITIONAL
    order += names[count : count + keywords]
    if code.co_flags & 0x08:  # **kwargs
        order.append(rest.pop(0))
        kinds[order[-1]] = _ANY_KEYWORD
    return [
        Parameter(name, kinds.get(name, _KEYWORD), annotations.get(name, _Missing), defaults.get(name, _Missing))
        for name in order
    ]


def bind(
    handler: Callable[..., Any], context: Any, inputs: Mapping[str, Any], parameters: Mapping[str, Any]
) -> Tuple[List[Any], Dict[str, Any]]:
    """Arguments of the call: the context, inputs and parameters by name. ``inputs`` maps names to functions that load
    them as what an annotation says (None: there is none). Raises ``WrongCall`` that shows the signature."""
    name = getattr(handler, "__name__", "handler")
    taken = parameters_of(handler)
    if taken is None:
        return [context], dict(parameters)
    positional: List[Any] = []
    named: Dict[str, Any] = {}
    missing = []
    for index, entry in enumerate(taken):
        key = entry.name
        if entry.kind in (_ANY_KEYWORD, _ANY_POSITIONAL):
            continue
        if key in CONTEXT_NAMES or (index == 0 and _is_context(entry.annotation)):
            value = context
        elif key in parameters:
            value = _converted(handler, key, entry.annotation, parameters[key])
        elif key in inputs:
            value = inputs[key](_resolved(handler, entry.annotation))
        elif _session(entry) is not None:
            value = session(_session(entry))
        elif entry.default is _Missing:
            missing.append(key)
            continue
        else:
            value = entry.default
        if entry.kind == _POSITIONAL:
            positional.append(value)
        else:
            named[key] = value
    known = [entry.name for entry in taken]
    extra = [key for key in parameters if key not in known]
    if extra and not any(entry.kind == _ANY_KEYWORD for entry in taken):
        takes = [key for key in known if key not in CONTEXT_NAMES and key not in inputs]
        raise WrongCall(f"{name} has no parameter {extra[0]!r}", f"{nearest(extra[0], takes)} {_shown(handler)}")
    if missing:
        what = "an input or parameter" if "frame" not in missing else "rows (RUN ... FROM)"
        told = f"{name} needs {what} {', '.join(map(repr, missing))}, which this run was not given"
        raise WrongCall(told, _shown(handler))
    named.update((key, parameters[key]) for key in extra)
    return positional, named


def _shown(handler: Callable[..., Any]) -> str:
    import inspect

    return f"the signature is {getattr(handler, '__name__', 'handler')}{inspect.signature(handler)}"


def call_imported(handler: Callable[..., Any], context: Any, parameters: Mapping[str, Any]) -> Any:
    """Call a handler of a package with what it takes: inputs and parameters by name, the context where it wants it."""
    inputs = {name: (lambda kind, name=name: context.input(name, kind)) for name in context.inputs}
    positional, named = bind(handler, context, inputs, parameters)
    return handler(*positional, **named)


def _session(entry: Parameter) -> Any:
    """The session of an engine that a parameter is given; one with a default only on that engine."""
    kind = session_asked_for(entry.name, None if entry.annotation is _Missing else entry.annotation)
    return kind if kind is not None and (entry.default is _Missing or is_at_hand(kind)) else None


def _is_context(annotation: Any) -> bool:
    text = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    return text.split(".")[-1] == "Context"


def _resolved(handler: Callable[..., Any], annotation: Any) -> Any:
    """What an annotation names: a text (``pd.DataFrame``, ``Board``) by the names of the handler's module, where it is
    one of those; None for none."""
    if annotation is _Missing or not isinstance(annotation, str):
        return None if annotation is _Missing else annotation
    known = getattr(handler, "__globals__", {})
    first, *rest = annotation.split(".")
    value = known.get(first)
    for part in rest:
        value = getattr(value, part, None)
    return value if isinstance(value, type) else annotation


def _converted(handler: Callable[..., Any], key: str, annotation: Any, value: Any) -> Any:
    """``value`` as the plain type that the handler declares, where nothing is lost by it."""
    declared = annotation if isinstance(annotation, str) else getattr(annotation, "__name__", "")
    try:
        return as_declared(declared, value)
    except (ValueError, KeyError, TypeError, OverflowError):
        name = getattr(handler, "__name__", "handler")
        raise WrongCall(f"{name}: parameter {key!r} is {value!r}, not {declared}", _shown(handler)) from None


def as_declared(declared: str, value: Any) -> Any:
    """``value`` as the plain type of that name, where nothing is lost by it; as it is where it is another type's name.
    Raises ``ValueError``, ``KeyError``, ``TypeError`` or ``OverflowError`` for what cannot be one."""
    if declared not in ("int", "float", "str", "bool") or value is None:
        return value
    kind = {"int": int, "float": float, "str": str, "bool": bool}[declared]
    if isinstance(value, kind) and not (kind is int and isinstance(value, bool)):
        return value
    if declared == "bool":
        return {"true": True, "false": False, "1": True, "0": False}[str(value).lower()]
    if isinstance(value, bool) or declared == "str" and not isinstance(value, (int, float)):
        raise ValueError
    if declared == "int" and isinstance(value, float) and not value.is_integer():
        raise ValueError
    return kind(value)
