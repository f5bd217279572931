"""What stands behind the ``@`` of a function or an artifact."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from mlbox.base.errors import NotFound
from mlbox.base.names import LATEST, Ref
from mlbox.base.suggest import did_you_mean


def version_of(kind: str, ref: Ref, aliases: Mapping[str, int], is_there: Callable[[], bool]) -> int | None:
    """The number that a version or an alias means; None for the latest, and for what is not there at all, of which the
    name is wrong. ``NotFound`` for an alias that there is not."""
    wanted = (ref.version or LATEST).lower()
    if wanted == LATEST:
        return None
    if wanted.isdigit():
        return int(wanted)
    if wanted in aliases:
        return aliases[wanted]
    if not is_there():
        return None
    name = f"'{ref.name}'" if kind == "artifact" else ref.name
    raise NotFound(
        f"{kind} {ref.at(None)} has no version or alias {ref.version!r}",
        hint=did_you_mean(wanted, aliases) or f"set it: ALTER {kind.upper()} {name} SET ALIAS {ref.version} = 1",
        details={"kind": kind, "name": ref.name},
    )
