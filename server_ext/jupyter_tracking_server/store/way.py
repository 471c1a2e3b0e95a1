"""A way to rows: what a search of any noun runs once it knows where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import ColumnElement, FromClause, select

from ..search.pages import Cursor
from ..search.to_sql import Condition, SortKey, after
from .database import Transaction

__all__ = ["Found", "Way"]

Found = list[tuple[int, Cursor]]
"""The integer key of each row, and the cursor that continues after it."""


KEPT = 16
"""Conditions and sort keys of a statement whose compiled form is kept: a big one takes megabytes."""


@dataclass(frozen=True)
class Way:
    """A FROM clause with what its rows must meet and how they are sorted; ``row`` is their integer key."""

    row: ColumnElement[int]
    source: FromClause
    conditions: Sequence[Condition]
    keys: Sequence[SortKey]

    def page(self, tx: Transaction, cursor: Cursor | None, limit: int) -> Found:
        """The first rows after the cursor, at most ``limit``."""
        shown = [
            None if key.expression is None else key.expression.label(f"key{index}")
            for index, key in enumerate(self.keys)
        ]
        columns = [column for column in shown if column is not None]
        order = [
            column.desc() if key.descending else column.asc()
            for key, column in zip(self.keys, shown, strict=True)
            if column is not None
        ]
        conditions = self.conditions if cursor is None else [*self.conditions, after(self.keys, cursor)]
        statement = select(self.row, *columns).select_from(self.source).where(*conditions)
        kept = len(conditions) + len(self.keys) <= KEPT
        found = tx.connection.execute(
            statement.order_by(*order).limit(limit),
            execution_options={} if kept else {"compiled_cache": None},
        )
        return [(row[0], self._cursor(row[1:])) for row in found.all()]

    def _cursor(self, values: Sequence[Any]) -> Cursor:
        rest = iter(values)
        return tuple(key.constant if key.expression is None else next(rest) for key in self.keys)
