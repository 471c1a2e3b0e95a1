"""Text to tree, with the limits that hold before any work is done."""

from __future__ import annotations

from typing import Any, Literal

from jupyter_tracking.protocol import limits
from jupyter_tracking.protocol.errors import InvalidParameterValue

from .tree import Comparison, Ordering

__all__ = ["parse_filter", "parse_order"]

CLAUSES = 256
"""Comparisons in one filter."""

LIST_ITEMS = 1000
"""Values in one IN list."""

_SHOWN = 120
"""Characters of a faulty text that an error repeats."""


def parse_filter(text: str) -> tuple[Comparison, ...]:
    """The clauses of a filter; none for an empty one.

    Raises:
        InvalidParameterValue: the text does not follow the grammar or breaks a limit.
    """
    if text == "":
        return ()
    _check_text(text, "filter")
    if text.isspace():
        raise InvalidParameterValue(f"Invalid filter '{text[:_SHOWN]}'. Could not be parsed.")
    clauses: tuple[Comparison, ...] = _read(text, "filter", "Invalid clause(s) in filter string: '{near}'")
    if len(clauses) > CLAUSES:
        raise InvalidParameterValue(
            f"The filter has {len(clauses)} comparisons; it may have at most {CLAUSES}."
        )
    for clause in clauses:
        if clause.operator in {"IN", "NOT IN"}:
            _check_list(clause)
    return clauses


def parse_order(text: str) -> Ordering:
    """One order_by item.

    Raises:
        InvalidParameterValue: it is not a name with at most ASC or DESC behind it.
    """
    _check_text(text, "order_by")
    shown = text[:_SHOWN]
    unreadable = f"Invalid order_by clause '{shown}'. Could not be parsed."
    ordering: Ordering = _read(text, "order", unreadable)
    if ordering.name.unquoted:
        raise InvalidParameterValue(unreadable)
    if ordering.direction not in {None, "ASC", "DESC"}:
        raise InvalidParameterValue(f"Invalid ordering key in order_by clause '{shown}'.")
    return ordering


def _check_text(text: str, parameter: str) -> None:
    if len(text) > limits.FILTER:
        raise InvalidParameterValue(
            f"The {parameter} has {len(text)} characters; it may have at most {limits.FILTER}."
        )
    if "\0" in text or any("\ud800" <= character <= "\udfff" for character in text):
        raise InvalidParameterValue(f"The {parameter} holds a character that no stored text can have.")


def _check_list(clause: Comparison) -> None:
    expected = "While parsing a list in the query, expected a non-empty list of string values"
    if not clause.values:
        raise InvalidParameterValue(f"{expected}, but got empty list")
    if len(clause.values) > LIST_ITEMS:
        raise InvalidParameterValue(
            f"A list in the query has {len(clause.values)} values; it may have at most {LIST_ITEMS}."
        )
    for value in clause.values:
        if value.kind != "string":
            raise InvalidParameterValue(f"{expected}, but got {value.source[:_SHOWN]}")


def _read(text: str, start: Literal["filter", "order"], fault: str) -> Any:
    from .grammar import Unreadable, read  # noqa: PLC0415 -- lark is slow to import; see grammar.py

    try:
        return read(text, start)
    except Unreadable as error:
        raise InvalidParameterValue(fault.replace("{near}", error.near[:_SHOWN])) from None
