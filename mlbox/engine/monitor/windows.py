"""Windows of event time: equal lengths, aligned to an origin, half open ``[start, end)``."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


@dataclass(frozen=True, slots=True)
class Windows:
    """All windows of one ``length``; one of them starts at ``origin``."""

    length: timedelta
    origin: datetime = EPOCH

    def start(self, moment: datetime) -> datetime:
        """The start of the window that ``moment`` falls into."""
        return moment - (moment - self.origin) % self.length

    def complete_until(self, moment: datetime) -> datetime:
        """The end of the last window that is over at ``moment``."""
        return self.start(moment)

    def from_start(self, moment: datetime) -> datetime:
        """The start of the first window that lies wholly at or after ``moment``."""
        start = self.start(moment)
        return start if start == moment else start + self.length

    def sql(self, column: str) -> str:
        """A SQL expression: the start of the window of a TIMESTAMPTZ expression."""
        length = self.length // timedelta(microseconds=1)
        origin = (self.origin - EPOCH) // timedelta(microseconds=1)
        since = f"(epoch_us({column}) - {origin})"
        # DuckDB's % keeps the sign of the dividend; the second % makes it that of the divisor
        return f"make_timestamptz((epoch_us({column}) - (({since} % {length}) + {length}) % {length})::BIGINT)"
