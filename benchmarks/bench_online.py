"""What does reading features by key cost over a bare LMDB get? How many rows a second go online?"""

from __future__ import annotations

import random
import struct
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import lmdb
from report import Table, folder, open_house

from mlbox.base.names import Ref

KEYS = 100_000
FEATURES = 20
ROUNDS = 7
READS = 5_000
BATCH = 100

DEFINITIONS = f"""
CREATE FEATURE SET profiles (ENTITY id, TIMESTAMP ts) STORE OFFLINE AND ONLINE AS
    SELECT range AS id, TIMESTAMPTZ '2026-01-01' AS ts,
        {", ".join(f"range * 1.5 + {number} AS f{number}" for number in range(FEATURES))}
    FROM range({KEYS});
CREATE FEATURE VECTOR v AS FEATURES (profiles.*)
"""


def bare_store(place: Path) -> tuple[Any, struct.Struct, struct.Struct]:
    """The same values under 8 bytes of key."""
    store = lmdb.open(str(place / "bare"), map_size=1 << 30)
    key, value = struct.Struct(">Q"), struct.Struct(f"<{FEATURES}d")
    with store.begin(write=True) as transaction:
        for number in range(KEYS):
            transaction.put(key.pack(number), value.pack(*(number * 1.5 + f for f in range(FEATURES))))
    return store, key, value


def latencies(read: Callable[[list[int]], object], size: int) -> tuple[float, float]:
    """p50 and p99 in µs of reads of so many random keys at once."""
    count = READS if size == 1 else READS // 20
    asked = [[random.randrange(KEYS) for _ in range(size)] for _ in range(count)]
    clock, taken = time.perf_counter_ns, []
    for keys in asked:
        began = clock()
        read(keys)
        taken.append(clock() - began)
    taken.sort()
    return taken[count // 2] / 1000, taken[count * 99 // 100] / 1000


def materialize(place: Path) -> None:
    """Rows of 20 features into the online store: keys that are new, then the same with newer values."""
    filled, newer = [], []
    for number in range(3):
        with open_house(place / f"filled{number}") as (_, sql):
            sql(DEFINITIONS.replace("ONLINE AS", "ONLINE WITH (online = 'manual') AS"))
            for found in (filled, newer):
                began = time.perf_counter()
                sql("REFRESH FEATURE SET profiles ONLINE")
                found.append(KEYS / (time.perf_counter() - began) / 1000)
                values = ", ".join(f"range + {feature}" for feature in range(FEATURES))
                sql(f"INSERT INTO profiles SELECT range, TIMESTAMPTZ '2026-01-02', {values} FROM range({KEYS})")
    table = Table(f"How fast do rows of {FEATURES} features go online?", "none")
    table.add("new keys", filled, "thousand rows/s")
    table.add("newer values of all keys", newer, "thousand rows/s")
    table.print()


def measure(place: Path) -> None:
    store, key, value = bare_store(place)
    with open_house(place / "home") as (house, sql):
        sql(DEFINITIONS)
        reader = house.features.reader(Ref("default", "v"))

        def ours(keys: list[int]) -> Any:
            return reader.read({"id": keys}) if len(keys) > 1 else reader.row({"id": keys[0]})

        def matrix(keys: list[int]) -> Any:
            return reader.matrix({"id": keys})

        def bare(keys: list[int]) -> Any:
            with store.begin() as transaction:
                return [value.unpack(transaction.get(key.pack(number))) for number in keys]

        assert tuple(column[1] for column in ours([3, 7]).values()) == bare([3, 7])[1]
        assert tuple(ours([7]).values()) == bare([7])[0] == tuple(matrix([3, 7])[1])
        table = Table(f"What does a read of {FEATURES} features cost?", "lmdb get and struct unpack of the same")
        for read, size, name in (
            (ours, 1, "one key"),
            (ours, BATCH, f"{BATCH} keys at once"),
            (matrix, BATCH, f"{BATCH} keys as a matrix"),
        ):
            found: dict[str, list[tuple[float, float]]] = {"ours": [], "bare": []}
            for _ in range(ROUNDS + 1):
                found["ours"].append(latencies(read, size))
                found["bare"].append(latencies(bare, size))
            for place_in, percentile in ((0, "p50"), (1, "p99")):
                samples = {name: [pair[place_in] for pair in pairs[1:]] for name, pairs in found.items()}
                table.add(f"{name}, {percentile}", samples["ours"], "µs", samples["bare"])
        table.print()
    store.close()


if __name__ == "__main__":
    random.seed(1)
    with folder() as place:
        measure(place)
        materialize(place)
