"""From clauses and orders to SQLAlchemy expressions that mean the same on SQLite and PostgreSQL.

A clause on an entity is an inner join: a row without the key never meets it, not even with ``!=``. A NaN
is stored as NULL; it meets ``!=`` and no other comparator. LIKE looks at case, ILIKE does not (in ASCII).
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field
from functools import lru_cache
from typing import Any, cast

from sqlalchemy import (
    ColumnElement,
    Double,
    FromClause,
    Select,
    Table,
    and_,
    case,
    exists,
    false,
    func,
    literal,
    literal_column,
    not_,
    or_,
    select,
    true,
)

from ..store import tables
from ..store.engine import Dialect
from .clauses import Clause, Operand
from .fields import Attribute, Entity, Noun
from .order import Order
from .pages import Cursor

__all__ = [
    "MISSING",
    "NOT_A_NUMBER",
    "PRESENT",
    "Condition",
    "SortKey",
    "Translator",
    "after",
    "entity_names",
    "entity_sort_keys",
    "head",
    "joined",
]

Condition = ColumnElement[bool]
Expression = ColumnElement[Any]

PRESENT, NOT_A_NUMBER, MISSING = 0, 1, 2
"""Ranks: in any order, rows with a value come first and rows without last."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "=": operator.eq,
    "!=": operator.ne,
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}
_INT64 = range(-(2**63), 2**63)
_GLOB = str.maketrans({"%": "*", "_": "?", "*": "[*]", "?": "[?]", "[": "[[]"})
_LOWER = {code: code + 32 for code in range(ord("A"), ord("Z") + 1)}


@dataclass(frozen=True)
class SortKey:
    """One term of ORDER BY; without an expression it is ``constant`` in every row."""

    expression: Expression | None
    descending: bool = False
    constant: int | None = None


def entity_names(clauses: Sequence[Clause], orders: Sequence[Order]) -> set[str]:
    """The keys whose numbers a search must know."""
    items: list[Clause | Order] = [*clauses, *orders]
    return {item.key for item in items if isinstance(item.field, Entity) and not item.field.keys}


def head(column: ColumnElement[str]) -> ColumnElement[str]:
    """The part of a text that indexes hold, by which texts are ordered; spelled as the indexes spell it."""
    return func.substr(column, literal_column("1"), literal_column(str(tables.VALUE_HEAD)))


@dataclass(frozen=True)
class Translator:
    """Translates the clauses of one noun.

    Attributes:
        keys: the number of each key that exists; a key that is absent has never been logged.
        narrow: a further condition on the values of an entity, by the entity's name.
    """

    noun: Noun
    dialect: Dialect
    keys: Mapping[str, int]
    narrow: Mapping[str, Callable[[FromClause], Condition]] = field(default_factory=dict)

    @property
    def table(self) -> Table:
        """The noun's own."""
        return tables.metadata.tables[self.noun.table]

    @property
    def row(self) -> ColumnElement[int]:
        """The integer key of the noun's rows."""
        return cast("ColumnElement[int]", self.table.c[self.noun.row])

    def conditions(self, clauses: Sequence[Clause]) -> list[Condition] | None:
        """All must hold; None if no row can meet them, as a key was never logged."""
        found: list[Condition] = []
        for clause in clauses:
            if isinstance(clause.field, Attribute):
                found.append(self._attribute(clause.field, clause))
            elif clause.field.keys or clause.key in self.keys:
                found.append(self._entity(clause.field, clause))
            elif clause.operator != "IS NULL":
                return None
        return found

    def rows(self, clause: Clause) -> Select[Any]:
        """The integer keys of the rows that meet a clause on an entity, from its index."""
        source, matches = self.matches(cast("Entity", clause.field), clause)
        return select(source.c[self.noun.owner]).where(*matches)

    def matches(self, entity: Entity, clause: Clause) -> tuple[FromClause, list[Condition]]:
        """The table of an entity, and what its rows must meet; for a subquery of its own."""
        values = tables.metadata.tables[entity.table]
        if entity.keys:
            return self._dataset_matches(values, clause)
        conditions: list[Condition] = [values.c.key == self.keys[clause.key]]
        if entity.name in self.narrow:
            conditions.append(self.narrow[entity.name](values))
        if not clause.operator.startswith("IS "):
            column = cast("Expression", values.c.value)
            if entity.kind == "number":
                conditions.append(_measure(column, clause))
            else:
                conditions.append(self._text(column, clause.operator, clause.operand, indexed=entity.indexed))
        return values, conditions

    def attribute_sort_keys(self, order: Order) -> list[SortKey]:
        """An attribute of the noun as terms of ORDER BY."""
        attribute = cast("Attribute", order.field)
        column: Expression = self.table.c[attribute.column]
        if attribute.spellings:
            column = case(dict(attribute.spellings[0]), value=column)
        elif attribute.kind == "text":
            column = head(column)
        value = SortKey(column, order.descending)
        if not attribute.nullable:
            return [value]
        return [SortKey(case((column.is_(None), MISSING), else_=PRESENT)), value]

    def _entity(self, field: Entity, clause: Clause) -> Condition:
        source, matches = self.matches(field, clause)
        found = exists(
            select(literal_column("1"))
            .select_from(source)
            .where(source.c[self.noun.owner] == self.row, *matches)
            .correlate(self.table)
        )
        return not_(found) if clause.operator == "IS NULL" else found

    def _dataset_matches(self, inputs: FromClause, clause: Clause) -> tuple[FromClause, list[Condition]]:
        """Datasets are entities whose keys are columns of two joined tables."""
        if clause.key == "context":
            return inputs, [self._text(inputs.c.context, clause.operator, clause.operand)]
        datasets = tables.datasets
        chosen = (
            select(datasets.c.id)
            .where(self._text(datasets.c[clause.key], clause.operator, clause.operand))
            .where(datasets.c.id == inputs.c.dataset)
            .correlate(inputs)
        )
        return inputs, [exists(chosen)]

    def _attribute(self, field: Attribute, clause: Clause) -> Condition:
        column = cast("Expression", self.table.c[field.column])
        if field.kind == "text":
            forms: list[Expression] = [case(dict(names), value=column) for names in field.spellings]
            tests = [self._text(form, clause.operator, clause.operand) for form in forms or [column]]
            return and_(*tests) if clause.operator in {"!=", "NOT IN"} else or_(*tests)
        if clause.operator in {"IN", "NOT IN"}:
            return _membership(column, clause.operator, clause.operand)
        return _number(column, clause.operator, cast("float", clause.operand))

    def _text(self, column: Expression, name: str, operand: Operand, indexed: bool = False) -> Condition:
        if name in {"IN", "NOT IN"}:
            return _membership(column, name, operand)
        text = str(operand)
        if name == "=" and indexed:
            start = head(column) == text[: tables.VALUE_HEAD]
            return start if len(text) < tables.VALUE_HEAD else and_(start, column == text)
        if name in _COMPARE:
            return cast("Condition", _COMPARE[name](column, text))
        if name == "ILIKE":
            column, text = func.lower(column), text.translate(_LOWER)
        if self.dialect == "sqlite":  # GLOB, as the case of LIKE depends on a setting of the connection
            return cast("Condition", column.op("GLOB", is_comparison=True)(text.translate(_GLOB)))
        return column.like(text.replace("\\", "\\\\"))  # a backslash is a character like others


def _membership(column: Expression, name: str, operand: Operand) -> Condition:
    values = cast("Collection[Any]", operand)
    return column.in_(values) if name == "IN" else column.not_in(values)


def _measure(column: Expression, clause: Clause) -> Condition:
    """A metric's value, which is NULL where it is NaN."""
    compared = _number(column, clause.operator, cast("float", clause.operand))
    return or_(compared, column.is_(None)) if clause.operator == "!=" else compared


def _number(column: Expression, name: str, operand: float) -> Condition:
    fits = isinstance(operand, int) and operand in _INT64
    value = operand if fits else literal(float(operand), Double)
    return cast("Condition", _COMPARE[name](column, value))


@lru_cache(maxsize=256)
def joined(table: str, place: int) -> FromClause:
    """A table under the name that it has where rows are joined to it for the order's item ``place``."""
    return tables.metadata.tables[table].alias(f"order_{place}")


def entity_sort_keys(values: FromClause, field: Entity, descending: bool) -> list[SortKey]:
    """A joined entity, perhaps missing, as terms of ORDER BY: its rank and its value."""
    missing = (values.c.key.is_(None), MISSING)
    if field.kind == "number":
        rank = case(missing, (values.c.value.is_(None), NOT_A_NUMBER), else_=PRESENT)
        return [SortKey(rank), SortKey(values.c.value, descending)]
    return [SortKey(case(missing, else_=PRESENT)), SortKey(head(values.c.value), descending)]


def after(keys: Sequence[SortKey], cursor: Cursor) -> Condition:
    """The rows that come after the one whose values under ``keys`` are ``cursor``.

    A value that is None stands under a rank that says so: where the ranks are equal, so are these. A key
    that has neither expression nor constant stands under a rank where all rows are without value.
    """
    condition: Condition = false()
    for key, value in reversed(list(zip(keys, cursor, strict=True))):
        if value is None:
            continue
        if key.expression is None:
            if key.constant is not None and key.constant != value:
                condition = true() if key.constant > cast("int", value) else false()
            continue
        beyond = (key.expression < value) if key.descending else (key.expression > value)
        condition = or_(beyond, and_(key.expression == value, condition))
    return and_(_seek(keys, cursor), condition)


def _seek(keys: Sequence[SortKey], cursor: Cursor) -> Condition:
    """What ``after`` implies for the first key that varies, said so that an index can start there."""
    for key, value in zip(keys, cursor, strict=True):
        if key.expression is not None:
            if value is None:
                return true()
            return key.expression <= value if key.descending else key.expression >= value
        if key.constant != value:
            return true()
    return true()
