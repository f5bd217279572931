"""Profiles: credentials of object stores under a name, which sources and locations name instead of them.

A profile is a secret with parts. All of its options are encrypted with the key of the home; what is no credential (the
address of a store, a region) is shown beside them. It is used by objects of its own project, for URLs of its own kind.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import Invalid, NotFound
from mlbox.base.names import Ref, check_name
from mlbox.base.object_stores import CREDENTIALS, STORES, scheme_of
from mlbox.base.suggest import did_you_mean, no_such
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import profiles as table
from mlbox.engine.catalog.tables import projects
from mlbox.engine.security.commands import CreateProfile, DropProfile
from mlbox.engine.security.secret_names import SecretName, options_of, options_text, secrets_in, with_values
from mlbox.engine.security.secrets import Secrets

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

PROFILE = "profile"
"""The option that names one."""


class Profiles:
    """Answers CREATE PROFILE and DROP PROFILE, and gives options to those who open a store."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._secrets = Secrets(catalog)

    def handlers(self) -> Iterable[Handler]:
        """Two."""
        return (
            Handler(CreateProfile, self._plan_create, self._create),
            Handler(DropProfile, self._plan_drop, self._drop),
        )

    def has(self, project: str, name: str) -> bool:
        """Whether the project has it."""
        return self._find(Ref(project, name)) is not None

    def check(self, project: str, name: object, url: str) -> None:
        """Raise ``NotFound`` or ``Invalid`` unless the profile is there and fits the URL."""
        row = self._fitting(project, name, url)
        self._secrets.require(project, secrets_in(self._opened(row)))

    def _fitting(self, project: str, name: object, url: str) -> table.ProfileRow:
        row = self._row(project, name)
        schemes = STORES[row.type].schemes
        if scheme_of(url) not in schemes:
            raise Invalid(
                f"profile {row.name} is of type {row.type}, and {url} is not of it",
                hint=f"it is for URLs such as {schemes[0]}://..",
            )
        return row

    def options(self, project: str, name: object, url: str) -> dict[str, Any]:
        """The options of a profile for a URL, with the values of its secrets; raises as :meth:`check`."""
        row = self._fitting(project, name, url)
        return with_values(self._opened(row), lambda names: self._secrets.values(project, names))

    def _opened(self, row: table.ProfileRow) -> dict[str, Any]:
        return options_of(self._secrets.decrypted(f"of profile {row.name}", row.value))

    def _row(self, project: str, name: object) -> table.ProfileRow:
        found = self._find(Ref(project, str(name)))
        if found is None:
            with self._catalog.read() as cursor:
                known = table.names(cursor, project)
            hint = did_you_mean(str(name), known)
            raise NotFound(
                f"project {project} has no profile {name!r}",
                hint=f"{hint}{'; or ' if hint else ''}CREATE PROFILE {name} TYPE s3 WITH (key = .., secret = ..)",
            )
        return found

    def _find(self, ref: Ref) -> table.ProfileRow | None:
        with self._catalog.read() as cursor:
            return table.get(cursor, ref.project, ref.name)

    def _plan_create(self, command: CreateProfile, caller: Caller) -> Plan:
        present = self._find(command.ref)
        keeps = kept("profile", command, present)
        if keeps is not None:
            return keeps
        check_name(command.ref.name, "profile name")
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
        self._check_options(command)
        action = "replace" if present else "create"
        return Plan((Step(action, f"profile {command.ref}", f"{command.type}; encrypted"),))

    def _check_options(self, command: CreateProfile) -> None:
        if command.type not in STORES:
            raise Invalid(
                f"there are no profiles of type {command.type!r}",
                hint=did_you_mean(command.type, STORES) or f"types: {', '.join(STORES)}",
            )
        known = STORES[command.type].options
        for name, value in command.options.items():
            if name not in known:
                raise Invalid(
                    f"a profile of type {command.type} has no option {name!r}",
                    hint=did_you_mean(name, known) or f"options: {', '.join(known)}",
                ).of_option(name)
            if name == "anon" and not isinstance(value, bool):
                raise Invalid("option anon is true or false").of_option(name)
            if name != "anon" and not isinstance(value, SecretName) and (not isinstance(value, str) or not value):
                hint = f"{name} = $1, or SECRET name"
                raise Invalid(f"option {name} needs a text that is not empty", hint=hint).of_option(name)
            if name not in CREDENTIALS and isinstance(value, str) and _has_login(name, value):
                raise Invalid(
                    f"the address in option {name} holds a login, which would be kept where others read it",
                    hint=f"take it out, or {name} = SECRET name",
                ).of_option(name)
            if command.type == "gcs" and name == "token" and not isinstance(value, SecretName):
                _check_key(value)
        if not command.options:
            raise Invalid("a profile without options says nothing", hint=f"WITH ({next(iter(known))} = ..)")
        self._secrets.require(command.ref.project, secrets_in(command.options))

    def _create(self, command: CreateProfile, plan: Plan, caller: Caller) -> Result:
        shown = {k: v for k, v in command.options.items() if k not in CREDENTIALS or isinstance(v, SecretName)}
        row = table.ProfileRow(
            project=command.ref.project.lower(),
            name=command.ref.name,
            type=command.type,
            shown=options_text(shown),
            value=self._secrets.encrypted(options_text(command.options)),
            comment=command.comment,
            updated_at=now(),
            updated_by=caller.user,
        )
        self._catalog.write(lambda cursor: table.put(cursor, row))
        return Result(f"created profile {command.ref} ({command.type})")

    def _plan_drop(self, command: DropProfile, caller: Caller) -> Plan:
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
            known = table.names(cursor, command.ref.project)
        if self._find(command.ref) is None:
            if command.if_exists:
                return missing(f"profile {command.ref}")
            raise no_such("profile", command.ref, known)
        return Plan((Step("drop", f"profile {command.ref}", "what uses it cannot reach its store any more"),))

    def _drop(self, command: DropProfile, plan: Plan, caller: Caller) -> Result:
        self._catalog.write(lambda cursor: table.delete(cursor, command.ref.project, command.ref.name))
        return Result(f"profile {command.ref} is forgotten")


def _has_login(name: str, value: str) -> bool:
    return "@" in value and (name == "endpoint_url" or "://" in value)


def _check_key(token: str) -> None:
    """Raise ``Invalid`` for a service account's key, which is JSON, that cannot be read."""
    if not token.lstrip().startswith("{"):
        return
    try:
        json.loads(token)
    except ValueError:  # what it says may hold a part of the key
        raise Invalid(
            "option token begins as the JSON of a service account's key, and is none",
            hint="token = $1 with the whole file, or SECRET name",
        ).of_option("token") from None
