"""What a collection is, as a value that is kept as text and read back."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, replace
from typing import Any, Literal

from mlbox.base.command import Query
from mlbox.base.names import Ref
from mlbox.engine.catalog.tables.collections import CollectionRow
from mlbox.engine.search.commands import CreateCollection, Metric, Split
from mlbox.engine.search.shape import Shape

KEY, PART, HASH, TEXT, VECTOR = "_key", "_part", "_hash", "_text", "_vector"
"""Columns of a collection's table beside those of its query."""


@dataclass(frozen=True, slots=True)
class Collection:
    """A collection. ``columns`` are name and type of what a search gives back: those of the query, in its order,
    without the vector."""

    project: str
    name: str
    body: str
    key: tuple[str, ...]
    columns: tuple[tuple[str, str], ...]
    text: str | None = None
    vector: str | None = None
    embed: Ref | None = None
    embed_kind: Literal["model", "function"] = "model"
    tokenizer: str | None = None
    """Content of the model's ``tokenizer.json``."""
    split: Split | None = None
    metric: Metric = "cosine"
    comment: str | None = None

    @property
    def ref(self) -> Ref:
        """Its reference."""
        return Ref(self.project, self.name)

    @property
    def has_vectors(self) -> bool:
        """Whether it is searched by vectors too."""
        return self.vector is not None or self.embed is not None

    def to_command(self) -> CreateCollection:
        """The command that makes it; the tokenizer's content is not in it."""
        return CreateCollection(
            ref=self.ref,
            query=Query(self.body),
            key=self.key,
            text=self.text,
            vector=self.vector,
            embed=self.embed,
            embed_kind=self.embed_kind,
            tokenizer="tokenizer.json" if self.tokenizer else None,
            split=self.split,
            metric=self.metric,
            comment=self.comment,
        )

    def moved_to(self, project: str) -> Collection:
        """The same in another project, with a model of its own project found there."""
        embed = self.embed
        if embed is not None and embed.project == self.project:
            embed = Ref(project, embed.name, embed.version)
        return replace(self, project=project, embed=embed)

    def to_text(self) -> str:
        """As JSON."""
        body: dict[str, Any] = asdict(self)
        body["embed"] = _parts(self.embed)
        return json.dumps(body)

    @classmethod
    def from_text(cls, text: str) -> Collection:
        """Back from JSON."""
        body = json.loads(text)
        body["key"] = tuple(body["key"])
        body["columns"] = tuple((name, kind) for name, kind in body["columns"])
        body["embed"] = Ref(*body["embed"]) if body["embed"] else None
        body["split"] = Split(**body["split"]) if body["split"] else None
        return cls(**body)


@dataclass(frozen=True, slots=True)
class State:
    """A collection and how it stands: the row of the catalog."""

    collection: Collection
    row: CollectionRow

    @classmethod
    def of(cls, row: CollectionRow) -> State:
        """From the catalog."""
        return cls(Collection.from_text(row.definition), row)

    def moved(self, **changes: Any) -> State:
        """With other values in its row."""
        return State(self.collection, replace(self.row, **changes))


def _parts(ref: Ref | None) -> list[str | None] | None:
    return [ref.project, ref.name, ref.version] if ref else None


def collection_of(command: CreateCollection, shape: Shape, tokenizer: str | None) -> Collection:
    """The definition that a command asks for."""
    return Collection(
        project=command.ref.project,
        name=command.ref.name,
        body=command.query.text,
        key=shape.key,
        columns=shape.columns,
        text=shape.text,
        vector=shape.vector,
        embed=command.embed,
        embed_kind=command.embed_kind,
        tokenizer=tokenizer,
        split=command.split,
        metric=command.metric,
        comment=command.comment,
    )
