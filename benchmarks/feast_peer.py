"""What Feast does with the same rows; run by the Python of an environment of its own (feast[duckdb]).

Argument: a folder with ``rows.parquet`` (id, event_time, f0..) and ``spine.parquet`` (id, event_time). Prints JSON:
seconds by what was done.
"""

from __future__ import annotations

import json
import random
import sys
import time
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any


def config(folder: Path, offline: str) -> str:
    """The repository's configuration."""
    return f"""
project: peer
provider: local
registry: {folder}/{offline}-registry.db
offline_store: {{type: {offline}}}
online_store: {{type: sqlite, path: {folder}/{offline}-online.db}}
entity_key_serialization_version: 3
"""


def opened(folder: Path, offline: str, names: list[str]) -> Any:
    """A store with one feature view over the rows."""
    import yaml
    from feast import Entity, FeatureStore, FeatureView, Field, FileSource
    from feast.repo_config import RepoConfig
    from feast.types import Float64
    from feast.value_type import ValueType

    repository = folder / offline
    repository.mkdir(exist_ok=True)
    (repository / "feature_store.yaml").write_text(config(folder, offline))  # for `feast serve`
    store = FeatureStore(config=RepoConfig(repo_path=repository, **yaml.safe_load(config(folder, offline))))
    entity = Entity(name="id", join_keys=["id"], value_type=ValueType.INT64)
    source = FileSource(name="rows", path=str(folder / "rows.parquet"), timestamp_field="event_time")
    view = FeatureView(
        name="view",
        entities=[entity],
        ttl=timedelta(days=365),
        schema=[Field(name=name, dtype=Float64) for name in names],
        source=source,
    )
    store.apply([entity, view])
    return store


def main() -> None:
    """Join, materialise, read."""
    import pandas as pd
    import pyarrow.parquet as parquet

    folder = Path(sys.argv[1])
    rows = parquet.read_schema(folder / "rows.parquet")
    names = [name for name in rows.names if name.startswith("f")]
    features = [f"view:{name}" for name in names]
    spine = pd.read_parquet(folder / "spine.parquet")
    found: dict[str, Any] = {}
    for offline in ("file", "duckdb"):
        store = opened(folder, offline, names)
        began = time.perf_counter()
        got = store.get_historical_features(entity_df=spine, features=features).to_df()
        found[offline] = time.perf_counter() - began
        assert len(got) > len(spine) * 0.9, len(got)  # rows of one id and time are one to it
    ids = spine["id"].drop_duplicates().tolist()
    small = folder / "small"
    small.mkdir()
    frame = pd.read_parquet(folder / "rows.parquet").drop_duplicates("id").head(10_000)
    frame.to_parquet(small / "rows.parquet")
    store = opened(small, "file", names)
    store.materialize(datetime(2020, 1, 1), datetime(2030, 1, 1))
    ids = frame["id"].tolist()
    for size in (1, 100):
        taken = []
        for _ in range(200 if size == 1 else 50):
            asked = [{"id": int(random.choice(ids))} for _ in range(size)]
            began = time.perf_counter()
            store.get_online_features(features=features, entity_rows=asked).to_dict()
            taken.append(time.perf_counter() - began)
        found[f"online {size}"] = sorted(taken)[len(taken) // 2]
    print(json.dumps(found))


if __name__ == "__main__":
    main()
