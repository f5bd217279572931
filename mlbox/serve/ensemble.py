"""What several models make together of one request."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from functools import cache, partial
from typing import TYPE_CHECKING, Any

from mlbox.base import processors
from mlbox.base.errors import Invalid, MlboxError, Unavailable
from mlbox.base.telemetry import carried

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


def combine(kind: str, arms: Sequence[Arm], answers: Sequence[Answer]) -> Any:
    """One prediction a row: mean, weighted mean, or vote. A vote of classifiers of two classes counts those that say
    at least 0.5, of more classes the most frequent class; a vote of regressors is their mean."""
    import numpy as np

    votes = np.stack([answer.prediction for answer in answers])
    if kind == "weighted":
        weights = np.array([arm.weight for arm in arms])
        return weights @ votes / weights.sum()
    if kind != "vote" or not all(map(classifies, arms, answers)):
        return votes.mean(axis=0)
    if ((votes < 0) | (votes > 1)).any():
        return np.array([_most_frequent(column) for column in votes.T])
    share = (votes >= 0.5).mean(axis=0)
    return np.where(share == 0.5, votes.mean(axis=0) >= 0.5, share > 0.5).astype(np.float64)


def classifies(arm: Arm, answer: Answer) -> bool:
    """Whether a member chooses among classes."""
    return bool(arm.predictor.classifies) or "probabilities" in answer.outputs


def _most_frequent(values: Any) -> float:
    """Of classes that are as frequent, the least."""
    import numpy as np

    classes, counts = np.unique(values, return_counts=True)
    return float(classes[counts.argmax()])


def member_columns(arms: Sequence[Arm], answers: Sequence[Answer], features: Sequence[str]) -> Mapping[str, Any]:
    """What the members said, as the features of the model that ends a stack: by the member's name, else in order."""
    named: dict[str, Any] = {}
    for arm, answer in zip(arms, answers, strict=True):
        named.setdefault(arm.model.lower(), answer.prediction)
        named[arm.label.lower()] = answer.prediction
    if all(name.lower() in named for name in features):
        return {name: named[name.lower()] for name in features}
    return {name: answer.prediction for name, answer in zip(features, answers, strict=True)}


def check_numbers(arms: Sequence[Arm]) -> None:
    """Raise ``Invalid`` when a member gives tensors only: what is combined is a number for each row."""
    for arm in arms:
        if not arm.predictor.numbered:
            raise Invalid(
                f"{arm.label} gives no number for each row, which an ensemble combines",
                hint="serve it alone or by TRAFFIC, or combine its tensors in a graph or a class: USING FUNCTION",
            )


def check_stack(arms: Sequence[Arm], meta: Arm) -> None:
    """Raise ``Invalid`` when the model that ends a stack does not take one feature for each member."""
    wanted = meta.predictor.features
    if len(wanted) != len(arms):
        labels = ", ".join(arm.label for arm in arms)
        raise Invalid(
            f"{meta.label} takes {len(wanted)} features, and the stack has {len(arms)} members",
            hint=f"it must take the prediction of each of {labels}, by the model's name or in this order",
        )
