"""Optuna, where it is installed: it searches (``tpe``), stops trials early, and weighs parameters.

Its studies live in memory only: what they must know after a restart is read from the runs.
"""

from __future__ import annotations

from typing import Any

from mlbox.base.errors import Invalid


def optuna() -> Any:
    """The library, kept quiet; ``Invalid`` says how to get it."""
    try:
        import optuna as library
    except ImportError:
        raise Invalid(
            "this needs Optuna, which is not installed",
            hint="pip install 'mlbox[tune]'; in a checkout: .venv/bin/uv pip install -e '.[tune]'",
        ) from None
    library.logging.set_verbosity(library.logging.ERROR)
    return library
