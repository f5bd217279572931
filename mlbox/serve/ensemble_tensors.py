"""Ensembles of models that give tensors: averages element by element, and votes of their class scores."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from mlbox.base.errors import Invalid
from mlbox.serve.python.errors import CodeFailed

if TYPE_CHECKING:
    from mlbox.engine.models.signature import Tensor
    from mlbox.serve.endpoint import Answer, Arm


def check(kind: str, arms: Sequence[Arm]) -> None:
    """Raise ``Invalid`` that names the tensor and the member when what members tell of their outputs cannot be
    combined. Code that tells nothing of its outputs is checked when it answers."""
    told = [arm for arm in arms if arm.predictor.outputs]
    tensors = [arm for arm in told if not arm.predictor.numbered]
    if kind == "vote":
        _check_votes(told)
    elif tensors and kind == "stack":
        raise Invalid(
            f"{tensors[0].label} gives tensors, and the model that ends a stack takes a number of each member",
            hint="ENSEMBLE MEAN or WEIGHTED average tensors; a class (USING FUNCTION) or a graph can do anything",
        )
    elif tensors:
        _check_alike(told)


def averages(kind: str, arms: Sequence[Arm]) -> bool:
    """Whether an ensemble answers with averaged tensors, as far as its members tell."""
    return kind in ("mean", "weighted") and not any(arm.predictor.numbered for arm in arms)


def averaged_outputs(arms: Sequence[Arm]) -> list[tuple[str, str, list[int]]]:
    """Name, datatype and shape of each averaged tensor; a size that one member fixes is fixed."""
    found = []
    others = [_outputs(arm) for arm in arms]
    for name, tensor in others[0].items():
        shape = list(tensor.protocol_shape)
        for other in others[1:]:
            shape = [a if a > 0 else b for a, b in zip(shape, other[name].protocol_shape, strict=True)]
        found.append((name, tensor.datatype if tensor.floating else "FP64", shape))
    return found


def only_tensors(answer: Answer) -> bool:
    """Whether a member gives no number for each row, but tensors."""
    import numpy as np

    said: Any = answer.outputs.get("prediction")
    if said is not answer.prediction:
        return True
    if len(said) and said[0] == said[0]:  # the usual case, told without a look at all
        return False
    others = (values for values in answer.outputs.values() if values is not said)
    return bool(np.isnan(said).all()) and any(values.ndim > 1 for values in others)


def average(arms: Sequence[Arm], answers: Sequence[Answer], weights: Sequence[float] | None) -> dict[str, Any]:
    """Tensors of the members by name, averaged element by element: floats keep their type, of whole numbers and
    booleans it is float64. Raises ``CodeFailed`` that names a tensor that members do not have alike."""
    total = float(sum(weights)) if weights else float(len(answers))
    spread = [weight / total for weight in weights] if weights else [1 / total] * len(answers)
    tensors = [_tensors(answer) for answer in answers]
    for arm, other in zip(arms[1:], tensors[1:], strict=True):
        for name in sorted(tensors[0].keys() ^ other.keys()):
            has, lacks = (arms[0], arm) if name in tensors[0] else (arm, arms[0])
            raise CodeFailed(f"{has.label} gives a tensor {name!r}, and {lacks.label} does not")
        for name, values in other.items():
            _check_tensor(name, arms[0], tensors[0][name], arm, values)
    return {name: _weighed([each[name] for each in tensors], spread, name, arms[0]) for name in tensors[0]}


def vote_of(arm: Arm, answer: Answer) -> Any:
    """The class that a member gives each row by its scores ``[n, classes]``, as float64, NaN where no score is a
    number; ``None`` for a member that says its class, its probability or its number by itself."""
    import numpy as np

    scores = scores_of(arm, answer)
    if scores is None:
        if only_tensors(answer):
            raise CodeFailed(f"{arm.label} gives neither a class for each row nor scores [n, classes] to vote with")
        return None
    gaps = np.isnan(scores)
    chosen = np.where(gaps, -np.inf, scores).argmax(axis=1).astype(np.float64)
    chosen[gaps.all(axis=1)] = np.nan
    return chosen


def scores_of(arm: Arm, answer: Answer) -> Any:
    """Scores of classes ``[n, classes]`` of a member that does not choose among them itself."""
    alone = only_tensors(answer)
    if not alone and (arm.predictor.classifies or not arm.predictor.outputs):
        return None
    chosen = getattr(arm.predictor, "chosen", None)
    names = sorted(answer.outputs, key=lambda name: name != chosen) if alone else [chosen] if chosen else []
    for name in names:
        values = answer.outputs[name]
        if values.ndim == 2 and values.shape[1] > 1 and values.dtype.kind == "f":
            return values
    return None


def _outputs(arm: Arm) -> dict[str, Tensor]:
    predictor = arm.predictor
    return dict(zip(predictor.output_names, predictor.outputs, strict=True))


def _check_votes(arms: Sequence[Arm]) -> None:
    widths: dict[str, int] = {}
    for arm in arms:
        predictor = arm.predictor
        chosen = getattr(predictor, "chosen", None)
        if predictor.numbered and (predictor.classifies or chosen is None):
            continue
        outputs = _outputs(arm)
        names = [name for name, tensor in outputs.items() if _scores(tensor)]
        if predictor.numbered:
            names = [name for name in names if name == chosen]
        elif not names:
            told = ", ".join(f"{name} {tensor.datatype} {tensor.protocol_shape}" for name, tensor in outputs.items())
            raise Invalid(
                f"{arm.label} gives {told}, which is no vote for a class",
                hint="members vote with a label, or with scores [n, classes]; MEAN and WEIGHTED average tensors",
            )
        for name in names[:1]:
            if width := outputs[name].shape[1]:
                widths[f"{arm.label} scores {{}} classes in {name!r}"] = width
    if len(set(widths.values())) > 1:
        raise Invalid(
            "; ".join(text.format(width) for text, width in widths.items()), hint="all must know the same classes"
        )


def _scores(tensor: Tensor) -> bool:
    return tensor.floating and len(tensor.shape) == 2 and tensor.shape[1] != 1


def _check_alike(arms: Sequence[Arm]) -> None:
    """Names, types and known sizes of what ONNX members give."""
    first, mine = arms[0], _outputs(arms[0])
    for name, tensor in mine.items():
        if tensor.element == "string" or tensor.key:
            raise Invalid(
                f"output {name!r} of {first.label} is of texts, which have no mean",
                hint="export the model without it, or combine them in a class: USING FUNCTION",
            )
    for arm in arms[1:]:
        if arm.predictor.numbered is not first.predictor.numbered:
            numbers, other = (arm, first) if arm.predictor.numbered else (first, arm)
            raise Invalid(
                f"{numbers.label} gives a number for each row, and {other.label} tensors only "
                f"({', '.join(map(repr, _outputs(other)))}): an ensemble combines what is alike"
            )
        theirs = _outputs(arm)
        for name in [*mine, *theirs]:
            if name not in theirs or name not in mine:
                has, lacks = (first, arm) if name in mine else (arm, first)
                raise Invalid(
                    f"{has.label} gives a tensor {name!r}, and {lacks.label} does not",
                    hint="name the outputs alike: CREATE MODEL .. OUTPUT (..)",
                )
            _check_pair(name, (first, mine[name]), (arm, theirs[name]))


def _check_pair(name: str, one: tuple[Arm, Tensor], two: tuple[Arm, Tensor]) -> None:
    (arm, mine), (other, theirs) = one, two
    fits = len(mine.shape) == len(theirs.shape) and all(
        None in (a, b) or a == b for a, b in zip(mine.shape, theirs.shape, strict=True)
    )
    if mine.element != theirs.element or not fits:
        raise Invalid(
            f"tensor {name!r} is {mine.datatype} {mine.protocol_shape} of {arm.label}, "
            f"and {theirs.datatype} {theirs.protocol_shape} of {other.label}: an ensemble averages what is alike"
        )


def _tensors(answer: Answer) -> dict[str, Any]:
    said = answer.prediction
    return {name: values for name, values in answer.outputs.items() if values is not said}


def _check_tensor(name: str, first: Arm, mine: Any, arm: Arm, theirs: Any) -> None:
    if mine.shape != theirs.shape or mine.dtype != theirs.dtype:
        raise CodeFailed(
            f"tensor {name!r} is {mine.dtype} {list(mine.shape)} of {first.label}, "
            f"and {theirs.dtype} {list(theirs.shape)} of {arm.label}: an ensemble averages what is alike"
        )


def _weighed(values: Sequence[Any], weights: Sequence[float], name: str, arm: Arm) -> Any:
    import numpy as np

    kind = values[0].dtype.kind
    if kind not in "fiub":
        raise CodeFailed(f"tensor {name!r} of {arm.label} is of texts, which have no mean")
    total = np.zeros(values[0].shape, np.float64)
    for each, weight in zip(values, weights, strict=True):
        total += each * np.float64(weight)
    return total.astype(values[0].dtype) if kind == "f" else total
