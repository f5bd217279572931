"""VERIFY FEATURE SET and VERIFY FEATURE VECTOR."""

from __future__ import annotations

from typing import Literal

from mlbox.engine.features.commands import VerifyFeatures
from mlbox.sql import values
from mlbox.sql.grammar import StatementSyntax, statement
from mlbox.sql.parser import Cursor, finish
from mlbox.sql.references import reference
from mlbox.sql.writing import Writer, line


def _verify(cursor: Cursor) -> VerifyFeatures:
    cursor.expect("VERIFY", "FEATURE")
    kind: Literal["feature set", "feature vector"] = "feature vector" if cursor.at("VECTOR") else "feature set"
    cursor.advance()
    ref = reference(cursor, kind)
    sample = values.positive(cursor, "SAMPLE") if cursor.accept("SAMPLE") else VerifyFeatures.sample
    finish(cursor, "VERIFY")
    return VerifyFeatures(kind=kind, ref=ref, sample=sample)


def _print(command: VerifyFeatures, write: Writer) -> str:
    sample = f"SAMPLE {command.sample}" if command.sample != VerifyFeatures.sample else ""
    return line(f"VERIFY {command.kind.upper()}", write.ref(command.ref), sample)


statement(
    StatementSyntax(
        name="VERIFY",
        summary="Compare what the offline and the online store say of a sample of entities; a row for each difference.",
        syntax="VERIFY {FEATURE SET name | FEATURE VECTOR name} [SAMPLE n]",
        examples=("VERIFY FEATURE VECTOR v", "VERIFY FEATURE SET customers SAMPLE 100000"),
        starts=(("VERIFY", "FEATURE", "SET"), ("VERIFY", "FEATURE", "VECTOR")),
        parse=_verify,
        prints={VerifyFeatures: _print},
    )
)
