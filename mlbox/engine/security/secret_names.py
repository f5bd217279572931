"""Options of which some are secrets: by the name of a secret, never as a text that others read."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.object_stores import CREDENTIALS


@dataclass(frozen=True, slots=True)
class SecretName:
    """A secret of the project in place of an option's value: ``WITH (password = SECRET name)``."""

    name: str


def secrets_in(options: Mapping[str, Any]) -> list[str]:
    """Names of secrets that options name."""
    return [value.name for value in options.values() if isinstance(value, SecretName)]


def with_values(options: Mapping[str, Any], values: Callable[[Iterable[str]], Mapping[str, str]]) -> dict[str, Any]:
    """Options with the values of their secrets, for the one who opens something with them."""
    known = values(secrets_in(options))
    return {name: known[value.name] if isinstance(value, SecretName) else value for name, value in options.items()}


def refuse_literals(options: Mapping[str, Any], owner: str) -> None:
    """Raise ``Invalid`` for a credential that would be kept as text; ``owner`` is whose options they are."""
    for name, value in options.items():
        if name.lower() in CREDENTIALS and not isinstance(value, SecretName):
            raise Invalid(
                f"option {name} would be kept where others read it",
                hint=f"SET SECRET {owner}_{name} = $1, then {name} = SECRET {owner}_{name}",
            ).of_option(name)


def options_text(options: Mapping[str, Any]) -> str:
    """Options as JSON; a secret by its name."""
    shown = {name: {"$secret": v.name} if isinstance(v, SecretName) else v for name, v in options.items()}
    return json.dumps(shown, default=str)


def options_of(text: str) -> dict[str, Any]:
    """Back from :func:`options_text`."""
    found: dict[str, Any] = json.loads(text)
    for name, value in found.items():
        if isinstance(value, dict) and set(value) == {"$secret"}:
            found[name] = SecretName(value["$secret"])
    return found
