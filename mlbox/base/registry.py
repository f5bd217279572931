"""Plug-ins of a kind, found by importing the modules of a package and by entry points."""

from __future__ import annotations

import importlib
import pkgutil
import threading
from collections.abc import Callable, Iterator
from importlib.metadata import entry_points
from typing import Generic, TypeVar

from mlbox.base.errors import AlreadyExists, NotFound
from mlbox.base.suggest import did_you_mean

T = TypeVar("T")


class Registry(Generic[T]):
    """Named plug-ins of one kind.

    ``package`` is imported, module by module, at first use; a module registers what it defines.
    Other distributions add theirs under the entry-point group ``mlbox.<kind>``.
    """

    def __init__(self, kind: str, package: str | None = None) -> None:
        self.kind = kind
        self._package = package
        self._found = self._finding = False
        self._lock = threading.RLock()
        self._items: dict[str, T] = {}

    def add(self, name: str, item: T) -> T:
        """Register ``item``; a name is given once."""
        if name in self._items and self._items[name] is not item:
            raise AlreadyExists(f"{self.kind} {name!r} is registered twice")
        self._items[name] = item
        return item

    def register(self, name: str) -> Callable[[T], T]:
        """Decorator form of :meth:`add`."""
        return lambda item: self.add(name, item)

    def get(self, name: str) -> T:
        """The plug-in called ``name``; raises ``NotFound`` with the nearest names."""
        self._find()
        try:
            return self._items[name]
        except KeyError:
            hint = did_you_mean(name, self._items, kind=self.kind)
            raise NotFound(f"there is no {self.kind} {name!r}", hint=hint) from None

    def names(self) -> list[str]:
        """All names, sorted."""
        self._find()
        return sorted(self._items)

    def __iter__(self) -> Iterator[tuple[str, T]]:
        self._find()
        return iter(sorted(self._items.items()))

    def __contains__(self, name: str) -> bool:
        self._find()
        return name in self._items

    def _find(self) -> None:
        if self._found:
            return
        with self._lock:  # another thread waits for all of them; this one may ask again while they are imported
            if self._found or self._finding:
                return
            self._finding = True
            try:
                if self._package:
                    package = importlib.import_module(self._package)
                    for module in pkgutil.iter_modules(package.__path__):
                        importlib.import_module(f"{self._package}.{module.name}")
                for entry in entry_points(group=f"mlbox.{self.kind.replace(' ', '_')}"):
                    self.add(entry.name, entry.load())
                self._found = True
            finally:
                self._finding = False
