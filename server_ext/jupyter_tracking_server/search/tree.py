"""What a filter or an order_by item says, before anyone asks whether it makes sense."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

__all__ = ["Comparison", "Name", "Ordering", "Value"]


@dataclass(frozen=True, slots=True)
class Name:
    """What stands left of an operator: ``entity.key``, or a key alone.

    Attributes:
        text: as written.
        unquoted: the key has characters for which it should stand in quotes, and does not.
    """

    entity: str | None
    key: str
    text: str
    unquoted: bool = False


@dataclass(frozen=True, slots=True)
class Value:
    """What stands right of an operator: quoted text (``text`` is without its quotes), a number, a word."""

    kind: Literal["string", "number", "word"]
    text: str
    source: str


@dataclass(frozen=True, slots=True)
class Comparison:
    """One clause of a filter; the operator is in capitals, without spare spaces."""

    name: Name
    operator: str
    values: tuple[Value, ...]


@dataclass(frozen=True, slots=True)
class Ordering:
    """One order_by item."""

    name: Name
    direction: str | None
