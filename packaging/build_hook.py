"""Hatchling's build hook: wheels and editable installs carry the built dashboard.

Named in ``pyproject.toml`` by ``[tool.hatch.build.hooks.custom]``. Where no suitable npm is on PATH, it asks for the
wheel that carries Node as one more build requirement, so that a machine with Python alone can build.
``MLBOX_WITHOUT_UI=1`` leaves the dashboard out.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

from hatchling.builders.hooks.plugin.interface import BuildHookInterface

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build_ui  # noqa: E402  (beside this file, and hatchling loads this file by its path)


class DashboardHook(BuildHookInterface[Any]):
    """Builds ``mlbox/ui/static`` when its sources have changed."""

    PLUGIN_NAME = "custom"

    def _wanted(self) -> bool:
        return os.environ.get("MLBOX_WITHOUT_UI", "") in ("", "0") and build_ui.is_due()

    def dependencies(self) -> list[str]:
        """Node as a wheel, when a build is due and this machine has no npm that will do."""
        return [build_ui.WHEEL] if self._wanted() and build_ui.on_path() is None else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        """Before files are collected: ``static`` is ignored by git, so it is named as an artifact."""
        if self._wanted():
            self.app.display_waiting("Building the dashboard …")
            try:
                build_ui.build()
            except build_ui.BuildError as error:
                self.app.abort(str(error))
        if build_ui.STATIC.is_dir():
            build_data.setdefault("artifacts", []).append("/mlbox/ui/static/**")
