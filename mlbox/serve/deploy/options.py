"""What WITH of DEPLOY ENDPOINT may hold."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from mlbox.base.errors import Invalid
from mlbox.base.suggest import did_you_mean

_MEMORY = re.compile(r"(\d+)\s*(MB|GB|MiB|GiB)\Z", re.IGNORECASE)
_UNITS = {"mb": ("M", 10**6), "gb": ("G", 10**9), "mib": ("Mi", 1 << 20), "gib": ("Gi", 1 << 30)}
FEATURES = ("store", "home")
_NAMESPACE = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class DeployOptions:
    """Read and checked. ``port`` 0 on Docker: the engine chooses one; ``wait`` in seconds; ``features`` store or home,
    empty: the store, where it can be reached from elsewhere."""

    replicas: int = 1
    max_replicas: int = 0
    cpu: float = 1.0
    memory: str = "1GB"
    image: str = ""
    namespace: str = ""
    port: int = 0
    wait: float = 120.0
    dry_run: bool = False
    features: str = ""

    @classmethod
    def read(cls, given: Mapping[str, Any], engine: str) -> DeployOptions:
        """Raises ``Invalid`` for what is unknown, or makes no sense on ``engine``."""
        names = [field.name for field in fields(cls)]
        for name in given:
            if name not in names:
                raise Invalid(f"DEPLOY ENDPOINT has no option {name!r}", hint=did_you_mean(name, names))
        for name, least, most in (("replicas", 1, 1000), ("max_replicas", 1, 1000), ("port", 1, 65_535)):
            value = given.get(name, least)
            if isinstance(value, bool) or not isinstance(value, int) or not least <= value <= most:
                raise Invalid(f"{name} = {value!r}: a whole number from {least} to {most} is needed")
        for name, most in (("cpu", 1024), ("wait", 3600)):
            value = given.get(name, 1)
            if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value <= most:
                raise Invalid(f"{name} = {value!r}: a number above 0, up to {most}, is needed")
        for name in ("image", "namespace", "memory", "features"):
            if not isinstance(given.get(name, ""), str):
                raise Invalid(f"{name} = {given[name]!r}: a text is needed")
        if not isinstance(given.get("dry_run", False), bool):
            raise Invalid(f"dry_run = {given['dry_run']!r}: true or false is needed")
        read = cls(**given)
        if read.features not in ("", *FEATURES):
            hint = did_you_mean(read.features, FEATURES) or "store or home"
            raise Invalid(f"features = {read.features!r}", hint=hint)
        if _MEMORY.match(read.memory) is None:
            raise Invalid(f"memory = {read.memory!r} is no size", hint="for example '512MB', '2GB' or '2GiB'")
        read._check_engine(engine, given)
        return read

    def _check_engine(self, engine: str, given: Mapping[str, Any]) -> None:
        if engine == "docker":
            wrong = [name for name in ("max_replicas", "namespace") if name in given]
            if wrong:
                raise Invalid(f"{wrong[0]} belongs to ON KUBERNETES", hint="a Docker engine has neither")
        if self.namespace and _NAMESPACE.match(self.namespace) is None:
            raise Invalid(f"namespace = {self.namespace!r}: lower-case letters, digits and - are needed")
        if self.max_replicas and self.max_replicas < self.replicas:
            raise Invalid(f"max_replicas = {self.max_replicas} is less than replicas = {self.replicas}")

    @property
    def most(self) -> int:
        """Replicas at most."""
        return max(self.replicas, self.max_replicas)

    @property
    def memory_bytes(self) -> int:
        """Of a replica."""
        number, unit = self._memory()
        return number * _UNITS[unit][1]

    @property
    def memory_quantity(self) -> str:
        """As Kubernetes writes it."""
        number, unit = self._memory()
        return f"{number}{_UNITS[unit][0]}"

    def _memory(self) -> tuple[int, str]:
        found = _MEMORY.match(self.memory)
        assert found is not None
        return int(found[1]), found[2].lower()
