"""Substitutes from the statistics of several ingests, against what DuckDB computes over all rows."""

from __future__ import annotations

import pytest
from feature_house import FeatureHouse, entity, timestamp

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref
from mlbox.engine.features.commands import Column

VECTOR = Ref("default", "impute_v")


@pytest.fixture(scope="module")
def several(shared: FeatureHouse) -> FeatureHouse:
    """Three ingests of different sizes and places."""
    columns = (entity("k", "BIGINT"), timestamp("ts"), Column("x", type="DOUBLE"), Column("w", type="VARCHAR"))
    shared.create("impute_f", None, *columns, store="both")
    shared.vector("impute_v", "impute_f.x", "impute_f.w")
    for first, count, word in ((0, 1000, "a"), (500, 4000, "b"), (100, 10, "c")):
        shared.insert(
            "impute_f",
            f"SELECT i, now() - INTERVAL 1 HOUR, CASE WHEN i % 10 = 0 THEN NULL ELSE i END, '{word}' "
            f"FROM range({first}, {first + count}) r(i)",
        )
    return shared


@pytest.mark.parametrize("word", ["mean", "min", "max"])
def test_of_all_rows(several: FeatureHouse, word: str) -> None:
    ((expected,),) = several.run(f"SELECT {word}(x) FROM impute_f")
    found = several.features.online(VECTOR, {"k": -1}, {"x": f"${word}"})
    assert found.features["x"] == [pytest.approx(expected)]
    assert (found.status, found.imputed) == ({"impute_f": ["missing"]}, [["x"]])


def test_the_median_is_near(several: FeatureHouse) -> None:
    ((low, high),) = several.run("SELECT quantile_cont(x, 0.45), quantile_cont(x, 0.55) FROM impute_f")
    (median,) = several.features.online(VECTOR, {"k": -1}, {"x": "$median"}).features["x"]
    assert low <= median <= high


def test_text_has_the_most_frequent_of_the_largest_ingest(several: FeatureHouse) -> None:
    found = several.features.online(VECTOR, {"k": [-1, 700]}, {"*": "$most_frequent"})
    assert found.features["w"] == ["b", "b"] and found.imputed is not None
    assert [len(names) for names in found.imputed] == [2, 1]  # 700 has no x


def test_a_policy_follows_a_new_definition(several: FeatureHouse) -> None:
    several.vector("impute_w", "impute_f.x")
    ref = Ref("default", "impute_w")
    assert several.features.online(ref, {"k": -1}, {"x": 5}).features == {"x": [5]}
    several.vector("impute_w", "impute_f.x AS y", replace=True)
    with pytest.raises(Invalid, match="impute names 'x'"):
        several.features.online(ref, {"k": -1}, {"x": 5})
    assert several.features.online(ref, {"k": -1}, {"y": 5}).features == {"y": [5]}
