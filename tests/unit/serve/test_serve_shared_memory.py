"""Large tensors to processes of user code: through shared memory, whoever dies, whatever is under way."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from serving_house import House, Live, served
from waiting import wait_until

from mlbox.base.settings import Settings
from mlbox.client.serving import arena

CODE = """
import asyncio, os, random

class Plain:
    def predict(self, inputs):
        if inputs["x"].ravel()[0] == 13: os.kill(os.getpid(), 9)
        return {"y": inputs["x"] + 1}

class Later:
    async def predict(self, inputs):
        kept = inputs["x"].copy()
        await asyncio.sleep(random.random() / 50)
        assert (kept == inputs["x"]).all()
        return {"y": inputs["x"] + 1}
"""


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    house = House(tmp_path_factory.mktemp("shared"), Settings(log_flush_ms=20))
    house.function("plain", CODE, "Plain")
    house.function("later", CODE, "Later")
    house.endpoint("one", using="function", function="plain", log_percent=0.0)
    house.endpoint("several", using="function", function="plain", log_percent=0.0, options={"threads": 4})
    house.endpoint("later", using="function", function="later", log_percent=0.0)
    with served(house, timeout=120) as live:
        yield live


def _ask(live: Live, endpoint: str, values: np.ndarray) -> Any:
    import tritonclient.http as triton

    with triton.InferenceServerClient(live.server.url.removeprefix("http://"), network_timeout=120) as client:
        sent = triton.InferInput("x", list(values.shape), "FP32")
        sent.set_data_from_numpy(values)
        return client.infer(endpoint, [sent]).as_numpy("y")


def _mapped() -> int:
    """Memories that this process shares with others."""
    return sum("memfd:mlbox-serving" in line for line in Path("/proc/self/maps").read_text().splitlines())


def test_tensors_of_every_size_at_once(live: Live) -> None:
    """Some are smaller than what is shared, some larger than the memory, most find room or do not."""
    sizes = [2, 100, 64 * 1024 // 4, 600_000 // 4, 4 << 20, arena.SIZE // 4]

    def right(number: int) -> bool:
        values = np.full((1, sizes[number % len(sizes)]), number + 100, np.float32)
        values[0, -1] = -number
        return np.array_equal(_ask(live, ("one", "several", "later")[number % 3], values), values + 1)

    with ThreadPoolExecutor(8) as threads:
        assert all(threads.map(right, range(36)))


def test_a_process_that_is_killed_leaves_nothing(live: Live) -> None:
    before = _mapped()
    assert before >= 3
    descriptors = len(os.listdir("/proc/self/fd"))
    for _ in range(3):
        with pytest.raises(Exception, match="ended while the request was in it"):
            _ask(live, "one", np.full((1, 100_000), 13, np.float32))
        assert _ask(live, "one", np.full((1, 100_000), 1, np.float32))[0, 0] == 2
    pids = live.house.endpoints.shop.pools.processes
    dead = next(each for name, each in pids().items() if "later" in name)
    for pid in dead:
        os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not any(pid in each for each in pids().values() for pid in dead))
    assert _ask(live, "later", np.full((1, 100_000), 1, np.float32))[0, 0] == 2
    wait_until(lambda: _mapped() <= before)
    wait_until(lambda: len(os.listdir("/proc/self/fd")) <= descriptors + 3)
