"""What a sink is: where rows are written to for others. What a sink writes, the source of its kind reads.

A sink is registered under the scheme of its addresses: ``redis://host:6379/stream``, ``table:name``.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Invalid
from mlbox.base.registry import Registry
from mlbox.base.suggest import did_you_mean

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

Row = Mapping[str, Any]
EVENT = "event_id"
"""The field that names the event of an answer."""


@dataclass(frozen=True, slots=True)
class Target:
    """An address with its options (secrets with their values), seen from a project."""

    uri: str
    project: str
    catalog: Catalog | None = field(default=None, repr=False, compare=False)
    options: Mapping[str, Any] = field(default_factory=dict, repr=False)

    @property
    def scheme(self) -> str:
        """What stands before the colon."""
        return self.uri.partition(":")[0].lower()


class Sink(Protocol):
    """Open; may be used by several threads."""

    def write(self, rows: Sequence[Row]) -> None:
        """Returns when the other side has them. ``Unavailable`` when another try may help, ``Invalid`` when not."""
        ...

    def close(self) -> None:
        """Let go of connections."""
        ...


class SinkKind(Protocol):
    """How a kind of address is opened."""

    def check(self, target: Target) -> None:
        """Raise ``Invalid`` for an address or options that cannot work. Opens nothing."""
        ...

    def open(self, target: Target) -> Sink:
        """The sink of a checked address."""
        ...


SINKS: Registry[SinkKind] = Registry("sink", "mlbox.engine.features.sinks")


def sink_kind(target: Target) -> SinkKind:
    """The kind of an address, which it has checked; ``Invalid`` for one that nothing can be written to."""
    if ":" not in target.uri or target.scheme not in SINKS:
        raise Invalid(
            f"{target.uri!r} is no place that rows are written to",
            hint=did_you_mean(target.scheme, SINKS.names()) or f"schemes: {', '.join(SINKS.names())}",
        )
    kind = SINKS.get(target.scheme)
    kind.check(target)
    return kind


def open_sink(target: Target) -> Sink:
    """Check and open."""
    return sink_kind(target).open(target)


def check_options(target: Target, what: str, known: Sequence[str]) -> None:
    """Raise ``Invalid`` for an option that ``what`` does not have."""
    for name in target.options:
        if name not in known:
            told = f"{what} has no option {name!r}"
            raise Invalid(told, hint=f"options: {', '.join(known)}").of_option(name)


def text_of(row: Row) -> str:
    """As JSON; times in ISO 8601."""
    return json.dumps(dict(row), default=_plain)


def _plain(value: Any) -> Any:
    if hasattr(value, "isoformat"):
        return value.isoformat()
    return value.tolist() if hasattr(value, "tolist") else str(value)
