"""Members, their roles and their tokens: who somebody is and what he may do.

All of it is kept in memory, so that a request costs no query. A home without members asks nobody anything.
"""

from __future__ import annotations

import hashlib
import hmac
import threading
from collections.abc import Callable, Iterable
from datetime import timedelta
from secrets import token_urlsafe
from typing import TYPE_CHECKING

from mlbox.base.access import Access
from mlbox.base.clock import now
from mlbox.base.command import OWNER, Caller, Handler, Plan, Result, Role, Step
from mlbox.base.errors import Conflict, Forbidden, Invalid, NotFound, Unauthorized
from mlbox.base.ids import new_id
from mlbox.base.names import DEFAULT_PROJECT
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import members, projects
from mlbox.engine.security.commands import CreateToken, DropToken, GrantRole, RevokeRole
from mlbox.engine.security.owner import owner_token

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog

RESTART = "restart the server (mlbox down, mlbox up): members are let in when the fence stands, from the start on"
TOKEN = "set MLBOX_TOKEN, send Authorization: Bearer <token>, or give it as the password of the PostgreSQL protocol"


class Members:
    """Answers GRANT, REVOKE, CREATE TOKEN and DROP TOKEN, and says who a caller is."""

    def __init__(self, catalog: Catalog, settings: Settings) -> None:
        self._catalog = catalog
        self._settings = settings
        self._lock = threading.Lock()
        self._roles: dict[str, Access] = {}
        self._tokens: dict[str, members.TokenRow] = {}
        self.changed: list[Callable[[], None]] = []
        """Told when a role or a token has come or gone."""
        self._load()
        self._owner_token = owner_token(catalog.home, settings, needed=self.shared)

    def _load(self) -> None:
        with self._lock, self._catalog.read() as cursor:
            rows, tokens = members.members(cursor), members.tokens(cursor)
            users = {row.user for row in rows}
            self._roles = {
                user: Access(user, {row.project: _role(row.role) for row in rows if row.user == user}) for user in users
            }
            self._tokens = {row.digest: row for row in tokens}
            self._catalog.shared = bool(rows or tokens)

    @property
    def shared(self) -> bool:
        """Whether the home has members; if not, nobody is asked who he is unless a token is set."""
        return self._catalog.shared

    @property
    def open_to_all(self) -> bool:
        """Whether everybody is the owner, so that no door asks for a secret."""
        return not self._owner_token and not self.shared

    def identify(self, user: str, secret: str) -> str:
        """The name of the user whom ``secret`` belongs to; ``user`` may be empty where a door has no names.

        Raises ``Unauthorized``, and ``Conflict`` for a member before the fence stands.
        """
        if self.open_to_all:
            return OWNER
        if self._owner_token and hmac.compare_digest(secret.encode(), self._owner_token.encode()):
            return OWNER
        row = self._tokens.get(_digest(secret)) if secret else None
        if row is None or (row.expires_at is not None and row.expires_at <= now()):
            wrong = (
                "this token has expired" if row else "this token is not known here" if secret else "a token is needed"
            )
            raise Unauthorized(wrong, hint=TOKEN)
        if user and user not in (row.user, OWNER):
            raise Unauthorized(f"this token is not one of {user}", hint="sign in with the user whom it was made for")
        if not self._catalog.fenced:
            raise Conflict("members cannot sign in yet", hint=RESTART)
        return row.user

    def access(self, user: str) -> Access | None:
        """What a user may do; None for the owner, who may do everything."""
        if user == OWNER:
            return None
        return self._roles.get(user) or Access(user)

    def project_for(self, user: str, project: str) -> str:
        """``project``; where a door took the default one and the member has no part in it, his first."""
        access = self.access(user)
        if access is None or project != DEFAULT_PROJECT or access.sees(project) or not access.roles:
            return project
        return min(access.roles)

    def time_limit(self, user: str, asked: float | None) -> float | None:
        """Seconds that a script of ``user`` may take."""
        if self.access(user) is None:
            return asked
        return min(asked or self._settings.member_seconds, self._settings.member_seconds)

    def handlers(self) -> Iterable[Handler]:
        """Four."""
        return (
            Handler(GrantRole, self._plan_grant, self._grant),
            Handler(RevokeRole, self._plan_revoke, self._revoke),
            Handler(CreateToken, self._plan_token, self._create_token),
            Handler(DropToken, self._plan_drop_token, self._drop_token),
        )

    def _plan_grant(self, command: GrantRole, caller: Caller) -> Plan:
        _check_user(command.user)
        with self._catalog.read() as cursor:
            projects.require(cursor, command.project)
        return Plan((Step("create", f"role {command.granted} of {command.user}", f"project {command.project}"),))

    def _grant(self, command: GrantRole, plan: Plan, caller: Caller) -> Result:
        row = members.MemberRow(command.project.lower(), command.user, command.granted, now(), caller.user)
        self._catalog.write(lambda cursor: members.grant(cursor, row))
        self._changed()
        return Result(f"{command.user} is {command.granted} of project {row.project}{self._advice()}")

    def _plan_revoke(self, command: RevokeRole, caller: Caller) -> Plan:
        access = self._roles.get(command.user)
        held = access.roles.get(command.project.lower()) if access else None
        if held is None:
            known = [user for user, access in self._roles.items() if access.sees(command.project)]
            raise NotFound(
                f"{command.user} has no role in project {command.project}", hint=did_you_mean(command.user, known)
            )
        if held != command.revoked:
            raise Conflict(
                f"{command.user} is {held} of project {command.project}, not {command.revoked}",
                hint=f"REVOKE {held} ON PROJECT {command.project} FROM '{command.user}'",
            )
        return Plan((Step("drop", f"role {held} of {command.user}", f"project {command.project}"),))

    def _revoke(self, command: RevokeRole, plan: Plan, caller: Caller) -> Result:
        project = command.project.lower()
        self._catalog.write(lambda cursor: members.revoke(cursor, project, command.user))
        self._changed()
        return Result(f"{command.user} is no longer {command.revoked} of project {project}")

    def _plan_token(self, command: CreateToken, caller: Caller) -> Plan:
        if command.user not in self._roles:
            raise NotFound(
                f"{command.user!r} has no role in any project",
                hint=f"GRANT viewer ON PROJECT p TO '{command.user}' makes him a member",
            )
        for name in command.options:
            if name.lower() != "expires":
                raise Invalid(f"CREATE TOKEN has no option {name!r}", hint="WITH (expires = INTERVAL 90 DAYS)")
        expires = command.options.get("expires")
        if expires is not None and (not isinstance(expires, timedelta) or expires <= timedelta(0)):
            raise Invalid("expires must be an interval above zero", hint="WITH (expires = INTERVAL 90 DAYS)")
        return Plan((Step("create", f"token of {command.user}"),), {"expires": expires})

    def _create_token(self, command: CreateToken, plan: Plan, caller: Caller) -> Result:
        """Only its hash is kept, and the facts, which others may record, do not hold it."""
        import pyarrow

        token, moment = f"mlbox_{token_urlsafe(32)}", now()
        expires = plan.resolved["expires"]
        row = members.TokenRow(
            id=new_id(),
            user=command.user,
            digest=_digest(token),
            created_at=moment,
            created_by=caller.user,
            expires_at=None if expires is None else moment + expires,
            comment=command.comment,
        )
        self._catalog.write(lambda cursor: members.add_token(cursor, row))
        self._changed()
        table = pyarrow.table({"id": [row.id], "user": [row.user], "token": [token]})
        return Result(f"a token of {row.user}; it is shown only now{self._advice()}", table, {"id": row.id})

    def _plan_drop_token(self, command: DropToken, caller: Caller) -> Plan:
        own = self.access(caller.user) is not None
        found = [
            row
            for row in self._tokens.values()
            if len(command.token) >= 8 and row.id.startswith(command.token) and (not own or row.user == caller.user)
        ]
        if len(found) > 1:
            raise Conflict(f"{len(found)} tokens begin with {command.token}", hint="write more of its id")
        if not found:
            if command.if_exists:
                return missing(f"token {command.token}")
            raise NotFound(f"there is no token {command.token!r}", hint="SHOW TOKENS lists them with their ids")
        steps = tuple(Step("drop", f"token {row.id}", row.user) for row in found)
        return Plan(steps, {"row": found[0]})

    def _drop_token(self, command: DropToken, plan: Plan, caller: Caller) -> Result:
        row = plan.resolved["row"]
        self._catalog.write(lambda cursor: members.drop_token(cursor, row.id))
        self._changed()
        return Result(f"the token of {row.user} is refused from now on")

    def forget_project(self, project: str) -> None:
        """A project is gone, and the roles in it with it."""
        self._load()
        self._tell()

    def _changed(self) -> None:
        self._load()
        self._owner_token = owner_token(self._catalog.home, self._settings, needed=self.shared)
        self._tell()

    def _tell(self) -> None:
        for listener in self.changed:
            listener()

    def _advice(self) -> str:
        return "" if self._catalog.fenced else f"; {RESTART}"


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _role(text: str) -> Role:
    roles: dict[str, Role] = {"viewer": "viewer", "editor": "editor", "admin": "admin"}
    return roles[text]


def _check_user(name: str) -> None:
    if not 1 <= len(name) <= 63 or name != name.strip() or any(not character.isprintable() for character in name):
        raise Invalid(f"{name!r} cannot name a user", hint="1 to 63 printable characters, no spaces around them")
    if name in (OWNER, "mlbox"):
        raise Forbidden(f"{name!r} is the owner of the server, who may do everything", hint="choose another name")
