"""order_by items checked against a noun, with the ties that make every order total."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from jupyter_tracking.protocol.errors import InvalidParameterValue

from .clauses import resolve
from .fields import Entity, Field, Noun
from .parse import parse_order

__all__ = ["Order", "orders", "with_ties"]

ORDERS = 32
"""Items of one order_by; each may cost a join, of which SQLite takes 64 in a statement."""


@dataclass(frozen=True, slots=True)
class Order:
    """Rows by one field: those with a value, then NaN, then those without, whichever the direction."""

    field: Field
    key: str
    descending: bool


def orders(noun: Noun, texts: Sequence[str]) -> tuple[Order, ...]:
    """The whole order of a search.

    Raises:
        InvalidParameterValue: an item is malformed, unknown, or there twice.
    """
    found: list[Order] = []
    for text in texts:
        ordering = parse_order(text)
        field, key = resolve(noun, ordering.name)
        if isinstance(field, Entity) and not field.orderable:
            raise InvalidParameterValue(f"Invalid order_by entity: {field.name}")
        found.append(Order(field, key, descending=ordering.direction == "DESC"))
    if len({(order.field, order.key) for order in found}) < len(found):
        raise InvalidParameterValue(f"`order_by` contains duplicate fields: {list(texts)}"[:1000])
    return with_ties(noun, found)


def with_ties(noun: Noun, found: Sequence[Order]) -> tuple[Order, ...]:
    """The order that a request gives, made total.

    Raises:
        InvalidParameterValue: it has too many items.
    """
    if len(found) > ORDERS:
        raise InvalidParameterValue(f"order_by has {len(found)} items; it may have at most {ORDERS}.")
    used = {order.field for order in found}
    rest = [
        Order(noun.attributes[name], "", descending)
        for name, descending in (noun.ties if found else noun.default_order)
        if noun.attributes[name] not in used
    ]
    return (*found, *rest)
