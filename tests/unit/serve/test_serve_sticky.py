"""Traffic by key, and stacks."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from mlbox.base.errors import Invalid
from mlbox.base.names import Ref

Models = Callable[..., bytes]


def test_the_same_key_always_meets_the_same_model_and_shares_hold(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.model("m", scaled(2.0), "x", "y")
    live.house.endpoint("e", "m@1", "m@2", weights=[75, 25], using="traffic", options={"sticky": "customer"})
    arms: dict[float, set[str]] = {}
    for _ in range(2):
        for customer in range(200):
            reply = live.rows("e", {"customer": [float(customer)], "x": [1.0], "y": [0.0]}).json()
            arms.setdefault(customer, set()).add(reply["model_version"])
    assert all(len(seen) == 1 for seen in arms.values())
    second = sum(seen == {"2"} for seen in arms.values())
    assert 25 <= second <= 75  # 50 of 200 are expected; the hash is fixed, so this is no matter of chance
    rows = live.house.predictions("endpoint = 'e'")
    assert {row["model_version"] for row in rows} == {1, 2}
    without = live.rows("e", {"x": [1.0], "y": [0.0]})
    assert without.status_code == 400 and "'customer'" in without.json()["error"]
    first = next(c for c, seen in arms.items() if seen == {"1"})
    other = next(c for c, seen in arms.items() if seen == {"2"})
    mixed = live.rows("e", {"customer": [float(first), float(other)], "x": [1.0, 1.0], "y": [0.0, 0.0]})
    assert mixed.status_code == 400 and "different models" in mixed.json()["error"]


def test_a_stack_feeds_what_its_members_say_into_the_last_model(live: Any, scaled: Models) -> None:
    live.house.model("m", scaled(1.0), "x", "y")
    live.house.model("n", scaled(10.0), "x", "y")
    live.house.model("last", scaled(100.0), "n", "m")
    live.house.endpoint("s", "m@1", "n@1", using="ensemble", ensemble="stack", meta=Ref("default", "last", "1"))
    reply = live.rows("s", {"x": [1.0], "y": [1.0]}).json()
    by_name = {output["name"]: output["data"] for output in reply["outputs"]}
    assert by_name == {"prediction": [2200.0], "m@1": [2.0], "n@1": [20.0]}
    live.house.model("narrow", scaled(1.0, width=3), "a", "b", "c")
    with pytest.raises(Invalid, match="takes 3 features, and the stack has 2 members"):
        live.house.endpoint("t", "m", "n", using="ensemble", ensemble="stack", meta=Ref("default", "narrow"))


def test_options_that_make_no_sense_here_are_refused(house: Any, scaled: Models) -> None:
    house.model("m", scaled(1.0), "x", "y")
    for options, says in (
        ({"sticky": "x"}, "sticky belongs to TRAFFIC"),
        ({"on_member_error": "skip"}, "belongs to an ensemble"),
        ({"threads": 0}, "threads = 0"),
    ):
        with pytest.raises(Invalid, match=says):
            house.endpoint("e", "m", options=options)
