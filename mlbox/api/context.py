"""What the HTTP doors need of the house."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from mlbox.base.command import Dispatcher
    from mlbox.base.events import Bus
    from mlbox.base.home import Home
    from mlbox.base.settings import Settings
    from mlbox.base.underway import Ongoing
    from mlbox.engine.catalog.database import Catalog
    from mlbox.engine.features.service import Features
    from mlbox.engine.runs.calls_home import CallsHome
    from mlbox.engine.runs.sql_functions import SqlRuns
    from mlbox.engine.runs.tracking import Tracking
    from mlbox.engine.security.members import Members
    from mlbox.engine.storage.artifacts import ArtifactStore
    from mlbox.serve.deploy.home_side import HomeSide
    from mlbox.serve.service import Endpoints


@dataclass(frozen=True, slots=True)
class ApiContext:
    """Parts of the house, handed in by ``app``."""

    catalog: Catalog
    dispatcher: Dispatcher
    bus: Bus
    ongoing: Ongoing
    home: Home
    settings: Settings
    calls_home: CallsHome
    tracking: Tracking
    sql_runs: SqlRuns
    artifacts: ArtifactStore
    endpoints: Endpoints
    replicas: HomeSide
    features: Features
    members: Members
    version: str
