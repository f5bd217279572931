"""Collections: what ``ml.search`` looks through. Texts by their words, vectors by their nearness, both together."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox.base.clock import now
from mlbox.base.command import Caller, Handler, Plan, Query, Result, Step
from mlbox.base.counted import counted
from mlbox.base.errors import Invalid
from mlbox.base.events import Bus, Event
from mlbox.base.home import Home
from mlbox.base.ids import new_id
from mlbox.base.locks import Locks
from mlbox.base.names import Ref, check_name
from mlbox.base.suggest import no_such
from mlbox.engine.catalog.creating import kept
from mlbox.engine.catalog.dropping import missing
from mlbox.engine.catalog.tables import collections as table
from mlbox.engine.catalog.tables import dropped, kept_projects, projects
from mlbox.engine.catalog.tables.collections import CollectionRow
from mlbox.engine.catalog.tables.lineage import Edge, record_all
from mlbox.engine.features.lineage import sources_of
from mlbox.engine.search.commands import CreateCollection, DropCollection, RefreshCollection
from mlbox.engine.search.definition import VECTOR, Collection, State, collection_of
from mlbox.engine.search.embedders import Embedder, EmbeddingFunctions, ModelEmbedder
from mlbox.engine.search.erasing import keys_of, names_entity, without
from mlbox.engine.search.filling import Filled, fill, finished, schema_of
from mlbox.engine.search.shape import shape_of
from mlbox.engine.search.store import CollectionTable, VectorStore

if TYPE_CHECKING:
    import pyarrow
    from duckdb import DuckDBPyConnection

    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.models.service import Models

Key = tuple[str, str]


class Collections:
    """CREATE, REFRESH and DROP of collections, and the search in them. One writer at a time for each."""

    def __init__(self, *, catalog: Catalog, models: Models, bus: Bus, home: Home) -> None:
        self._catalog = catalog
        self._models = models
        self._bus = bus
        self.store = VectorStore(home.path / "vectors")
        self._states: dict[Key, State] = {}
        self._embedders: dict[str, Embedder] = {}
        self.functions: EmbeddingFunctions | None = None
        """Who asks user functions for vectors; given when the house is put together."""
        self._locked = Locks().of
        self.load()
        with self._catalog.read() as cursor:
            kept = [found.object for found in dropped.of_kind(cursor, "collection")]
            kept += kept_projects.texts(cursor, "collections", "id")
        self.store.drop_others([*(state.row.id for state in self._states.values()), *kept])

    def load(self) -> None:
        """What the catalog says of all of them."""
        with self._catalog.read() as cursor:
            rows = table.every(cursor)
        self._states = {_key(row.project, row.name): State.of(row) for row in rows}

    def adopt_project(self, project: str) -> None:
        """A project has come with the definitions of its collections: make their vectors here."""
        with self._catalog.read() as cursor:
            rows = [row for row in table.every(cursor) if row.project == project]
        for row in rows:
            self._build(Collection.from_text(row.definition).moved_to(project), row)

    def forget_project(self, project: str) -> None:
        """A project is dropped."""
        for key in list(self._states):
            if key[0] == project.lower():
                with self._locked(Ref(*key)):
                    self._states.pop(key, None)

    def handlers(self) -> Iterable[Handler]:
        """The commands it answers."""
        return (
            Handler(CreateCollection, self.plan_create, self.create),
            Handler(RefreshCollection, self.plan_refresh, self.refresh),
            Handler(DropCollection, self.plan_drop, self.drop),
        )

    def state(self, ref: Ref) -> State:
        """A collection as it stands; raises ``NotFound`` with the nearest names."""
        found = self._states.get(_key(ref.project, ref.name))
        if found is None:
            names = [state.collection.name for key, state in self._states.items() if key[0] == ref.project.lower()]
            raise no_such("collection", ref, names)
        return found

    def reader(self, state: State) -> Any:
        """The table of a collection as of its last refresh."""
        return self.store.reader(state.row.id, state.row.table_version)

    def embedder(self, collection: Collection) -> Embedder | None:
        """What makes its vectors, in the version that counts now."""
        if collection.embed is None:
            return None
        if collection.embed_kind == "function":
            assert self.functions is not None
            return self.functions.embedder(collection.embed)
        version = self._models.resolve(collection.embed)
        key = f"{version.model_id}@{version.version}/{hash(collection.tokenizer)}"
        found = self._embedders.get(key)
        if found is None:
            found = self._embedders[key] = ModelEmbedder(self._models, collection.embed, collection.tokenizer)
        return found

    def _foreseen(self, collection: Collection) -> str | None:
        """The label of what makes its vectors; a plan starts no process."""
        if collection.embed is not None and collection.embed_kind == "function" and self.functions is not None:
            return self.functions.foresee(collection.embed)
        embedder = self.embedder(collection)
        return embedder.label if embedder else None

    def plan_create(self, command: CreateCollection, caller: Caller) -> Plan:
        """The query must bind, the columns be there, the model make vectors of texts."""
        check_name(command.ref.name, "collection name")
        present = self._states.get(_key(command.ref.project, command.ref.name))
        keeps = kept("collection", command, present)
        if keeps is not None:
            return keeps
        with self._catalog.read() as cursor:
            projects.require(cursor, command.ref.project)
        if present is not None:
            command = replace(command, ref=present.collection.ref)
        shape = shape_of(command, self._catalog.describe(command.ref.project, command.query))
        made = collection_of(command, shape, _tokenizer(command))
        maker = self._foreseen(made)
        detail = f"vectors by {maker}" if maker else "its own vectors" if made.vector else "texts"
        steps = (
            Step("replace" if present else "create", f"collection {command.ref}", detail),
            Step("write", "vectors", "rows of the query"),
        )
        return Plan(steps, {"shape": shape, "collection": made, "present": present})

    def create(self, command: CreateCollection, plan: Plan, caller: Caller) -> Result:
        """The rows first, then the catalog, from which moment it is found."""
        made: Collection = plan.resolved["collection"]
        present: State | None = plan.resolved["present"]
        with self._locked(made.ref):
            state, done = self._build(made, present.row if present else None)
            if present is not None:
                self.store.drop(present.row.id)
        self._bus.publish(Event("collection.created", made.project, made.name, {"rows": state.row.rows}))
        return Result(
            f"created collection {made.ref}: {_told(done, state)}",
            facts={"rows": state.row.rows, "documents": done.documents},
        )

    def plan_refresh(self, command: RefreshCollection, caller: Caller) -> Plan:
        """It must exist and its query still bind."""
        state = self.state(command.ref)
        self._catalog.describe(state.collection.project, Query(state.collection.body))
        how = "every vector anew" if command.full else "what has changed"
        return Plan((Step("write", f"collection {state.collection.ref}", how),))

    def refresh(self, command: RefreshCollection, plan: Plan, caller: Caller) -> Result:
        """Only rows that are new, changed or gone; all of them after a change of the model's version."""
        with self._locked(command.ref):
            state = self.state(command.ref)
            embedder = self.embedder(state.collection)
            if command.full or (embedder.label if embedder else None) != state.row.embedder:
                old = state.row.id
                state, done = self._build(state.collection, state.row)
                self.store.drop(old)
            else:
                state, done = self._renew(state, embedder)
        self._bus.publish(Event("collection.refreshed", command.ref.project, command.ref.name, {"rows": done.changed}))
        return Result(
            f"refreshed collection {state.collection.ref}: {_told(done, state)}",
            facts={"rows": state.row.rows, "changed": done.changed, "removed": done.removed},
        )

    def plan_drop(self, command: DropCollection, caller: Caller) -> Plan:
        """It must exist unless IF EXISTS."""
        key = _key(command.ref.project, command.ref.name)
        found = self._states.get(key) if command.if_exists else self.state(command.ref)
        if found is None:
            return missing(f"collection {command.ref}")
        return Plan((Step("drop", f"collection {command.ref}"),))

    def drop(self, command: DropCollection, plan: Plan, caller: Caller) -> Result:
        """From the catalog; its vectors are kept for RESTORE."""
        with self._locked(command.ref):
            state = self.state(command.ref)
            row = state.row

            def write(cursor: DuckDBPyConnection) -> None:
                dropped.bury_named(cursor, "collection", row.project, row.name, caller.user, row.id)
                table.delete(cursor, row.project, row.name)

            self._catalog.write(write)
            self._states.pop(_key(row.project, row.name), None)
        self._bus.publish(Event("collection.dropped", state.row.project, state.row.name))
        return Result(f"dropped collection {state.collection.ref}")

    def plan_erasure(self, project: str, entity: Mapping[str, Any], sets: Sequence[str] | None) -> list[str]:
        """Collections of a project whose documents name the entity; of those only that read one of ``sets``."""
        wanted = {name.lower() for name in sets or ()}

        def reads(found: Collection) -> bool:
            read = sources_of(self._catalog, found.project, found.body)
            return any(kind == "feature set" and name.partition("@")[0].lower() in wanted for kind, name in read)

        own = [state.collection for key, state in self._states.items() if key[0] == project.lower()]
        return [found.name for found in own if names_entity(found, entity) and (sets is None or reads(found))]

    def erase(self, project: str, names: Sequence[str], entity: Mapping[str, Any] | None) -> int:
        """Documents that have gone; without an entity all. What is left is written anew, since files keep what is only
        marked as deleted."""
        count = 0
        for name in names:
            with self._locked(Ref(project, name)):
                state = self.state(Ref(project, name))
                table = self.reader(state)
                left: Iterable[pyarrow.Table] = ()
                if entity is None:
                    gone = state.row.documents
                else:
                    keys = keys_of(state.collection, table, entity)
                    gone, left = len(keys), without(table, keys)
                if gone or entity is None:
                    self._rewrite(state, table.schema, left, state.row.documents - gone)
                count += gone
        return count

    def _rewrite(self, state: State, schema: pyarrow.Schema, parts: Iterable[pyarrow.Table], documents: int) -> None:
        """A new table of these rows in place of the one there is."""
        fresh = new_id()
        try:
            made = self.store.create(fresh, schema)
            for rows in parts:
                made.add(rows)
            self._commit(state.moved(id=fresh), made, documents)
        except BaseException:
            self.store.drop(fresh)
            raise
        self.store.drop(state.row.id)

    def _build(self, collection: Collection, present: CollectionRow | None) -> tuple[State, Filled]:
        """A new table, filled, in place of the one of ``present``."""
        rows = self._rows(collection)
        embedder = self.embedder(collection)
        schema = schema_of(collection, rows.schema, _dimensions(collection, rows, embedder))
        name = new_id()
        try:
            made = self.store.create(name, schema)
            done = fill(made, collection, rows, embedder, schema)
            row = CollectionRow(
                project=collection.project,
                name=collection.name,
                id=name,
                definition=collection.to_text(),
                table_version=0,
                documents=0,
                rows=0,
                dimensions=schema.field(VECTOR).type.list_size if VECTOR in schema.names else None,
                embedder=embedder.label if embedder else None,
                indexed=False,
                refreshed_at=now(),
                created_at=present.created_at if present else now(),
            )
            return self._commit(State(collection, row), made, done.documents), done
        except BaseException:
            self.store.drop(name)
            raise

    def _renew(self, state: State, embedder: Embedder | None) -> tuple[State, Filled]:
        rows = self._rows(state.collection)
        schema = schema_of(state.collection, rows.schema, state.row.dimensions)
        made = self.store.writer(state.row.id, state.row.table_version)
        done = fill(made, state.collection, rows, embedder, schema)
        if not done.changed and not done.removed:
            return self._keep(state.moved(refreshed_at=now())), done
        return self._commit(state, made, done.documents), done

    def _commit(self, state: State, made: CollectionTable, documents: int) -> State:
        return self._keep(finished(state, made, documents).moved(refreshed_at=now()))

    def _keep(self, state: State) -> State:
        edges = self._edges(state)

        def write(cursor: DuckDBPyConnection) -> None:
            projects.require(cursor, state.row.project)
            table.upsert(cursor, state.row)
            record_all(cursor, edges)

        self._catalog.write(write)
        self._states[_key(state.row.project, state.row.name)] = state
        return state

    def _edges(self, state: State) -> list[Edge]:
        collection = state.collection
        project, to = collection.project, str(collection.ref)
        sources = sorted(sources_of(self._catalog, project, collection.body))
        edges = [Edge(project, kind, source, "collection", to, now(), "AS SELECT") for kind, source in sources]
        if collection.embed is not None:
            kind, made_by = (state.row.embedder or "").split(" ", 1)
            edges.append(Edge(project, kind, made_by, "collection", to, now(), "EMBED WITH"))
        return edges

    def _rows(self, collection: Collection) -> pyarrow.Table:
        return self._catalog.query(collection.project, Query(collection.body))


def _key(project: str, name: str) -> Key:
    return project.lower(), name.lower()


def _dimensions(collection: Collection, rows: pyarrow.Table, embedder: Embedder | None) -> int | None:
    if embedder is not None:
        return int(embedder.embed(["mlbox"]).shape[1])
    if collection.vector is None:
        return None
    kind = rows.schema.field(collection.vector).type
    with suppress(AttributeError):
        return int(kind.list_size)
    raise Invalid(f"{collection.vector} is {kind}, no FLOAT[n]", hint=f"cast it: {collection.vector}::FLOAT[384]")


def _tokenizer(command: CreateCollection) -> str | None:
    if command.tokenizer is None:
        return None
    file = Path(command.base_folder or ".", command.tokenizer).expanduser()
    try:
        return file.read_text()
    except (OSError, UnicodeDecodeError) as error:
        raise Invalid(
            f"the tokenizer {file} cannot be read: {getattr(error, 'strerror', None) or error}",
            hint="TOKENIZER names the tokenizer.json beside the model",
        ) from None


def _told(done: Filled, state: State) -> str:
    told = counted(done.documents, "document")
    if state.row.rows != done.documents:
        told += f" in {counted(state.row.rows, 'piece')}"
    kept = [f"{done.changed:,} new or changed"] if done.changed != done.documents else []
    gone = [f"{done.removed:,} removed"] if done.removed else []
    return ", ".join([told, *kept, *gone])
