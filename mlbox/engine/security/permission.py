"""The one place where it is decided whether a member may give a command.

A command names objects by references (``Ref``), projects by name, and SQL by pieces (``Query``). What it is about needs
the command's role in that project; everything else that it names is read, so the member must see its project.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, fields, is_dataclass
from pathlib import Path
from typing import Any

from mlbox.base.access import Access
from mlbox.base.command import Caller, Command, Query, RunSql
from mlbox.base.errors import Forbidden
from mlbox.base.names import Ref
from mlbox.base.object_stores import CREDENTIALS, STORES
from mlbox.base.settings import Settings
from mlbox.engine.catalog.commands import (
    CollectGarbage,
    CreateProject,
    Describe,
    DropProject,
    Explain,
    ExportProject,
    RestoreObject,
    Show,
    UseProject,
)
from mlbox.engine.security.commands import CreateProfile, CreateToken, DropProfile, DropToken
from mlbox.engine.security.fence import Fence, unseen
from mlbox.engine.security.members import Members

STATEMENTS = frozenset({"body", "finally_", "statement"})
"""Fields that hold a whole statement as text; it is judged when it is carried out, for the one who kept it."""
REACHES = frozenset(
    {
        "mounts",
        "volumes",
        "network",
        "namespace",
        "service_account",
        "env_secrets",
        "image_pull_secrets",
        "security_context",
    }
)
"""Options of functions by which an engine gives a run what is not its project's: folders of the host, secrets of the
cluster."""
LINKS = frozenset(
    "table query user sslmode unix_socket ssl_ca group_id security_protocol sasl_mechanism ca_file stream queue "
    "client_kwargs".split()
) | CREDENTIALS.union(*(store.options for store in STORES.values()))
"""Options of sources that say what the server opens, and as whom."""
PATHS = frozenset({"path", "source", "uri", "inputs", "tokenizer", "graph"})
"""Fields that hold paths of files on the server."""


@dataclass(frozen=True, slots=True)
class _Part:
    """A value inside a command and the name of the field that holds it."""

    field: str
    value: Any


class Permission:
    """Judges commands of members."""

    def __init__(self, members: Members, fence: Fence, settings: Settings) -> None:
        self._members = members
        self._fence = fence
        self._folders = folders(settings)

    def access(self, user: str) -> Access | None:
        """What the user may do; None for the owner."""
        return self._members.access(user)

    def check(self, command: Command, caller: Caller, access: Access) -> None:
        """Raise ``Forbidden`` when the member may not do this."""
        if isinstance(command, Explain):
            self.check(command.command, caller, access)
        elif isinstance(command, CreateProject):
            raise Forbidden("projects are made by the owner of the server", hint="ask for one, and for a role in it")
        elif isinstance(command, CollectGarbage):
            raise Forbidden("garbage is collected by the owner of the server: it is that of all projects")
        elif isinstance(command, ExportProject):
            raise Forbidden("projects are exported by the owner of the server: the file is on its machine")
        elif isinstance(command, RestoreObject) and command.kind == "project":
            raise Forbidden("projects are restored by the owner of the server")
        elif isinstance(command, (CreateProfile, DropProfile)):
            raise Forbidden("profiles are kept by the owner of the server: they say which stores it opens, and as whom")
        elif isinstance(command, (UseProject, DropProject)):
            self._role(command, command.name, access)
        elif isinstance(command, CreateToken):
            if command.user != access.user:
                raise Forbidden("tokens of others are made by the owner of the server", hint="you may make your own")
        elif isinstance(command, DropToken):
            return  # finds the member's own only
        elif isinstance(command, RunSql):
            self._role(command, command.project, access)  # what it names is judged when its kind is known
        else:
            self._named(command, caller, access)

    def _named(self, command: Command, caller: Caller, access: Access) -> None:
        if isinstance(command, Describe) and command.kind == "project":
            self._role(command, command.ref.name, access)
            return
        if isinstance(command, Describe) and command.kind == "token":
            raise Forbidden("tokens are described to the owner of the server", hint="SHOW TOKENS lists your own")
        project = _project_of(command, caller)
        if not (isinstance(command, Show) and command.noun in ("projects", "tokens")):
            self._role(command, project, access)
        beyond = sorted(REACHES & set(getattr(command, "options", ())))
        if command.statement == "CREATE FUNCTION" and beyond:
            raise Forbidden(
                f"the option {beyond[0]} reaches beyond the run and is for the owner of the server",
                hint="leave it out, or ask the owner to make the function",
            )
        reached = sorted(LINKS & {str(name).lower() for name in getattr(command, "options", ())})
        if command.statement == "ALTER SOURCE" and reached:
            raise Forbidden(
                f"the option {reached[0]} says what the server opens, or as whom, and is for the owner of the server",
                hint="ask the owner to alter the source",
            )
        if command.statement == "CREATE FEATURE SET":
            self._location(getattr(command, "options", {}).get("location"))
        uri = getattr(command, "uri", None)
        if isinstance(uri, str) and "://" in uri and not uri.startswith("file://"):
            source = command.statement == "CREATE SOURCE"
            raise Forbidden(
                f"members may not make the server open {uri}",
                hint="ask the owner to make the source; your feature sets may read it"
                if source
                else "INTO TABLE keeps what is written in the project; or ask the owner of the server",
            )
        for part in _parts(command):
            if isinstance(part.value, Ref):
                if not access.sees(part.value.project):
                    raise unseen(part.value.project)
            elif isinstance(part.value, Query):
                if part.field not in STATEMENTS:
                    self._piece(part.value, command, project, access)
            elif part.field == "source" and not part.value:
                continue  # a function that is written in its statement
            elif part.field in PATHS and isinstance(part.value, str):
                self._path(part.value, getattr(command, "base_folder", None))

    def _location(self, location: object) -> None:
        """Where a set's files go; what is no text is refused when the set is planned."""
        if isinstance(location, str):
            if "://" in location and not location.startswith("file://"):
                raise Forbidden(
                    f"members may not make the server write to {location}", hint="ask the owner to make the set"
                )
            self._path(location, None)

    def _piece(self, query: Query, command: Command, project: str, access: Access) -> None:
        scope = project if access.sees(project) else min(access.roles, default=project)
        self._fence.check_piece(query, scope, access)

    def _role(self, command: Command, project: str, access: Access) -> None:
        if not access.sees(project):
            raise unseen(project)
        if not access.allows(command.role, project):
            raise Forbidden(
                f"{command.statement} takes the role {command.role} in project {project}; "
                f"{access.user} is {access.roles[project.lower()]}",
                hint="an admin of the project may GRANT it",
            )

    def _path(self, text: str, base: str | None) -> None:
        """Files of the server's machine only from the folders that are for it."""
        if text.lstrip().startswith("{") or "\n" in text:
            return  # a graph that stands in the statement
        text = text.removeprefix("git+")
        if text.startswith(
            (
                "ssh://",
                "git://",
                "module:",
                "hub://",
                "http://",
                "https://",
                "s3://",
                "gs://",
                "az://",
                "artifact://",
                "run://",
            )
        ):
            return
        path = Path(base or "", text.removeprefix("file://")).expanduser().resolve()  # as it would be opened
        if not any(path.is_relative_to(folder) for folder in self._folders):
            told = ", ".join(map(str, self._folders)) or "the setting data_dirs names none"
            raise Forbidden(f"members may not read {text} of the server", hint=f"folders for members: {told}")


def folders(settings: Settings) -> tuple[Path, ...]:
    """The folders of the setting ``data_dirs``."""
    return tuple(Path(part.strip()).resolve() for part in settings.data_dirs.split(",") if part.strip())


def _project_of(command: Command, caller: Caller) -> str:
    """The project that a command is about."""
    for name in ("ref", "function"):
        ref = getattr(command, name, None)
        if isinstance(ref, Ref):
            return ref.project
    return str(getattr(command, "project", None) or caller.project)


def _parts(value: Any, name: str = "") -> Iterator[_Part]:
    if isinstance(value, (Ref, Query, str)):
        yield _Part(name, value)
    elif is_dataclass(value) and not isinstance(value, type):
        for entry in fields(value):
            yield from _parts(getattr(value, entry.name), entry.name)
    elif isinstance(value, Mapping):
        for entry in value.values():
            yield from _parts(entry, name)
    elif isinstance(value, (tuple, list, set, frozenset)):
        for entry in value:
            yield from _parts(entry, name)
