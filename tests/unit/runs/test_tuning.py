from __future__ import annotations

import itertools
from typing import Any

import pytest

from mlbox.base.command import Query
from mlbox.base.errors import Invalid, NotFound
from mlbox.engine.runs.commands import Sweep, SweepParameter
from mlbox.engine.runs.requests import dump_sweep, load_sweep
from mlbox.engine.runs.search import score_of
from mlbox.engine.runs.tuning.base import TUNERS, make_strategy
from mlbox.engine.runs.tuning.pruning import Pruning

LR = SweepParameter("lr", (0.1, 0.01))
DEPTH = SweepParameter("depth", (4, 6, 8))
RANGE = SweepParameter("alpha", low=0.001, high=10.0, log=True)
WHOLE = SweepParameter("n", low=1, high=3)


def sweep(*parameters: SweepParameter, **options: Any) -> Sweep:
    return Sweep(parameters, "auc", "maximize", **options)


def trials(searched: Sweep, seed: str = "seed", integers: frozenset[str] = frozenset()) -> list[dict[str, Any]]:
    strategy = make_strategy(searched, seed, integers)
    found = []
    while (trial := strategy.ask()) is not None:
        strategy.tell(trial, None)
        found.append(dict(trial))
        assert len(found) < 10_000
    assert strategy.ask() is None
    return found


def test_grid_is_every_combination_in_order() -> None:
    expected = [{"lr": lr, "depth": depth} for lr, depth in itertools.product((0.1, 0.01), (4, 6, 8))]
    assert trials(sweep(LR, DEPTH)) == expected
    assert trials(sweep(LR, DEPTH, limit=4)) == expected[:4]


def test_list_goes_row_by_row() -> None:
    rows = trials(sweep(LR, SweepParameter("depth", (4, 6)), strategy="list"))
    assert rows == [{"lr": 0.1, "depth": 4}, {"lr": 0.01, "depth": 6}]
    with pytest.raises(Invalid, match="lr 2, depth 3"):
        trials(sweep(LR, DEPTH, strategy="list"))


def test_random_repeats_with_its_seed_and_stays_inside() -> None:
    searched = sweep(LR, RANGE, WHOLE, strategy="random", limit=40)
    first = trials(searched, "a", frozenset({"n"}))
    assert first == trials(searched, "a", frozenset({"n"}))
    assert first != trials(searched, "b", frozenset({"n"}))
    assert len(first) == 40
    assert {trial["lr"] for trial in first} == {0.1, 0.01}
    assert {trial["n"] for trial in first} == {1, 2, 3}
    assert all(isinstance(trial["n"], int) for trial in first)
    assert all(0.001 <= trial["alpha"] <= 10 for trial in first)
    below = sum(trial["alpha"] < 0.1 for trial in first)  # half of a logarithmic range
    assert 8 <= below <= 32


def test_random_without_limit_draws_ten() -> None:
    assert len(trials(sweep(RANGE, strategy="random"))) == 10


def test_random_draws_no_combination_twice_and_ends_when_all_are_drawn() -> None:
    found = trials(sweep(LR, DEPTH, strategy="random", limit=100))
    assert sorted(found, key=str) == sorted(trials(sweep(LR, DEPTH)), key=str)
    whole = trials(sweep(WHOLE, strategy="random", limit=100), integers=frozenset({"n"}))
    assert sorted(trial["n"] for trial in whole) == [1, 2, 3]


def test_whole_numbers_of_a_logarithmic_range_reach_both_ends() -> None:
    wide = SweepParameter("n", low=1, high=64, log=True)
    drawn = trials(sweep(wide, strategy="random", limit=64), integers=frozenset({"n"}))
    assert {1, 64} <= {trial["n"] for trial in drawn}


@pytest.mark.parametrize(
    ("searched", "message"),
    [
        (sweep(), "at least one parameter"),
        (sweep(RANGE), "needs the values of 'alpha'"),
        (sweep(LR, LR), "'lr' is swept twice"),
        (sweep(SweepParameter("x", low=1.0)), "no values"),
        (sweep(SweepParameter("x", low=2.0, high=1.0), strategy="random"), "empty"),
        (sweep(SweepParameter("x", low=0.0, high=1.0, log=True), strategy="random"), "above 0"),
        (sweep(LR, limit=0), "LIMIT 0"),
        (sweep(LR, parallel=0), "PARALLEL 0"),
    ],
)
def test_what_cannot_be_searched(searched: Sweep, message: str) -> None:
    with pytest.raises(Invalid, match=message):
        make_strategy(searched, "seed")


def test_an_unknown_strategy_names_the_nearest() -> None:
    with pytest.raises(NotFound) as caught:
        make_strategy(sweep(LR, strategy="gird"), "seed")
    assert caught.value.hint == "did you mean grid?"
    assert TUNERS.names() == ["grid", "list", "random", "tpe"]


LISTED = SweepParameter("layers", ([8], [16, 8]))


def test_tpe_finds_the_better_part_and_repeats_with_its_seed() -> None:
    searched = sweep(SweepParameter("x", low=0.0, high=4.0), WHOLE, LISTED, strategy="tpe", limit=50)

    def found(seed: str) -> list[dict[str, Any]]:
        strategy = make_strategy(searched, seed, frozenset({"n"}))
        asked = []
        while (trial := strategy.ask()) is not None:
            asked.append(dict(trial))
            strategy.tell(trial, None if len(asked) == 3 else -((trial["x"] - 3) ** 2) + len(trial["layers"]))
        return asked

    first = found("a")
    assert len(first) == 50 and first == found("a") and first != found("b")
    assert {trial["n"] for trial in first} <= {1, 2, 3}
    later = first[25:]
    assert sum(abs(trial["x"] - 3) < 1 for trial in later) > 0.6 * len(later)  # a half by chance
    assert sum(trial["layers"] == [16, 8] for trial in later) > 0.6 * len(later)


@pytest.mark.parametrize("strategy", ["grid", "list", "random", "tpe"])
def test_a_search_is_taken_up_again(strategy: str) -> None:
    searched = sweep(
        LR, SweepParameter("depth", (4, 6)), LISTED, strategy=strategy, limit=2 if strategy == "list" else 6
    )
    whole = make_strategy(searched, "seed")
    asked = [whole.ask() for _ in range(2)]
    again = make_strategy(searched, "seed")
    for trial in asked:
        assert trial is not None
        again.take_back(trial)
    again.tell(asked[1], 0.5)
    again.tell(asked[0], None)
    rest = []
    while (trial := again.ask()) is not None:
        rest.append(trial)
        again.tell(trial, 0.1)
    assert len(rest) == (0 if strategy == "list" else 4)
    if strategy in ("grid", "random"):
        assert not any(trial in asked for trial in rest)


def test_pruning_ends_the_worse_half() -> None:
    pruning = Pruning("median", "maximize")
    for number in range(6):
        assert not pruning.report(f"good-{number}", 0, 0.8)
        assert not pruning.report(f"good-{number}", 1, 0.9)
        pruning.ended(f"good-{number}", 0.9)
    assert not pruning.report("better", None, 0.85)
    assert pruning.report("worse", None, 0.5)
    assert pruning.last_step("worse") == 0
    assert not pruning.report("worse", 0, 0.5)  # the same step again says nothing new


def test_halving_keeps_the_best_quarter() -> None:
    pruning = Pruning("halving", "minimize")
    verdicts = [pruning.report(f"trial-{number}", 1, float(number)) for number in range(8)]
    assert not verdicts[0] and all(verdicts[2:])


def test_a_rule_that_there_is_not() -> None:
    with pytest.raises(Invalid, match="no rule 'hyper'") as caught:
        Pruning("hyper", "maximize")
    assert caught.value.hint == "PRUNE median or PRUNE halving"


def test_a_sweep_is_kept_whole() -> None:
    searched = sweep(
        LR, RANGE, WHOLE, strategy="random", limit=7, parallel=2, stop_when=Query("auc > 0.9"), prune="median",
        max_errors=3,
    )  # fmt: skip
    assert load_sweep(dump_sweep(searched)) == searched


def test_scores() -> None:
    assert score_of({"auc": 0.5}, "auc") == 0.5
    assert score_of({"auc": float("nan")}, "auc") is None
    assert score_of({"loss": 1.0}, "auc") is None
