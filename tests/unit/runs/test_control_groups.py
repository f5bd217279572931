"""Control groups with real processes of the kernel that the tests stand on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import suppress

import pytest
from waiting import wait_until

from mlbox.base.ids import new_id
from mlbox.engine.runs.executors.control_groups import ControlGroup
from mlbox.engine.runs.executors.processes import start_time

FORKS_AWAY = """
import os, time
if os.fork() == 0:
    os.setsid()
    if os.fork() == 0:
        time.sleep(600)
    os._exit(0)
os.wait()
time.sleep(600)
"""
EATS = "import time; time.sleep(0.3); data = bytearray(b'x' * 200_000_000); time.sleep(600)"


@pytest.fixture
def group() -> Iterator[ControlGroup]:
    made = ControlGroup.make(f"mlbox-test-{new_id()}", memory=80_000_000, cpu=0.5)
    if made is None:
        pytest.skip("control groups are not permitted here")
    yield made
    made.kill()
    made.remove()


def started(code: str, group: ControlGroup) -> subprocess.Popen[str]:
    inside = f"import os; from mlbox.client.bootstrap import join_group; join_group({folders(group)!r})\n{code}"
    return subprocess.Popen([sys.executable, "-c", inside], start_new_session=True, stdout=subprocess.PIPE, text=True)


def folders(group: ControlGroup) -> str:
    return os.pathsep.join(str(folder) for folder in group.folders)


def test_a_process_that_left_group_and_session_is_ended_with_the_rest(group: ControlGroup) -> None:
    child = started(FORKS_AWAY, group)

    def left() -> list[int]:
        found = []
        for pid in group.members():
            with suppress(ProcessLookupError):  # the one between the two ends at once
                found += [pid] if os.getsid(pid) not in (pid, child.pid) else []
        return found

    (away,) = wait_until(left)
    group.kill()
    assert child.wait() == -9
    assert start_time(away) is None and group.members() == []


def test_more_memory_than_the_limit_ends_it_and_is_told(group: ControlGroup) -> None:
    if not group.memory:
        pytest.skip("the kernel gives us no memory controller here")
    assert not group.ran_out_of_memory()
    assert started(EATS, group).wait() == -9
    assert group.ran_out_of_memory()


def test_half_a_processor_is_half_a_processor(group: ControlGroup) -> None:
    code = (
        "import time; begun, end = time.process_time(), time.monotonic() + 2\n"
        "while time.monotonic() < end: pass\n"
        "print(time.process_time() - begun)"
    )
    used, _ = started(code, group).communicate()
    if len(group.folders) == 1 and not (group.folders[0] / "cpu.max").exists():
        pytest.skip("the kernel gives us no controller of processors here")
    assert float(used) < 1.6  # of two seconds; one and a little more


def test_it_is_found_again_and_taken_away(group: ControlGroup) -> None:
    child = started("import time; time.sleep(600)", group)
    wait_until(group.members)
    again = ControlGroup.of([str(folder) for folder in group.folders], group.memory)
    assert again == group
    again.remove()
    assert again.members() == [child.pid]  # not empty: it stays
    again.kill()
    child.wait()
    deadline = time.monotonic() + 5
    while any(folder.exists() for folder in group.folders) and time.monotonic() < deadline:
        again.remove()
    assert ControlGroup.of([str(folder) for folder in group.folders], group.memory) is None
