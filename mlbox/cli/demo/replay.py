"""July 2013 again: the clock moves an hour at a time, features go online, and every flight asks the endpoint."""

from __future__ import annotations

import http.client
import json
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from datetime import datetime, timedelta
from itertools import groupby
from typing import Any
from urllib.parse import urlsplit

from mlbox.base.errors import Unavailable, from_dict
from mlbox.cli.door import Door

SETS = ("weather", "carrier_delays", "origin_delays")
CALLERS = 4
FLIGHTS = """
SELECT flight_id, decided_at, carrier, origin, distance, hour, weekday
FROM flights ANTI JOIN (
    SELECT row_id AS flight_id FROM ml.predictions
    WHERE project = 'flights' AND endpoint = '{endpoint}' AND status = 'ok' AND event_time >= TIMESTAMPTZ '{start}'
) USING (flight_id)
WHERE decided_at >= TIMESTAMPTZ '{start}' AND decided_at < TIMESTAMPTZ '{end}' ORDER BY decided_at, flight_id
"""


@dataclass(frozen=True, slots=True)
class Span:
    """A piece of the past, ``start`` inclusive, ``end`` exclusive."""

    start: datetime
    end: datetime


def instant(text: str) -> datetime:
    """An ISO 8601 time of a result."""
    return datetime.fromisoformat(text.replace("Z", "+00:00"))


def one(door: Door, statement: str) -> dict[str, Any]:
    """The last result of a statement."""
    *_, last = door.run(statement)
    return last


class Replay:
    """Sends requests over kept connections, several callers at a time."""

    def __init__(self, door: Door, url: str, token: str, endpoint: str) -> None:
        self._door = door
        self._address = urlsplit(url).netloc
        self._endpoint = endpoint
        self._path = f"/v2/models/flights.{endpoint}/infer"
        self._token = token
        self._idle: list[http.client.HTTPConnection] = []

    def resume_at(self, span: Span) -> datetime:
        """The hour of the last recorded answer of the span: an interrupted replay goes on with what is left of it."""
        rows = one(
            self._door,
            f"SELECT date_trunc('hour', max(event_time)) FROM ml.predictions "
            f"WHERE project = 'flights' AND endpoint = '{self._endpoint}' AND status = 'ok' AND NOT shadow "
            f"AND event_time >= '{span.start.isoformat()}' AND event_time < '{span.end.isoformat()}'",
        )["rows"]
        return instant(rows[0][0]) if rows[0][0] else span.start

    def run(self, span: Span, progress: Callable[[datetime, int], None]) -> int:
        """Replay a span; returns the number of requests."""
        text = FLIGHTS.format(start=span.start.isoformat(), end=span.end.isoformat(), endpoint=self._endpoint)
        result = one(self._door, text)
        sent = 0
        with ThreadPoolExecutor(CALLERS) as callers:
            for hour, flights in _by_hour(result["rows"]):
                for name in SETS:
                    one(self._door, f"REFRESH FEATURE SET {name} TO TIMESTAMP '{hour:%Y-%m-%d %H:%M:%S}' ONLINE")
                for _ in callers.map(self._ask, flights):
                    sent += 1
                progress(hour, sent)
        return sent

    def _ask(self, flight: list[Any]) -> None:
        flight_id, decided_at, carrier, origin, distance, hour, weekday = flight
        body = {
            "id": flight_id,
            "parameters": {"event_time": decided_at},
            "inputs": [
                {"name": "carrier", "shape": [1], "datatype": "BYTES", "data": [carrier]},
                {"name": "origin", "shape": [1], "datatype": "BYTES", "data": [origin]},
                {"name": "distance", "shape": [1], "datatype": "FP64", "data": [distance]},
                {"name": "hour", "shape": [1], "datatype": "FP64", "data": [hour]},
                {"name": "weekday", "shape": [1], "datatype": "FP64", "data": [weekday]},
            ],
        }
        headers = {"Content-Type": "application/json"}
        if self._token:
            headers["Authorization"] = f"Bearer {self._token}"
        connection = self._idle.pop() if self._idle else self._connect()
        try:
            connection.request("POST", self._path, json.dumps(body), headers)
            response = connection.getresponse()
        except (ConnectionError, http.client.HTTPException):  # the server closes connections that idle
            connection.close()
            connection = self._connect()
            connection.request("POST", self._path, json.dumps(body), headers)
            response = connection.getresponse()
        answer = response.read()
        if response.status != 200:
            told = json.loads(answer)
            raise from_dict(told) if "code" in told else Unavailable(f"the endpoint answered {response.status}: {told}")
        self._idle.append(connection)

    def _connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection(self._address, timeout=30)

    def close(self) -> None:
        """Close the connections."""
        for connection in self._idle:
            connection.close()


def _by_hour(rows: list[list[Any]]) -> Iterator[tuple[datetime, list[list[Any]]]]:
    """Groups of flights with the time up to which everything is known when the first of them asks."""

    def hour_of(row: list[Any]) -> datetime:
        return instant(row[1]).replace(minute=0, second=0, microsecond=0)

    for hour, flights in groupby(rows, key=hour_of):
        yield hour, list(flights)


def windows(start: datetime, end: datetime, length: timedelta) -> Iterator[Span]:
    """The pieces of a span between the bounds of windows, which are counted from 1970 as monitors do."""
    zero = datetime(1970, 1, 1, tzinfo=start.tzinfo)
    while start < end:
        bound = zero + ((start - zero) // length + 1) * length
        yield Span(start, min(bound, end))
        start = bound
