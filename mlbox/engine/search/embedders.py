"""What makes vectors of texts: ONNX models of the registry, fed with texts or with tokens, and user functions."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

from mlbox.base.errors import Conflict, Invalid
from mlbox.base.names import Ref

if TYPE_CHECKING:
    from mlbox.engine.models.service import Models
    from mlbox.engine.models.sessions import OnnxSession

BATCH = 64
"""Texts that a model is given at once."""
LONGEST = 512
"""Tokens of a text that a model sees, where its tokenizer does not say."""


class Embedder(Protocol):
    """Makes vectors. ``label`` changes whenever its vectors may."""

    label: str

    def embed(self, texts: Sequence[str]) -> Any:
        """Vectors of finite float32, ``[len(texts), d]``; raises ``Invalid``."""
        ...


class EmbeddingFunctions(Protocol):
    """Who runs user functions that make vectors."""

    def foresee(self, ref: Ref) -> str:
        """The label of a function that can be asked; raises an ``MlboxError``. Starts nothing."""
        ...

    def embedder(self, ref: Ref) -> Embedder:
        """A function, ready to be asked; what it starts is shared by all who ask for the same."""
        ...


class ModelEmbedder:
    """A version of a model. The mean of the tokens' vectors is taken where it gives one a token, at length 1
    (Reimers and Gurevych, Sentence-BERT, 2019); one vector a text is taken as it is."""

    def __init__(self, models: Models, ref: Ref, tokenizer: str | None) -> None:
        """Raises ``Invalid`` when the model takes neither a text nor tokens."""
        version = models.resolve(ref)
        self.label = f"model {version}"
        self._session: OnnxSession = models.session_of(version)
        self._inputs = self._session.signature.inputs
        self._tokenizer: Any = None
        if self._session.signature.layout == "tokens":
            self._tokenizer = _tokenizer(ref, tokenizer)
        elif len(self._inputs) != 1 or self._inputs[0].element != "string":
            raise Invalid(
                f"model {ref} takes {', '.join(f'{one.name} {one.sql_type}' for one in self._inputs)}, no text",
                hint="an embedding model takes one input of texts, or input_ids and attention_mask",
            )

    def embed(self, texts: Sequence[str]) -> Any:
        """In batches."""
        import numpy

        found = [self._some(texts[start : start + BATCH]) for start in range(0, len(texts), BATCH)]
        vectors: Any = numpy.concatenate(found) if found else numpy.empty((0, 0), numpy.float32)
        if not numpy.isfinite(vectors).all():
            raise Invalid(f"{self.label} gave a vector with a number that is not finite")
        return vectors

    def _some(self, texts: Sequence[str]) -> Any:
        import numpy

        if self._tokenizer is None:
            (only,) = self._inputs
            given: Any = numpy.array(list(texts), dtype=object)
            feeds = {only.name: given.reshape(-1, 1) if len(only.shape) == 2 else given}
            return self._checked(self._session.run(feeds)[0], len(texts))
        encoded = self._tokenizer.encode_batch(list(texts))
        masks = numpy.array([one.attention_mask for one in encoded], numpy.int64)
        known = {
            "input_ids": numpy.array([one.ids for one in encoded], numpy.int64),
            "attention_mask": masks,
            "token_type_ids": numpy.array([one.type_ids for one in encoded], numpy.int64),
            "position_ids": numpy.tile(numpy.arange(masks.shape[1]), (len(texts), 1)),
        }
        output: Any = self._session.run({one.name: known[one.name].astype(one.numpy) for one in self._inputs})[0]
        if output.ndim == 3:
            weights = masks[:, :, None].astype(numpy.float32)
            output = (output * weights).sum(axis=1) / numpy.maximum(weights.sum(axis=1), 1e-9)
            output /= numpy.maximum(numpy.linalg.norm(output, axis=1, keepdims=True), 1e-12)
        return self._checked(output, len(texts))

    def _checked(self, output: Any, count: int) -> Any:
        if getattr(output, "ndim", 0) != 2 or output.shape[0] != count or output.dtype.kind != "f":
            shape = "x".join(map(str, getattr(output, "shape", ("?",))))
            raise Invalid(
                f"{self.label} gave {shape} for {count} texts", hint="an embedding model gives one vector a text"
            )
        return output.astype("float32")


def _tokenizer(ref: Ref, content: str | None) -> Any:
    if content is None:
        raise Invalid(
            f"model {ref} takes tokens, and CREATE COLLECTION names no tokenizer",
            hint="add TOKENIZER 'tokenizer.json', the file beside the model",
        )
    try:
        from tokenizers import Tokenizer
    except ImportError:
        raise Conflict("tokens need the library tokenizers", hint="pip install 'mlbox[vectors]'") from None
    try:
        found = Tokenizer.from_str(content)
    except Exception as error:  # the library raises Exception itself
        raise Invalid(f"the tokenizer cannot be read: {error}", hint="give the model's tokenizer.json") from None
    longest = (found.truncation or {}).get("max_length", LONGEST)
    found.enable_truncation(max_length=longest)
    found.enable_padding()
    return found
