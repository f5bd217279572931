"""Members' statements are stopped when memory grows too much, others are not."""

from __future__ import annotations

import threading

from mlbox.engine.security.pressure import Pressure, resident_bytes


def test_all_that_run_are_stopped_and_told() -> None:
    size = [100 << 20]
    pressure = Pressure(50, measure=lambda: size[0])
    stopped = [threading.Event(), threading.Event()]
    with pressure.watching(stopped[0].set) as first, pressure.watching(stopped[1].set) as second:
        assert not first() and not second()
        size[0] = 151 << 20
        assert all(event.wait(20) for event in stopped)
        assert first() and second()
    assert "50 MB" in pressure.error().message
    with pressure.watching(lambda: None) as again:  # what has been taken before counts no more
        assert not again()


def test_the_size_of_the_process_is_known() -> None:
    before = resident_bytes()
    held = bytearray(64 << 20)
    assert resident_bytes() - before > 32 << 20 and len(held)
