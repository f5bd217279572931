"""What a worker makes an endpoint of, without asking the catalog."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from mlbox.base.errors import NotFound
from mlbox.base.names import Ref
from mlbox.engine.features.online_parts import Readable
from mlbox.engine.features.online_reader import OnlineReader
from mlbox.engine.models.sessions import Predictor, Sessions
from mlbox.engine.models.tensor_predictor import predictor_for
from mlbox.serve.assemble import build, starts_processes
from mlbox.serve.deploy.pinning import pinned

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.engine.catalog.tables.models import ModelVersion
    from mlbox.engine.features.stores.online.base import OnlineStore
    from mlbox.serve.endpoint import Runtime
    from mlbox.serve.shop import Shop

    Vector = Callable[[tuple[str, str]], Readable]


@dataclass(frozen=True, slots=True)
class Recipe:
    """A generation of an endpoint: the row with versions in the place of aliases, and what it names."""

    row: EndpointRow
    models: Mapping[str, ModelVersion]
    place: int
    """Of its generation among the cells."""
    generation: int

    @property
    def key(self) -> str:
        """Of its slot."""
        return f"{self.row.project}.{self.row.name}".lower()


def for_workers(row: EndpointRow, shop: Shop) -> bool:
    """Whether workers answer for it: models that are computed in process. What has processes of its own, is a graph,
    or is to be loaded once (``WITH (workers = 1)``), the server answers."""
    return row.options.get("workers") != 1 and not starts_processes(row, shop)


def recipe_of(row: EndpointRow, shop: Shop, place: int, generation: int) -> Recipe:
    """The recipe of an endpoint as its aliases are now; ``NotFound`` when a model is gone."""
    plain, models = pinned(row, shop)
    return Recipe(
        plain, {_key(version.project, version.name, version.version): version for version in models}, place, generation
    )


class Kitchen:
    """Builds runtimes in a worker. ``vector`` asks the server for a vector's definition."""

    def __init__(self, sessions: Sessions, store: OnlineStore, vector: Vector, definitions: Callable[[], int]) -> None:
        self._sessions = sessions
        self._store = store
        self._vector = vector
        self._definitions = definitions

    def build(self, recipe: Recipe) -> Runtime:
        """A warm runtime."""
        return build(recipe.row, cast("Shop", _Shelf(_Models(self._sessions, recipe.models), self)))

    def reader(self, ref: Ref) -> OnlineReader:
        """The online reader of a vector; it follows the definition that the server has."""
        return OnlineReader(self._store, lambda: self._vector((ref.project, ref.name)), self._definitions)


@dataclass(frozen=True, slots=True)
class _Shelf:
    """The part of a shop that endpoints need that are computed in process."""

    models: _Models
    features: Kitchen


class _Models:
    def __init__(self, sessions: Sessions, versions: Mapping[str, ModelVersion]) -> None:
        self._sessions = sessions
        self._versions = versions

    def resolve(self, ref: Ref) -> ModelVersion:
        found = self._versions.get(_key(ref.project, ref.name, ref.version))
        if found is None:
            raise NotFound(f"there is no model {ref} here")
        return found

    def predictor_of(self, version: ModelVersion) -> Predictor:
        return predictor_for(
            self._sessions.get(version.digest), version.features, [name for name, _ in version.outputs]
        )


def _key(project: str, name: str, version: Any) -> str:
    return f"{project}.{name}@{version}".lower()
