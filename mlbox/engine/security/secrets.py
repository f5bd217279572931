"""Secrets: values that functions need and nobody reads. Encrypted at rest with a key beside the catalog.

Fernet (AES-128-CBC with HMAC-SHA256) of the library ``cryptography``. The key lies in ``secrets.key`` of the home,
readable by its user only: a copy of the catalog without it gives nothing away; a copy of the whole home does.
"""

from __future__ import annotations

import hmac
import os
from collections.abc import Iterable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Result, Step
from mlbox.base.errors import HomeError, Invalid, NotFound
from mlbox.base.ids import new_id
from mlbox.base.suggest import did_you_mean
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import projects, secrets
from mlbox.engine.security.commands import DropSecret, SetSecret

if TYPE_CHECKING:
    from mlbox.engine.catalog.database import Catalog

LONGEST = 65_536
"""Characters of a value."""


class Secrets:
    """Answers SET SECRET and DROP SECRET, and gives the values to runs."""

    def __init__(self, catalog: Catalog) -> None:
        self._catalog = catalog
        self._file = catalog.home.path / "secrets.key"

    def handlers(self) -> Iterable[Handler]:
        """Two."""
        return (
            Handler(SetSecret, self._plan_set, self._set),
            Handler(DropSecret, self._plan_drop, self._drop),
        )

    def require(self, project: str, names: Iterable[str]) -> None:
        """Raise ``NotFound`` with the nearest names unless all of them are kept."""
        with self._catalog.read() as cursor:
            known = secrets.names(cursor, project)
        for name in names:
            if name.lower() not in (each.lower() for each in known):
                hint = did_you_mean(name, known) or ""
                raise NotFound(
                    f"project {project} has no secret {name!r}",
                    hint=f"{hint}{'; or ' if hint else ''}SET SECRET {name} = $1 IN PROJECT {project}",
                )

    def values(self, project: str, names: Iterable[str]) -> Mapping[str, str]:
        """The values by name as given; raises ``NotFound``."""
        names = tuple(names)
        if not names:
            return {}
        self.require(project, names)
        return self.present(project, names)

    def present(self, project: str, names: Iterable[str]) -> Mapping[str, str]:
        """As :meth:`values`, without those that are not kept any more."""
        with self._catalog.read() as cursor:
            kept = {name: secrets.get(cursor, project, name) for name in names}
        return {name: self.decrypted(name, value) for name, value in kept.items() if value is not None}

    def _plan_set(self, command: SetSecret, caller: Caller) -> Plan:
        if not command.name.isidentifier() or not command.name.isascii():
            raise Invalid(
                f"secret {command.name!r} cannot be the name of an environment variable",
                hint="letters, digits and _, not starting with a digit",
            )
        if not 1 <= len(command.value) <= LONGEST or "\0" in command.value:
            raise Invalid(f"the value of secret {command.name} must have 1 to {LONGEST:,} characters, none of them NUL")
        with self._catalog.read() as cursor:
            projects.require(cursor, command.project)
        return Plan((Step("write", f"secret {command.project}.{command.name}", "encrypted"),))

    def _set(self, command: SetSecret, plan: Plan, caller: Caller) -> Result:
        value = self.encrypted(command.value)
        self._catalog.write(
            lambda cursor: secrets.put(cursor, command.project, command.name, value, now(), caller.user)
        )
        return Result(f"secret {command.name} is set in project {command.project}")

    def _plan_drop(self, command: DropSecret, caller: Caller) -> Plan:
        with self._catalog.read() as cursor:
            projects.require(cursor, command.project)
        try:
            self.require(command.project, [command.name])
        except NotFound:
            if command.if_exists:
                return missing(f"secret {command.project}.{command.name}")
            raise
        return Plan((Step("drop", f"secret {command.project}.{command.name}"),))

    def _drop(self, command: DropSecret, plan: Plan, caller: Caller) -> Result:
        self._catalog.write(lambda cursor: secrets.delete(cursor, command.project, command.name))
        return Result(f"secret {command.name} is forgotten")

    def decrypted(self, name: str, value: bytes) -> str:
        """A value that :meth:`encrypted` has made; ``HomeError`` with another key."""
        from cryptography.fernet import InvalidToken

        try:
            return bytes(self._cipher().decrypt(value)).decode()
        except InvalidToken:
            raise HomeError(
                f"secret {name} cannot be read with the key in {self._file}",
                hint="restore the key that it was set with, or set the secret again",
            ) from None

    def encrypted(self, value: str) -> bytes:
        """A value as it is kept."""
        return bytes(self._cipher().encrypt(value.encode()))

    def digest(self, text: str) -> str:
        """A digest that only this home can make of a text: HMAC-SHA256 with the key of its secrets, in hexadecimal."""
        self._cipher()  # makes the key where there is none
        return hmac.new(self._file.read_bytes().strip(), text.encode(), "sha256").hexdigest()

    def _cipher(self) -> Any:
        from cryptography.fernet import Fernet

        try:
            if not self._file.exists():
                self._make_key(Fernet.generate_key())
            return Fernet(self._file.read_bytes().strip())
        except (OSError, ValueError) as error:
            raise HomeError(f"the key of secrets {self._file} cannot be used: {error}") from None

    def _make_key(self, key: bytes) -> None:
        """It is there whole or not at all; who comes second takes the first one's."""
        temporary = self._file.with_name(f"{self._file.name}.{new_id()}")
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(key)
                file.flush()
                os.fsync(file.fileno())
            with suppress(FileExistsError):
                os.link(temporary, self._file)
        finally:
            temporary.unlink()
