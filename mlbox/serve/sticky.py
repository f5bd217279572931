"""Traffic that stays where it is: the same key always goes to the same arm."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import TYPE_CHECKING

from mlbox.base.errors import Invalid

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.codec import Request

REQUEST_ID = "request_id"
"""Instead of an input's name: the id that the caller gives his request."""


@dataclass(frozen=True, slots=True)
class Sticky:
    """``key`` is the name of an input; ``bounds`` are the shares of the arms, added up, the last is 1."""

    key: str
    salt: str
    bounds: tuple[float, ...]

    @classmethod
    def of(cls, row: EndpointRow, weights: Sequence[float]) -> Sticky | None:
        """What the option ``sticky`` of an endpoint asks for, where there is something to choose."""
        key = row.options.get("sticky")
        if not key or row.serving != "traffic":
            return None
        total = sum(weights)
        return cls(str(key).lower(), f"{row.project}.{row.name}".lower(), tuple(x / total for x in accumulate(weights)))

    def choose(self, request: Request) -> int:
        """The number of the arm. Raises ``Invalid`` when the request has no key, or several that do not agree."""
        if self.key == REQUEST_ID:
            return self.arm_of(request.id or "")
        column = request.columns.get(self.key)
        if column is None:
            raise Invalid(
                f"the request has no input {self.key!r}, which says where it goes",
                hint="send it beside the features, or change the option sticky of the endpoint",
            )
        arms = {self.arm_of(value) for value in set(column.values)}
        if len(arms) > 1:
            raise Invalid(
                f"the rows of this request go to different models by their {self.key!r}",
                hint=f"send the rows of one {self.key} in a request",
            )
        return arms.pop()

    def arm_of(self, value: object) -> int:
        """By a hash of endpoint and key, so that keys are spread anew at each endpoint."""
        if isinstance(value, float) and value.is_integer():
            value = int(value)  # 7 and 7.0 are one key
        digest = hashlib.blake2b(f"{self.salt}\0{value}".encode(), digest_size=8).digest()
        place = int.from_bytes(digest) / 2**64
        return next((index for index, bound in enumerate(self.bounds) if place < bound), len(self.bounds) - 1)
