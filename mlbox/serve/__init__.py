"""Endpoints. ``mlbox.serve.mock`` tries a graph without a server."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mlbox.serve.graph.mock import mock

__all__ = ["mock"]


def __getattr__(name: str) -> Any:
    """Loaded at its first use."""
    if name == "mock":
        from mlbox.serve.graph.mock import mock

        return mock
    raise AttributeError(f"module 'mlbox.serve' has no attribute {name!r}")
