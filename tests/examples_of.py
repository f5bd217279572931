"""How many examples a property is tried with: the full number nightly, some of them in the fast form and in CI."""

from __future__ import annotations

from hypothesis import settings


def examples(full: int) -> int:
    """``full`` with the profile ``nightly`` (``make nightly``), else a quarter of it, at least ten."""
    return full if settings.get_current_profile_name() == "nightly" else min(full, max(10, full // 4))
