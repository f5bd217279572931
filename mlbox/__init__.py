"""mlbox: the SDK that user code imports. ``import mlbox`` loads nothing more until a name is used."""

from __future__ import annotations

__version__ = "0.1.0"

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

    from mlbox.client.connection import Connection, connect
    from mlbox.client.context import Context
    from mlbox.client.current import (
        current,
        log_artifact,
        log_dataset,
        log_document,
        log_metric,
        log_metrics,
        log_model,
        log_param,
        log_plot,
        log_table,
        log_tag,
        progress,
    )
    from mlbox.client.failures import MlboxClientError, SqlError
    from mlbox.client.packagers import Packager, packager
    from mlbox.client.result import Result
    from mlbox.client.returned import returns
    from mlbox.client.runs import Run, run
    from mlbox.client.serving.asked import request_headers
    from mlbox.client.serving.errors import BadInput
    from mlbox.client.tracking import start_run

_MODULES = {
    "connection": ("connect", "Connection"),
    "context": ("Context",),
    "failures": ("MlboxClientError", "SqlError"),
    "result": ("Result",),
    "packagers": ("Packager", "packager"),
    "returned": ("returns",),
    "runs": ("Run", "run"),
    "serving.asked": ("request_headers",),
    "serving.errors": ("BadInput",),
    "tracking": ("start_run",),
    "current": (
        "current",
        "log_artifact",
        "log_dataset",
        "log_document",
        "log_metric",
        "log_metrics",
        "log_model",
        "log_param",
        "log_plot",
        "log_table",
        "log_tag",
        "progress",
    ),
}

__all__ = [  # noqa: PLE0604 - the names of _MODULES, written out for tools that read and do not run
    "BadInput",
    "Connection",
    "Context",
    "MlboxClientError",
    "Packager",
    "Result",
    "Run",
    "SqlError",
    "__version__",
    "connect",
    "current",
    "log_artifact",
    "log_dataset",
    "log_document",
    "log_metric",
    "log_metrics",
    "log_model",
    "log_param",
    "log_plot",
    "log_table",
    "log_tag",
    "packager",
    "progress",
    "request_headers",
    "returns",
    "run",
    "start_run",
]


def __getattr__(name: str) -> Any:
    """Load the module that defines ``name`` at its first use."""
    for module, names in _MODULES.items():
        if name in names:
            from importlib import import_module

            value = getattr(import_module("mlbox.client." + module), name)
            globals()[name] = value
            return value
    raise AttributeError(f"module 'mlbox' has no attribute {name!r}")


def load_ipython_extension(shell: Any) -> None:
    """``%load_ext mlbox`` in IPython and Jupyter: the magics ``%sql`` and ``%%sql``."""
    from mlbox.client.notebook import load

    load(shell)


def __dir__() -> list[str]:
    """The public names, loaded or not."""
    return sorted(__all__)
