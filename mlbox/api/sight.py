"""What a member sees of what is not SQL: events, bytes, endpoints."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from mlbox.api.guard import USER
from mlbox.base.command import OWNER
from mlbox.base.errors import Forbidden, NotFound

if TYPE_CHECKING:
    from collections.abc import Mapping

    from mlbox.api.context import ApiContext
    from mlbox.base.command import Caller

ENDPOINTS = "/v2/models/"
FEATURES = "/features/"
DOORS = (
    "/sql",
    "/push/",
    "/ingest/",
    "/stream",
    "/health",
    "/artifacts/",
    "/runs",
    "/run-api/",
    "/replica-api/",
    "/v2",
    "/schema",
    "/version",
    "/mlflow",
    "/api/2.0/mlflow",
)
"""Paths of the API that check by themselves what a member may see, or show nothing of anybody."""


def user_of(scope: Mapping[str, Any]) -> str:
    """Who sent the request, as the guard found out."""
    return str(scope[USER])


def sees(context: ApiContext, scope: Mapping[str, Any], project: str) -> bool:
    """Whether whoever sent the request may see what is in ``project``."""
    access = context.members.access(user_of(scope))
    return access is None or access.sees(project)


def owns(scope: Mapping[str, Any], caller: Caller) -> bool:
    """Whether the sender may know of what ``caller`` has under way: his own, and the owner everything."""
    return user_of(scope) in (OWNER, caller.user)


def check_door(context: ApiContext, scope: Mapping[str, Any], path: str) -> None:
    """Raise where the path of the API is no door for the sender, a member; new doors are closed until listed."""
    if scope.get(USER, OWNER) == OWNER:
        return
    path = "/" + "/".join(part for part in path.split("/") if part)
    if path.startswith(ENDPOINTS):
        _check_endpoint(context, scope, path)
    elif path.startswith(FEATURES):
        _check_vector(context, scope, path)
    elif not path.startswith(DOORS):
        raise Forbidden(f"{path} is for the owner of the server", hint="members use POST /sql, and endpoints under /v2")


def _check_endpoint(context: ApiContext, scope: Mapping[str, Any], path: str) -> None:
    name = path.removeprefix(ENDPOINTS).partition("/")[0]
    if not sees(context, scope, name.partition(".")[0]) or not context.endpoints.serves(name):
        raise NotFound(
            f"there is no endpoint {name!r} that you may use",
            hint="members write project.endpoint; SHOW ENDPOINTS lists them",
        )


def _check_vector(context: ApiContext, scope: Mapping[str, Any], path: str) -> None:
    name = path.removeprefix(FEATURES)
    project, dot, _ = name.partition(".")
    if not dot or not sees(context, scope, project):
        raise NotFound(
            f"there is no feature vector {name!r} that you may read",
            hint="members write project.vector; SHOW FEATURE VECTORS lists them",
        )
