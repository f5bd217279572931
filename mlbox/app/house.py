"""The composition root: the only place that knows every part and puts them together."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from mlbox import __version__
from mlbox.app.dispatcher import CommandDispatcher
from mlbox.app.doors import Doors
from mlbox.app.listener import Listener
from mlbox.base.command import Caller
from mlbox.base.errors import MlboxError
from mlbox.base.events import Bus, Event
from mlbox.base.home import Home, HomeLock
from mlbox.base.settings import Settings
from mlbox.base.underway import Ongoing
from mlbox.engine.archives.service import Archives
from mlbox.engine.catalog import public_views
from mlbox.engine.catalog.database import Catalog
from mlbox.engine.catalog.kept_projects import KeptProjects
from mlbox.engine.catalog.projects import Projects
from mlbox.engine.catalog.restoring import Restoring
from mlbox.engine.catalog.sessions import relative_to
from mlbox.engine.catalog.tables import audit
from mlbox.engine.features.service import Features
from mlbox.engine.models.service import Models
from mlbox.engine.monitor.service import Monitors
from mlbox.engine.runs.mlflow_import.origin import MlflowOrigin
from mlbox.engine.runs.service import Runs
from mlbox.engine.search.erasing_kept import KeptDocuments
from mlbox.engine.search.keeping import KeptCollections
from mlbox.engine.search.service import Collections
from mlbox.engine.security import instance
from mlbox.engine.security.fence import Fence
from mlbox.engine.security.members import Members
from mlbox.engine.security.permission import Permission
from mlbox.engine.security.profiles import Profiles
from mlbox.engine.storage.artifacts import ArtifactStore
from mlbox.engine.storage.remote import store_of
from mlbox.engine.workflows.scheduler import Scheduler
from mlbox.engine.workflows.service import Workflows
from mlbox.serve import tracing
from mlbox.serve.deploy.service import Deployments
from mlbox.serve.embedding import Embedders
from mlbox.serve.feeds.service import Feeds
from mlbox.serve.service import Endpoints
from mlbox.serve.transforming import Transformers
from mlbox.sql.functions.base import Asked
from mlbox.sql.functions.install import Functions
from mlbox.sql.plain import PlainSql
from mlbox.sql.project_script import project_script
from mlbox.sql.script import SqlParser
from mlbox.sql.session import Session
from mlbox.sql.show import Reading

if TYPE_CHECKING:
    import socket

    from duckdb import DuckDBPyConnection

    from mlbox.api.context import ApiContext
    from mlbox.sql.wire.server import WireServer

PASSING = frozenset({"run.metric", "run.progress", "statement.started", "statement.progress", "statement.finished"})
"""Events that are told but not kept."""


class House:
    """An open home with all its services. ``House.open(home, settings)``, then ``close()``."""

    def __init__(self, home: Home, settings: Settings, lock: HomeLock) -> None:
        self.home = home
        self.settings = settings
        self._lock = lock
        self.bus = Bus()
        self.ongoing = Ongoing()
        self.catalog = Catalog.open(home, settings)
        public_views.create(self.catalog)
        self.members = Members(self.catalog, settings)
        fence = Fence(self.catalog)
        self.dispatcher = CommandDispatcher(self.catalog, Permission(self.members, fence, settings))
        self.parser = SqlParser()
        self.artifacts = self._make_artifacts()
        self.listener = Listener(self)
        self.doors = Doors(self)
        self.wire: WireServer | None = None
        self.features = Features(
            catalog=self.catalog, bus=self.bus, home=home, settings=settings, artifacts=self.artifacts
        )
        self.features.keep_time(self.dispatcher, self.parser)
        self.models = Models(catalog=self.catalog, artifacts=self.artifacts, bus=self.bus)
        self.collections = Collections(catalog=self.catalog, models=self.models, bus=self.bus, home=home)
        self.runs = Runs(
            catalog=self.catalog,
            artifacts=self.artifacts,
            bus=self.bus,
            settings=settings,
            doors=self.doors,
            frame_query=self.features.training_query,
        )
        self.workflows = Workflows(catalog=self.catalog, bus=self.bus, dispatcher=self.dispatcher, parser=self.parser)
        self.endpoints = Endpoints(
            catalog=self.catalog, models=self.models, features=self.features, bus=self.bus, settings=settings
        )
        self.collections.functions = Embedders(self.endpoints.shop)
        self.features.give_functions(Transformers(self.endpoints.shop, settings))
        self.runs.function_users.append(self.features.users_of_function)
        self.endpoints.shop = replace(self.endpoints.shop, collections=self.collections)
        self.deployments = Deployments(
            catalog=self.catalog, shop=self.endpoints.shop, settings=settings, bus=self.bus, doors=self.doors
        )
        self.feeds = self._make_feeds()
        self.monitors = Monitors(
            catalog=self.catalog,
            bus=self.bus,
            dispatcher=self.dispatcher,
            parser=self.parser,
            flush=self.endpoints.flush,
        )
        self._introduce()
        self.scheduler = Scheduler([self.workflows.schedules, self.monitors, self.feeds], self.bus)
        self.restoring = self._make_restoring()
        self.projects = self._make_projects()
        self.archives = self._make_archives()
        self._register(PlainSql(self.catalog, fence, settings))
        Functions(Asked(self.catalog, self.features, self.models, self.collections, fence, self.endpoints)).install()
        instance.lock(self.catalog, settings)
        self.bus.listen(self._keep_event)
        self._keep_projects().complete()
        self.projects.removal.complete()

    def _make_artifacts(self) -> ArtifactStore:
        self.profiles = Profiles(self.catalog)
        return store_of(self.settings, self.home.artifacts, self.artifact_access)

    def artifact_access(self) -> dict[str, Any]:
        """Options of the profile that the settings name for artifacts."""
        project, _, name = self.settings.artifact_store_profile.partition(".")
        return self.profiles.options(project, name, self.settings.artifact_store)

    def _introduce(self) -> None:
        """Parts that answer for, or wait for, others."""
        self.monitors.add_to(self.workflows.alterations)
        self.workflows.alterations.add("endpoint", self.endpoints.renames)
        self._let_erasure_reach()

    def _register(self, plain: PlainSql) -> None:
        for service in (
            self.projects,
            self.archives,
            self.restoring,
            self.features,
            self.collections,
            self.models,
            self.runs,
            self.workflows,
            self.monitors,
            self.endpoints,
            self.deployments,
            self.feeds,
            self.members,
            self.runs.secrets,
            self.profiles,
            plain,
            Reading(self.catalog, plain),
        ):
            self.dispatcher.register(service.handlers())

    def _let_erasure_reach(self) -> None:
        """What DELETE ENTITY needs of others."""
        self.features.erasure.before.append(self.endpoints.flush)
        self.features.erasure.collections = self.collections
        self.features.erasure.kept_collections = KeptDocuments(self.catalog, self.collections.store)
        self.features.erasure.feeds = self.feeds

    def _make_feeds(self) -> Feeds:
        made = Feeds(
            catalog=self.catalog,
            bus=self.bus,
            features=self.features,
            endpoints=self.endpoints,
            bodies=self.workflows.bodies,
            access=self.members.access,
        )
        self.workflows.alterations.add("feed", made)
        return made

    def _make_projects(self) -> Projects:
        """With what they can be made from, and all that has to end when one goes, in this order."""
        made = Projects(self.catalog, self.bus)
        made.removal.users.append(self.features.readers_elsewhere)
        self.features.erasure.changing = made.removal.changing
        made.removal.ending += (
            self.deployments.forget_project,
            self.feeds.forget_project,
            self.endpoints.forget_project,
            self.runs.forget_project,
            self.workflows.forget_project,
            self.features.forget_project,
            self.collections.forget_project,
            self.members.forget_project,
            self.restoring.forget_project,
        )
        made.origins.append(
            MlflowOrigin(
                catalog=self.catalog,
                artifacts=self.artifacts,
                models=self.models,
                experiments=self.runs.tracking.experiments,
            )
        )
        return made

    def _make_restoring(self) -> Restoring:
        """With those who keep what is dropped in a way of their own; the collection of garbage ends that."""
        collections = KeptCollections(self.catalog, self.collections)
        made = Restoring(self.catalog, self.bus, {**self.features.keepers, "collection": collections})
        self.runs.garbage.for_good = made.for_good
        return made

    def _keep_projects(self) -> KeptProjects:
        """Projects that were dropped, and who has to know one that is back."""
        made = KeptProjects(self.catalog, self.projects.removal)
        collections = KeptCollections(self.catalog, self.collections)
        made.arrived += (
            lambda found, caller: self.features.adopt_project(found.name),
            lambda found, caller: collections.adopt(found),
            lambda found, caller: self.endpoints.adopt_project(found.name),
            lambda found, caller: self.feeds.adopt_project(found.name),
            lambda found, caller: self.members.forget_project(found.name),  # what is known of its members
        )
        self.projects.removal.deleting += (
            lambda beside: self.runs.delete_beside(beside.runs),
            lambda beside: collections.delete(beside.collections),
        )
        self.projects.removal.purge = self.restoring.for_good
        self.restoring.keep("project", made)
        return made

    def _make_archives(self) -> Archives:
        made = Archives(self.catalog, self.artifacts, self.projects, self._script_of, self._carry_script)
        made.restorer.arrived += (
            self.features.adopt_project,
            self.collections.adopt_project,
            self.endpoints.adopt_project,
            self.feeds.adopt_project,
        )
        return made

    def _script_of(self, project: str, paths: dict[str, str] | None) -> str:
        with self.catalog.read() as cursor:
            return project_script(cursor, project, paths)

    def _carry_script(self, text: str, caller: Caller, folder: Path) -> int:
        session = Session(self.catalog, self.dispatcher, caller, base_folder=str(folder))
        with relative_to(str(folder)):
            return sum(1 for _ in session.run(text))

    @classmethod
    def open(cls, home: Home, settings: Settings) -> House:
        """Take the home and open it; raises ``HomeError`` when another process owns it."""
        home.create()
        lock = HomeLock(home)
        lock.acquire()
        try:
            return cls(home, settings, lock)
        except BaseException:
            lock.release()
            raise

    def start(self) -> None:
        """What only a server does: find runs again, serve endpoints, keep schedules."""
        self.workflows.recover()
        self.monitors.recover()
        self.runs.reattach()
        self.features.start()
        self.endpoints.start()
        self.deployments.start()
        self.feeds.start()
        self.scheduler.start()
        self.listener.begin()

    def close(self) -> None:
        """Stop in order: what makes work first, the catalog last."""
        if self.wire is not None:
            self.wire.stop()
        self.listener.end()
        self.scheduler.stop()
        self.monitors.shutdown()
        self.workflows.shutdown()
        self.runs.shutdown()  # before the statements that wait for them, so that runs go on
        self.ongoing.stop()
        self.feeds.stop()
        self.endpoints.stop()
        self.listener.stop()
        self.doors.stop()
        tracing.end()
        self.features.close()
        self.catalog.close()
        self.home.server_file.unlink(missing_ok=True)
        self._lock.release()

    def serve_postgres(self, listening: socket.socket) -> None:
        """Answer clients of the PostgreSQL protocol on a socket."""
        from mlbox.sql.wire.catalog.pg_catalog import PgCatalog
        from mlbox.sql.wire.context import WireContext
        from mlbox.sql.wire.server import WireServer

        context = WireContext(
            catalog=self.catalog,
            dispatcher=self.dispatcher,
            bus=self.bus,
            ongoing=self.ongoing,
            settings=self.settings,
            logs=self.home.logs,
            version=__version__,
            members=self.members,
            pg_catalog=PgCatalog(self.catalog),
        )
        self.wire = WireServer(context)
        self.wire.start(listening)

    def api_context(self) -> ApiContext:
        """What the HTTP doors need."""
        from mlbox.api.context import ApiContext

        return ApiContext(
            catalog=self.catalog,
            dispatcher=self.dispatcher,
            bus=self.bus,
            ongoing=self.ongoing,
            home=self.home,
            settings=self.settings,
            calls_home=self.runs.calls_home,
            tracking=self.runs.tracking,
            sql_runs=self.runs.sql_runs,
            artifacts=self.artifacts,
            endpoints=self.endpoints,
            replicas=self.deployments.replicas,
            features=self.features,
            members=self.members,
            version=__version__,
        )

    def _keep_event(self, event: Event) -> None:
        if event.kind in PASSING:
            return

        def insert(cursor: DuckDBPyConnection) -> None:
            audit.insert_event(cursor, event)

        try:
            self.catalog.submit(insert, patient=True)
        except MlboxError:
            return  # the house is closing
