"""What several models make together of one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial, reduce
from operator import add
from typing import TYPE_CHECKING, Any

import msgspec

from mlbox.base import processors
from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.base.telemetry import carried
from mlbox.serve import ensemble_tensors as tensors
from mlbox.serve.imputing import Seen
from mlbox.serve.python.errors import CodeFailed

if TYPE_CHECKING:
    from mlbox.engine.catalog.tables.endpoints import EndpointRow
    from mlbox.serve.endpoint import Answer, Arm

POLICIES = ("fail", "skip")
"""What is done about a member that fails: the request fails, or the others answer without it."""


GAIN_SECONDS = 0.0003
"""What must be saved for members to be computed at the same time; to hand one to a thread takes some tenths of that."""


def saved(seconds: Sequence[float], cores: int) -> float:
    """What it saves to compute members at the same time that take ``seconds`` each; nothing on one core."""
    return sum(seconds) - max(max(seconds), sum(seconds) / cores)


def alike(arms: Sequence[Arm]) -> dict[int, int]:
    """By the identity of a member that takes a matrix, a number that members have in common which are fed the same."""
    found: dict[tuple[Any, ...], int] = {}
    numbers = {}
    for arm in arms:
        if arm.predictor.matrix:
            key = (arm.predictor.features, arm.tensor, arm.impute, arm.predictor.tensors[0].element_type)
            numbers[id(arm)] = found.setdefault(key, len(found))
    return numbers


def ask(arms: Sequence[Arm], answer: Callable[[Arm], Answer], *, together: bool) -> list[Answer | MlboxError]:
    """What each member says; ``together`` in threads, since the models leave the interpreter to others."""

    def one(arm: Arm) -> Answer | MlboxError:
        try:
            return answer(arm)
        except MlboxError as error:
            return error

    if not together:
        return [one(arm) for arm in arms]
    others = [_threads().submit(carried(partial(one, arm))) for arm in arms[1:]]
    return [one(arms[0]), *(other.result() for other in others)]


@cache
def _threads() -> ThreadPoolExecutor:
    return ThreadPoolExecutor(processors.usable(), thread_name_prefix="members")


def present(
    row: EndpointRow, arms: Sequence[Arm], answers: Sequence[Answer | MlboxError]
) -> tuple[list[Arm], list[Answer], list[str]]:
    """Members that have answered, what they said, and who has not. Raises what failed when the policy says so."""
    kept: list[Arm] = []
    said: list[Answer] = []
    failed: list[str] = []
    for arm, answer in zip(arms, answers, strict=True):
        if not isinstance(answer, MlboxError):
            kept.append(arm)
            said.append(answer)
        elif row.options.get("on_member_error") != "skip" or isinstance(answer, Invalid):
            raise answer  # a wrong request is wrong for all members
        else:
            failed.append(arm.label)
            last = answer
    if not said:
        raise Unavailable(f"no member of the ensemble has answered: {last.message}", hint=last.hint)
    return kept, said, failed


def join(
    kind: str, arms: Sequence[Arm], answers: Sequence[Answer], failed: Sequence[str], prediction: Any = None
) -> Answer:
    """The answer of all members, with what each has said: a number for each row (that of the model that ends a stack
    is given), or the averages of tensors."""
    alone = kind in ("mean", "weighted") and [tensors.only_tensors(answer) for answer in answers]
    if alone and all(alone):
        weights = [arm.weight for arm in arms] if kind == "weighted" else None
        return _joined(arms, answers, failed, answers[0].prediction, tensors.average(arms, answers, weights))
    if alone and any(alone):
        odd, other = arms[alone.index(True)], arms[alone.index(False)]
        raise CodeFailed(f"{odd.label} gives tensors only, and {other.label} a number for each row")
    if kind == "vote":
        answers = [_voting(arm, answer) for arm, answer in zip(arms, answers, strict=True)]
    if prediction is None:
        prediction = combine(kind, arms, answers)
    members = {arm.label: answer.prediction for arm, answer in zip(arms, answers, strict=True)}
    return _joined(arms, answers, failed, prediction, {"prediction": prediction, **members})


def _joined(
    arms: Sequence[Arm], answers: Sequence[Answer], failed: Sequence[str], prediction: Any, outputs: dict[str, Any]
) -> Answer:
    absent = sorted({name for answer in answers for name in answer.seen.missing})
    first = answers[0].seen
    seen = Seen(first.names, first.values, absent, tuple(failed))
    return type(answers[0])("+".join(arm.label for arm in arms), None, prediction, outputs, seen)


def _voting(arm: Arm, answer: Answer) -> Answer:
    """A member's answer with its class as the prediction, where it has given scores alone."""
    vote = tensors.vote_of(arm, answer)
    return answer if vote is None else msgspec.structs.replace(answer, prediction=vote)


def combine(kind: str, arms: Sequence[Arm], answers: Sequence[Answer]) -> Any:
    """One prediction a row: mean, weighted mean, or vote. A vote of classifiers of two classes counts those that say
    at least 0.5, of more classes the most frequent class; a vote of regressors is their mean. NaN is no vote."""
    import numpy as np

    given = [answer.prediction for answer in answers]
    if kind == "mean":  # in a third of the time of numpy's, which is meant for more than a few
        return reduce(add, given) / len(given)
    votes = np.stack(given)
    if kind == "weighted":
        weights = np.array([arm.weight for arm in arms])
        return weights @ votes / weights.sum()
    if kind != "vote" or not all(map(classifies, arms, answers)):
        return votes.mean(axis=0)
    classes = max(map(_classes, arms, answers))
    there = ~np.isnan(votes)
    if classes > 2 or ((votes < 0) | (votes > 1)).any():
        return np.array([_most_frequent(column) for column in votes.T])
    with np.errstate(invalid="ignore"):
        share = (votes >= 0.5).sum(axis=0) / there.sum(axis=0)
        mean = np.where(there, votes, 0).sum(axis=0) / there.sum(axis=0)
    found = np.where(share == 0.5, mean >= 0.5, share > 0.5).astype(np.float64)
    return np.where(there.any(axis=0), found, np.nan)


def classifies(arm: Arm, answer: Answer) -> bool:
    """Whether a member chooses among classes."""
    if arm.predictor.classifies or "probabilities" in answer.outputs:
        return True
    return tensors.scores_of(arm, answer) is not None


def _classes(arm: Arm, answer: Answer) -> int:
    """How many classes a member tells scores of; 0 where it tells none."""
    scores = tensors.scores_of(arm, answer)
    if scores is None:
        name = getattr(arm.predictor, "chosen", "probabilities")
        scores = answer.outputs.get(name)
    return int(scores.shape[1]) if scores is not None and scores.ndim == 2 else 0


def _most_frequent(values: Any) -> float:
    """Of classes that are as frequent, the least; NaN where nobody votes."""
    import numpy as np

    classes, counts = np.unique(values[~np.isnan(values)], return_counts=True)
    return float(classes[counts.argmax()]) if len(classes) else float("nan")


def member_columns(arms: Sequence[Arm], answers: Sequence[Answer], features: Sequence[str]) -> Mapping[str, Any]:
    """What the members said, as the features of the model that ends a stack: by the member's name, else in order."""
    named: dict[str, Any] = {}
    for arm, answer in zip(arms, answers, strict=True):
        named.setdefault(arm.model.lower(), answer.prediction)
        named[arm.label.lower()] = answer.prediction
    if all(name.lower() in named for name in features):
        return {name: named[name.lower()] for name in features}
    return {name: answer.prediction for name, answer in zip(features, answers, strict=True)}


def check_stack(arms: Sequence[Arm], meta: Arm) -> None:
    """Raise ``Invalid`` when the model that ends a stack does not take one feature for each member."""
    wanted = meta.predictor.features
    if len(wanted) != len(arms):
        labels = ", ".join(arm.label for arm in arms)
        raise Invalid(
            f"{meta.label} takes {len(wanted)} features, and the stack has {len(arms)} members",
            hint=f"it must take the prediction of each of {labels}, by the model's name or in this order",
        )
