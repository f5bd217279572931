"""What a project can be made from: ``CREATE PROJECT p FROM '…'``."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Protocol

from mlbox.base.command import Caller, Step


def shown(source: str) -> str:
    """``source`` without the password in its address."""
    return re.sub(r"(?<=://)[^/@]*@", "…@", source)


class ProjectOrigin(Protocol):
    """A kind of place that the content of a project comes from."""

    summary: str
    """For the reference: how it is written, and what it is."""

    def matches(self, source: str) -> bool:
        """Whether ``source`` is of this kind; only one is."""
        ...

    def look(self, project: str, source: str) -> Sequence[Step]:
        """What would come in; changes nothing. Raises ``NotFound``, ``Invalid``, ``Unavailable``."""
        ...

    def bring(self, project: str, source: str, caller: Caller) -> str:
        """Bring it into the project, which exists; what came before stays as it is. What was brought, in words."""
        ...
