"""One file a noun: the grammar of its statements, their help and their examples. See ``mlbox/sql/grammar.py``."""

from __future__ import annotations

from mlbox.sql.grammar import REGISTRY, StatementSyntax

__all__ = ["REGISTRY", "StatementSyntax"]
