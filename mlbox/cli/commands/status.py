"""``mlbox status``: what runs on a home."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Mapping
from typing import Any

from mlbox.base.errors import MlboxError
from mlbox.base.home import find_home

HELP = "show the server of the home and what it holds"
QUERY = """
SELECT (SELECT count(*) FROM ml.projects) AS projects,
       (SELECT count(*) FROM ml.functions WHERE latest) AS functions,
       (SELECT count(*) FROM ml.runs) AS runs,
       (SELECT count(*) FROM ml.runs WHERE state IN ('pending', 'preparing', 'running')) AS runs_active,
       (SELECT count(*) FROM ml.models) AS models,
       (SELECT count(*) FROM ml.feature_sets) AS feature_sets,
       (SELECT count(*) FROM ml.endpoints) AS endpoints
"""


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("--json", action="store_true", help="as JSON")


def _told(holds: Mapping[str, Any]) -> str:
    """``1 project, 3 runs (1 active)``; what is not there is left out."""
    active = holds.get("runs_active", 0)
    counts = [(name.replace("_", " "), count) for name, count in holds.items() if count and name != "runs_active"]
    told = ", ".join(f"{count} {name if count != 1 else name[:-1]}" for name, count in counts)
    return f"{told} ({active} of the runs active)" if active else told


def run(arguments: argparse.Namespace) -> int:
    """Exit 0 when a server answers or the home is at rest."""
    from mlbox.cli.door import RemoteDoor, request, settings_of

    home = find_home(arguments.home)
    server = home.server()
    body: dict[str, object] = {"home": str(home.path), "server": None, "exists": home.catalog_file.is_file()}
    holds: dict[str, Any] = {}
    if server is not None:
        _, settings = settings_of(arguments)
        body["server"] = {"url": server["url"], "pid": server["pid"], "pg_port": server.get("pg_port")}
        if server.get("workers"):
            body["server"] |= {"workers": server["workers"]}  # type: ignore[operator]
        try:
            body["server"] |= {"version": request(f"{server['url']}/health", None, timeout=5)["version"]}  # type: ignore[operator]
            result = next(iter(RemoteDoor(str(server["url"]), "default", settings.token).run(QUERY)))
            names = [column["name"] for column in result["columns"]]
            holds = dict(zip(names, result["rows"][0], strict=True))
            body["holds"] = holds
        except MlboxError as error:
            body["problem"] = error.message
    if arguments.json:
        print(json.dumps(body, indent=2))
        return 0
    print(f"home     {home.path}{'' if body['exists'] else '  (not made yet; mlbox up makes it)'}")
    chosen = f" --home {shlex.quote(arguments.home)}" if arguments.home else ""
    start = f"none; start it with: mlbox{chosen} up"
    print(f"server   {server['url']}  (process {server['pid']})" if server else f"server   {start}")
    if server and server.get("workers"):
        print(f"workers  {', '.join(f'process {pid}' for pid in server['workers'])}")
    if server and server.get("pg_port"):
        print(f"postgres port {server['pg_port']}; psql -h 127.0.0.1 -p {server['pg_port']} -U mlbox mlbox")
    if holds:
        print(f"holds    {_told(holds)}")
    if "problem" in body:
        print(f"problem  {body['problem']}")
    return 0
