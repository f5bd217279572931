from __future__ import annotations

import threading
from collections.abc import Callable
from datetime import timedelta
from typing import Any

import pytest
from waiting import wait_until

from mlbox.base.errors import Cancelled
from mlbox.base.settings import Settings
from mlbox.engine.runs.admission import Capacity, Slots
from mlbox.engine.runs.commands import Resources
from mlbox.engine.runs.watches import Watch

GB = 10**9


class Queue:
    """Runs in threads that wait until they may run."""

    def __init__(self, capacity: Capacity) -> None:
        self.slots = Slots(capacity)
        self.reasons: dict[str, str] = {}
        self.running: list[str] = []

    def come(self, name: str, cpu: float | None = None, memory: int | None = None) -> None:
        def enter() -> None:
            self.slots.enter(
                Watch(name), Resources(cpu=cpu, memory=memory), lambda text: self.reasons.update({name: text})
            )
            self.running.append(name)

        threading.Thread(target=enter, daemon=True).start()
        wait_until(lambda: name in self.running or name in self.reasons)

    def go(self, name: str) -> None:
        self.running.remove(name)
        self.slots.leave(name)


def test_cpu_and_memory_are_shared_in_order_of_arrival() -> None:
    queue = Queue(Capacity(runs=10, cpu=4, memory=8 * GB))
    queue.come("a", cpu=2, memory=6 * GB)
    queue.come("b")  # does not say: one CPU
    queue.come("c", cpu=1.5)
    queue.come("d", cpu=1, memory=GB)  # would fit, and does not overtake
    queue.come("e", memory=4 * GB)
    assert queue.running == ["a", "b"]
    assert queue.reasons["c"] == "waiting for CPU (asks for 1.5, 1 of 4 free)"
    assert queue.reasons["d"] == "waiting for its turn (1 before it)"
    assert queue.reasons["e"] == "waiting for memory (asks for 4 GB, 2 GB of 8 GB free, 2 before it)"
    queue.go("b")
    wait_until(lambda: queue.running == ["a", "c"])
    wait_until(lambda: queue.reasons["d"] == "waiting for CPU (asks for 1, 0.5 of 4 free)")
    queue.go("c")
    wait_until(lambda: queue.running == ["a", "d"])
    wait_until(lambda: queue.reasons["e"] == "waiting for memory (asks for 4 GB, 1 GB of 8 GB free)")
    queue.go("a")
    wait_until(lambda: queue.running == ["d", "e"])
    assert queue.slots.used == 2


def test_who_asks_for_more_than_there_is_runs_alone() -> None:
    queue = Queue(Capacity(runs=10, cpu=2, memory=GB))
    queue.come("small")
    queue.come("huge", cpu=64, memory=500 * GB)
    assert queue.running == ["small"]
    queue.go("small")
    wait_until(lambda: queue.running == ["huge"])
    queue.come("next")
    assert queue.running == ["huge"]
    queue.go("huge")
    wait_until(lambda: queue.running == ["next"])


def test_waiting_has_a_limit_and_leaves_the_queue() -> None:
    slots = Slots(Capacity(runs=1, cpu=1, memory=GB))
    slots.take("first", Resources())
    with pytest.raises(Cancelled, match=r"waited longer than 0.2 s: waiting for a slot \(1 of 1 in use\)") as caught:
        slots.enter(Watch("second"), Resources(), lambda text: None, 0.2)
    assert "run_wait_seconds" in str(caught.value.hint)
    slots.leave("first")
    slots.enter(Watch("third"), Resources(), lambda text: None, 0.2)  # nobody is before it any more


def test_capacity_comes_from_the_settings_or_the_machine() -> None:
    assert Capacity.of(Settings(run_slots=3, run_cpus=1.5, run_memory_mb=500)) == Capacity(3, 1.5, 500_000_000)
    found = Capacity.of(Settings(run_slots=1000))
    assert (found.runs, found.cpu) == (1000, 1000) and found.memory > 10**8  # one CPU a slot, whatever the machine has


@pytest.mark.parametrize("by", ["settings", "function"])
@pytest.mark.parametrize("state", ["waiting", "preparing"])
def test_a_run_that_does_not_come_to_run_is_an_error(make_bench: Callable[..., Any], state: str, by: str) -> None:
    """What the function says wins over the settings."""
    given = {"wait": 0.3 if state == "waiting" else 600.0, "prepare": 600.0 if state == "waiting" else 0.000001}
    settings = {f"run_{name}_seconds": value if by == "settings" else 600.0 for name, value in given.items()}
    options = {f"{name}_timeout": timedelta(seconds=value) for name, value in given.items()} if by == "function" else {}
    bench = make_bench(run_slots=1, **settings)
    bench.function("nap", "import time\ndef nap(ctx, seconds=600):\n    time.sleep(seconds)\n", options=options)
    bench.function("built", "def built(ctx): pass\n", requirements=("six",), options=options)
    if state == "waiting":
        first = bench.run("nap", asynchronous=True).facts["run"]
        wait_until(lambda: bench.row(first)["state"] == "running")
        run = bench.run("nap", asynchronous=True).facts["run"]
    else:
        run = bench.run("built", asynchronous=True).facts["run"]
    wait_until(lambda: bench.row(run)["state"] == "error")
    row = bench.row(run)
    assert row["error_type"] == "Timeout"
    assert ("waited longer than 0.3 s" if state == "waiting" else "preparation took longer") in row["reason"]
    if state == "waiting":
        from mlbox.engine.runs.commands import CancelRun

        bench.do(CancelRun(project="default", run=first))
