"""What a handler takes: read off its code as ``inspect`` would tell."""

from __future__ import annotations

import functools
import inspect
from collections.abc import Callable
from typing import Any

import pytest

from mlbox.client import binding
from mlbox.client.failures import WrongCall


def plain(ctx, a: int, b="x", *rest: str, c, d: float = 0.5, **more: Any):  # type: ignore[no-untyped-def] # noqa: ANN
    inner = a
    return inner


def positional(a, b=2, /, c=3, *, d=4):  # type: ignore[no-untyped-def] # noqa: ANN
    return a


def nothing() -> None:
    """Takes nothing."""


def only_rest(*rest: Any, **more: Any) -> None:
    """Takes anything."""


class Callee:
    """Called as an object."""

    def __call__(self, ctx: Any, depth: int = 3) -> None:
        """Nothing."""

    def method(self, ctx: Any, depth: int = 3) -> None:
        """Nothing."""


@functools.wraps(plain)
def wrapped(*arguments: Any, **named: Any) -> Any:
    return plain(*arguments, **named)


@pytest.mark.parametrize(
    "handler",
    [
        plain,
        positional,
        nothing,
        only_rest,
        lambda ctx, x=1: x,
        Callee(),
        Callee().method,
        wrapped,
        functools.partial(plain, a=2),
    ],
)
def test_parameters_are_those_that_inspect_tells(handler: Callable[..., Any]) -> None:
    found = binding.parameters_of(handler)
    assert found is not None
    kinds = {
        inspect.Parameter.POSITIONAL_ONLY: binding._POSITIONAL,
        inspect.Parameter.VAR_POSITIONAL: binding._ANY_POSITIONAL,
        inspect.Parameter.VAR_KEYWORD: binding._ANY_KEYWORD,
    }
    empty = {inspect.Parameter.empty: binding._Missing}
    expected = [
        (
            name,
            kinds.get(entry.kind, binding._KEYWORD),
            entry.annotation if entry.annotation is not inspect.Parameter.empty else binding._Missing,
            empty.get(entry.default, entry.default) if isinstance(entry.default, type) else entry.default,
        )
        for name, entry in inspect.signature(handler).parameters.items()
    ]
    assert [(entry.name, entry.kind, entry.annotation, entry.default) for entry in found] == expected


def test_a_function_in_c_gets_all_by_name() -> None:
    assert binding.bind(dict.pop, "ctx", {}, {"a": 1}) == (["ctx"], {"a": 1})


def test_a_wrong_call_shows_the_signature() -> None:
    with pytest.raises(WrongCall, match=r"needs an input or parameter 'a'.*positional\(a, b=2, /, c=3, \*, d=4\)"):
        binding.bind(positional, "ctx", {}, {})
    assert binding.bind(positional, "ctx", {}, {"a": 5, "d": 6}) == ([5, 2], {"c": 3, "d": 6})
