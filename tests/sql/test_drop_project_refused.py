"""What keeps a project from being dropped."""

from __future__ import annotations

import pytest
from everything import Everything

from mlbox.base.errors import MlboxError


def test_what_others_use_is_not_dropped(everything: Everything) -> None:
    """An endpoint and a vector of another project stand on it; CASCADE is no leave to take them."""
    everything.run("CREATE PROJECT other; USE PROJECT other; CREATE ENDPOINT o USING MODEL shop.m@1")
    with pytest.raises(MlboxError, match=r"project shop is used by endpoint other\.o"):
        everything.run("DROP PROJECT shop CASCADE")
    everything.run("DROP ENDPOINT other.o; CREATE FEATURE VECTOR ov AS FEATURES (shop.spending.spent)")
    with pytest.raises(MlboxError, match=r"project shop is used by feature vector other\.ov"):
        everything.run("DROP PROJECT shop CASCADE")
    everything.run("DROP PROJECT other CASCADE; USE PROJECT shop")


def test_a_table_is_something_that_a_project_holds(everything: Everything) -> None:
    everything.run("CREATE PROJECT plain; CREATE TABLE plain.t AS SELECT 1 AS x")
    with pytest.raises(MlboxError, match="project plain is not empty: 1 tables and views"):
        everything.run("DROP PROJECT plain")
    everything.run("DROP PROJECT plain CASCADE; USE PROJECT shop")
