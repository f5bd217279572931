"""Locks the DuckDB instance of a home that has members. It holds for everybody, the owner too, until the next start."""

from __future__ import annotations

from typing import TYPE_CHECKING

from mlbox.base.names import literal
from mlbox.engine.security.permission import folders

if TYPE_CHECKING:
    from mlbox.base.settings import Settings
    from mlbox.engine.catalog.database import Catalog

TEMPORARY_GB = 50
"""Disk that queries may spill to."""

OURS = (
    "errors_as_json",
    "TimeZone",
    "search_path",
    "file_search_path",
    "enable_progress_bar",
    "enable_progress_bar_print",
)
"""What our own cursors set, each for itself. ``SET`` is no statement that a user may send."""


def lock(catalog: Catalog, settings: Settings) -> None:
    """Last thing of opening, when everything is attached: it cannot be loosened."""
    if not catalog.shared:
        return
    spill = catalog.home.cache / "spill"
    spill.mkdir(exist_ok=True, mode=0o700)
    staging = catalog.home.cache.resolve() / "sources"  # copies of files at URLs, while they are read
    allowed = ", ".join(literal(f"{folder}/") for folder in (*folders(settings), staging))
    for statement in (
        f"SET GLOBAL temp_directory = {literal(str(spill))}",
        f"SET GLOBAL max_temp_directory_size = '{TEMPORARY_GB}GB'",
        "SET GLOBAL allow_community_extensions = false",
        "SET GLOBAL allow_unsigned_extensions = false",
        "SET GLOBAL allow_persistent_secrets = false",
        f"SET GLOBAL allowed_directories = [{allowed}]",
        "SET GLOBAL enable_external_access = false",
        f"SET GLOBAL allowed_configs = [{', '.join(map(literal, OURS))}]",
        "SET GLOBAL lock_configuration = true",
    ):
        catalog.connection.execute(statement)
    catalog.fenced = True
