"""What ``mlbox demo`` tells: each step with its statement, its outcome and its time."""

from __future__ import annotations

import os
import shutil
import sys
import time
from datetime import UTC, datetime, timedelta
from pathlib import Path

from mlbox.base.counted import counted
from mlbox.base.home import Home
from mlbox.cli.demo import data
from mlbox.cli.demo.replay import Replay, Span, one, windows
from mlbox.cli.demo.script import Section, example_folder, excerpt, sections
from mlbox.cli.door import RemoteDoor

START = datetime(2013, 7, 1, tzinfo=UTC)
END = datetime(2013, 8, 1, tzinfo=UTC)
WEEK = timedelta(days=7)
ENDPOINT = "late_arrival"
ONCE = {
    "RUN train": "SELECT count(*) FROM ml.runs WHERE project = 'flights' AND name = 'first_fit' "
    "AND state = 'completed'",
    "CREATE MODEL delay": "SELECT count(*) FROM ml.models WHERE name = 'delay' AND project = 'flights'",
}
"""Statements that would do their work again; the query tells whether it is done."""
TRY = (
    "SELECT name, state, metrics.auc, params.learning_rate FROM ml.runs ORDER BY created_at",
    "SELECT window_start, feature, value FROM ml.drift WHERE metric = 'psi' ORDER BY value DESC LIMIT 10",
    "FROM ml.features_at('delay_features', TIMESTAMP '2013-07-31 18:00:00') WHERE origin = 'JFK'",
)


def this_command() -> str:
    """How this program was called, so that what is printed can be typed."""
    if shutil.which("mlbox"):
        return "mlbox"
    called = Path(sys.argv[0])
    if called.name == "__main__.py":
        return f"{sys.executable} -m mlbox"
    return os.path.relpath(called) if called.is_relative_to(Path.cwd()) else str(called)


class Story:
    """Runs the example through a server's public doors."""

    def __init__(self, home: Home, url: str, token: str, *, stays: bool) -> None:
        self._home = home
        self._stays = stays
        self._url = url
        self._token = token
        self._folder = example_folder()
        self._door = RemoteDoor(url, "default", token, folder=str(self._folder))
        self._data = Path()
        self._began = time.perf_counter()

    def tell(self) -> None:
        """All of it; raises what a step raises."""
        self._heading("Flights out of New York, 2013: which will arrive late?")
        self._data, there = data.prepare(self._home)
        self._line(f"{'reusing' if there else 'unpacked'} the data in {self._data}")
        for section in sections((self._folder / "project.sql").read_text(encoding="utf-8")):
            self._section(section)
        self._replay()
        self._summary()

    def _section(self, section: Section) -> None:
        from mlbox.sql.parameters import used
        from mlbox.sql.script import split

        self._heading(section.title)
        for statement in split(section.text):
            self._show(statement.text)
            began = time.perf_counter()
            if self._done(statement.text):
                self._line("reused: it is there from before")
                continue
            for result in self._door.run(statement.text, used(statement.text, {"data": str(self._data)})):
                self._line(f"{result['message']}  ({time.perf_counter() - began:.1f} s)")

    def _done(self, statement: str) -> bool:
        words = excerpt(statement)
        query = next((query for start, query in ONCE.items() if words.startswith(start)), None)
        return query is not None and one(self._door, query)["rows"][0][0] > 0

    def _replay(self) -> None:
        self._heading("July, hour by hour: features go online, every flight asks the endpoint")
        replay = Replay(self._door, self._url, self._token, ENDPOINT)
        resumed = replay.resume_at(Span(START, END))
        if resumed > START:
            self._line(f"reused: the replay up to {resumed:%d %B %H:%M} is there from before")
        for week in windows(START, END, WEEK):
            began = time.perf_counter()
            if resumed < week.end:
                sent = replay.run(Span(max(week.start, resumed), week.end), self._tick)
                if sent:
                    told = f"{week.start:%d %b} to {week.end:%d %b}: {counted(sent, 'request')}"
                    self._line(f"{told} in {time.perf_counter() - began:.1f} s", clear=True)
            self._watch(week.end)
        replay.close()

    def _watch(self, until: datetime) -> None:
        """What a schedule would do at this hour of the past; then wait for what an alert set going."""
        statement = f"REFRESH MONITOR late_arrival_watch TO TIMESTAMP '{until:%Y-%m-%d %H:%M:%S}'"
        began = time.perf_counter()
        result = one(self._door, statement)
        self._line(f"{statement}: {result['message']}  ({time.perf_counter() - began:.1f} s)")
        while active := self._active_workflows():
            self._tick_text(f"  workflow {active} is at work ({time.perf_counter() - began:.0f} s)")
            time.sleep(0.25)
        for row in one(
            self._door,
            "SELECT step, state, coalesce(message, error, '') FROM ml.steps WHERE project = 'flights' "
            f"AND started_at >= now() - INTERVAL {int(time.perf_counter() - began) + 1} SECOND ORDER BY started_at",
        )["rows"]:
            self._line(f"    {row[0]:<11} {row[1]:<10} {row[2]}", clear=True)

    def _active_workflows(self) -> str:
        rows = one(
            self._door,
            "SELECT workflow FROM ml.workflow_runs WHERE project = 'flights' AND state IN ('pending', 'running') "
            "UNION ALL SELECT alert FROM ml.alert_activations WHERE project = 'flights' AND outcome IS NULL",
        )["rows"]
        return ", ".join(sorted({str(row[0]) for row in rows}))

    def _summary(self) -> None:
        from mlbox.cli.render import print_result

        self._heading("Summary")
        result = one(self._door, (self._folder / "summary.sql").read_text(encoding="utf-8"))
        print_result(result, "box")
        print(f"\nAll of it in {time.perf_counter() - self._began:.0f} s. The dashboard: {self._url}")
        command = f"{this_command()} --home {self._home.path}"
        if not self._stays:
            print(f"(this demo ends here, and its server with it; to look at it: {command} up)")
        print("Three statements to try:")
        for statement in TRY:
            print(f'  {command} sql --project flights -c "{statement}"')
        sys.stdout.flush()

    def _tick(self, hour: datetime, sent: int) -> None:
        self._tick_text(f"  {hour:%d %b %H:%M}  {counted(sent, 'request')}")

    def _tick_text(self, text: str) -> None:
        if sys.stdout.isatty():
            print(f"\r\x1b[2K{text}", end="", flush=True)

    def _heading(self, text: str) -> None:
        print(f"\n== {text}" if not sys.stdout.isatty() else f"\n\x1b[1m{text}\x1b[0m", flush=True)

    def _show(self, statement: str) -> None:
        shown = "\n".join("  " + line for line in excerpt(statement).splitlines())
        print(f"\x1b[2m{shown}\x1b[0m" if sys.stdout.isatty() else shown, flush=True)

    def _line(self, text: str, *, clear: bool = False) -> None:
        if clear and sys.stdout.isatty():
            print("\r\x1b[2K", end="")
        print("    " + text, flush=True)
