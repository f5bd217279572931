"""Checks the dashboard's sources: types with tsc, then its unit tests with vitest. ``--types`` does the first only."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent))
import build_ui  # noqa: E402  (beside this file)


def main() -> int:
    """0 when all is well."""
    node = build_ui.find_node() or build_ui.fetch_node()
    modules = build_ui.WEB / "node_modules"
    steps = [[node.node, "node_modules/typescript/bin/tsc", "--noEmit"]]
    if not (modules / "typescript").is_dir():
        steps.insert(0, [*node.npm, "ci", "--no-audit", "--no-fund", "--ignore-scripts"])
    if "--types" not in sys.argv[1:] and any(build_ui.WEB.glob("test/**/*.test.ts*")):
        steps.append([node.node, "node_modules/vitest/vitest.mjs", "run"])
    for step in steps:
        status = subprocess.run(step, cwd=build_ui.WEB, env=node.environment(), check=False).returncode
        if status:
            return status
    print("dashboard: types and unit tests are fine")
    return 0


if __name__ == "__main__":
    sys.exit(main())
