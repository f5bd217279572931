"""``mlbox deploy``: replicas of an endpoint on an engine."""

from __future__ import annotations

import argparse

from mlbox.base.errors import Invalid
from mlbox.base.names import literal, quote

HELP = "put replicas of an endpoint on Docker or Kubernetes, or bring them up to what it is now"


def configure(parser: argparse.ArgumentParser) -> None:
    """Arguments."""
    parser.add_argument("endpoint", help="endpoint, or project.endpoint")
    parser.add_argument("--on", required=True, choices=("docker", "kubernetes"), help="the engine")
    parser.add_argument("--replicas", type=int, help="replicas (default 1)")
    parser.add_argument("--max-replicas", type=int, help="the most that the autoscaler makes")
    parser.add_argument("--cpu", type=float, help="processors of a replica (default 1)")
    parser.add_argument("--memory", help="memory of a replica (default 1GB)")
    parser.add_argument("--image", help="an image with mlbox on its PATH (default: the setting serving_image)")
    parser.add_argument("--namespace", help="namespace (default: that of the context)")
    parser.add_argument("--port", type=int, help="port of the Service, or the published one of the container")
    parser.add_argument("--wait", type=float, help="seconds in which all replicas must answer (default 120)")
    parser.add_argument("--features", choices=("store", "home"), help="where replicas read feature vectors")
    parser.add_argument("--dry-run", action="store_true", help="print the manifests and do nothing")
    parser.add_argument("--remove", action="store_true", help="take the replicas away")
    parser.add_argument("--force", action="store_true", help="with --remove: also where the engine is gone")


def run(arguments: argparse.Namespace) -> int:
    """One statement; prints what was done."""
    from mlbox.cli.door import open_door

    name = ".".join(quote(part) for part in arguments.endpoint.split("."))
    text = f"DEPLOY ENDPOINT {name} ON {arguments.on.upper()}"
    if arguments.remove:
        text = f"UN{text}{' FORCE' if arguments.force else ''}"
    elif arguments.force:
        raise Invalid("--force goes with --remove", hint=f"mlbox deploy {arguments.endpoint} --on .. --remove --force")
    names = ("replicas", "max_replicas", "cpu", "memory", "image", "namespace", "port", "wait", "features")
    given = {key: getattr(arguments, key) for key in names if getattr(arguments, key) is not None}
    written = [f"{key} = {literal(value) if isinstance(value, str) else value}" for key, value in given.items()]
    if arguments.dry_run:
        written.append("dry_run = true")
    if written:
        text += f" WITH ({', '.join(written)})"
    with open_door(arguments) as door:
        (result,) = door.run(text)
    print(result["message"])
    return 0
