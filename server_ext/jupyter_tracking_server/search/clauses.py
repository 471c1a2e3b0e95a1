"""A comparison checked against a noun: the field it means, and a value of the right type."""

from __future__ import annotations

from dataclasses import dataclass
from typing import cast

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import experiment_number

from .fields import Attribute, Field, Noun
from .parse import parse_filter
from .tree import Comparison, Name, Value

__all__ = ["Clause", "Operand", "clauses", "resolve"]

Operand = str | float | tuple[str, ...] | tuple[int, ...] | None

PATTERN = 8000
"""Characters of a LIKE pattern; SQLite refuses patterns of more than 50,000 bytes."""

_INT64_DIGITS = 19


@dataclass(frozen=True, slots=True)
class Clause:
    """One condition that a row must meet; ``key`` is of an entity, empty for an attribute."""

    field: Field
    key: str
    operator: str
    operand: Operand


def clauses(noun: Noun, text: str) -> tuple[Clause, ...]:
    """The conditions that a filter states.

    Raises:
        InvalidParameterValue: the filter is malformed, or names what ``noun`` does not have.
    """
    return tuple(_clause(noun, comparison) for comparison in parse_filter(text))


def resolve(noun: Noun, name: Name) -> tuple[Field, str]:
    """The field that a name means, and its key if that is an entity.

    Raises:
        InvalidParameterValue: naming what would be valid.
    """
    entity, key = name.entity, name.key
    if entity is None and "." in key:  # `metrics.a` in one pair of quotes
        entity, _, key = key.partition(".")
    if entity is None or entity in noun.prefixes:
        if key not in noun.attributes:
            raise _invalid_key("attribute", key, noun.attributes)
        return noun.attributes[key], ""
    found = noun.entities.get(entity)
    if found is None:
        known = [*dict.fromkeys(kind.name for kind in noun.entities.values()), noun.prefixes[0]]
        raise InvalidParameterValue(f"Invalid entity type '{entity[:100]}'. Valid values are {known}")
    if found.keys and key not in found.keys:
        raise _invalid_key(found.name, key, found.keys)
    return found, key


def _invalid_key(kind: str, key: str, valid: object) -> InvalidParameterValue:
    names = ", ".join(f"'{name}'" for name in cast("tuple[str, ...]", valid))
    return InvalidParameterValue(f"Invalid {kind} key '{key[:100]}' specified. Valid keys are '{{{names}}}'")


def _clause(noun: Noun, comparison: Comparison) -> Clause:
    name, operator = comparison.name, comparison.operator
    if name.unquoted and not noun.lenient:
        raise InvalidParameterValue(
            f"Invalid comparison clause. Expected 'Identifier' found '{name.text[:100]}'"
        )
    field, key = resolve(noun, name)
    _check_operator(noun, field, name, operator)
    operands = tuple(_operand(noun, field, name, value) for value in comparison.values)
    if operator in {"IN", "NOT IN"}:
        return Clause(field, key, operator, cast("tuple[str, ...]", operands))
    if operator in {"LIKE", "ILIKE"} and len(str(operands[0])) > PATTERN:
        raise InvalidParameterValue(f"A {operator} pattern may have at most {PATTERN} characters.")
    return Clause(field, key, operator, operands[0] if operands else None)


def _check_operator(noun: Noun, field: Field, name: Name, operator: str) -> None:
    if operator in field.comparators:
        return
    if operator.startswith("IS "):
        kinds = [f"{kind.name}s" for kind in noun.entities.values() if operator in kind.comparators]
        only = f"only supported for {' and '.join(dict.fromkeys(kinds))}, not" if kinds else "not supported"
        raise InvalidParameterValue(f"IS NULL / IS NOT NULL is {only} for '{name.text[:100]}'")
    valid = ", ".join(f"'{comparator}'" for comparator in field.comparators)
    raise InvalidParameterValue(
        f"Invalid comparator '{operator[:20]}' not one of '{{{valid}}}' for '{name.text[:100]}'"
    )


def _operand(noun: Noun, field: Field, name: Name, value: Value) -> str | float:
    shown = value.source[:100]
    if field.kind == "number":
        if value.kind != "number":
            what = f"numeric attribute: {name.key[:100]}" if isinstance(field, Attribute) else field.name
            raise InvalidParameterValue(f"Expected numeric value type for {what}. Found {shown}")
        number = float(value.text)
        return number if not isinstance(field, Attribute) else _integer(value.text, number)
    if value.kind != "string" and not noun.lenient:
        if value.kind == "word":
            raise InvalidParameterValue(
                "Parameter value is either not quoted or unidentified quote types used for string value "
                f"{shown}. Use either single or double quotes."
            )
        what = "attributes" if isinstance(field, Attribute) else f"{field.name} (e.g. 'my-value')"
        raise InvalidParameterValue(f"Expected a quoted string value for {what}. Got value {shown}")
    return experiment_number(value.text) if field.kind == "id" else value.text


def _integer(text: str, number: float) -> float:
    """Exact where a float would round: times are 64-bit integers."""
    exact = text.removeprefix("-").isdigit() and len(text) < _INT64_DIGITS
    return int(text) if exact else number
