"""From the type of a field to values that it must not take, and some that it may; for ``test_bad_input``."""

from __future__ import annotations

import json
from collections.abc import Iterator
from enum import Enum
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect as shape

ABSENT = object()
"""The field is not sent."""
TOO_BIG = "@1e400@"
"""Becomes the bare number ``1e400``, which no Python value is written as."""

VERY_LONG = 70_000
"""Characters that every field without a limit of its own must bear."""


class Case(NamedTuple):
    """A value for a field; ``refused`` if the only right answer is a 4xx."""

    label: str
    value: Any
    refused: bool


def plain(kind: shape.Type) -> shape.Type:
    """The type without ``| None``."""
    if isinstance(kind, shape.UnionType):
        rest = tuple(item for item in kind.types if not isinstance(item, shape.NoneType))
        return rest[0] if len(rest) == 1 else shape.UnionType(rest)
    return kind


def fields(cls: type[msgspec.Struct]) -> tuple[shape.Field, ...]:
    """The fields of a request."""
    found = shape.type_info(cls)
    assert isinstance(found, shape.StructType)
    return found.fields


def good(kind: shape.Type, name: str, known: dict[str, Any]) -> Any:
    """A value that the field takes: a known one (such as the id of a run that is there) by name, or any."""
    kind = plain(kind)
    if name in known:
        return known[name]
    if isinstance(kind, shape.StructType):
        return {
            field.encode_name: good(field.type, field.encode_name, known)
            for field in kind.fields
            if field.required
        }
    if isinstance(kind, shape.ListType):
        return [good(kind.item_type, name.removesuffix("s"), known)]
    if isinstance(kind, shape.StrType):
        return "x"
    if isinstance(kind, shape.BoolType):
        return True
    if isinstance(kind, shape.EnumType):
        return next(iter(kind.cls)).value
    return 1


def cases(field: shape.Field, known: dict[str, Any]) -> Iterator[Case]:
    """What to send in a field."""
    yield Case("missing", ABSENT, field.required)
    yield Case("null", None, field.required)
    yield from _of_type(plain(field.type), field.encode_name, field.required, known)


def _of_type(kind: shape.Type, name: str, required: bool, known: dict[str, Any]) -> Iterator[Case]:
    yield Case("nested 100 deep", _nested(100), True)
    yield Case("nested 5,000 deep", _nested(5000), True)
    if isinstance(kind, shape.StrType):
        yield from _text(kind, required)
    elif isinstance(kind, shape.IntType):
        yield from _wrong(
            {}, [], "x", "", 1.5, True, 2**63, -(2**63) - 1, str(2**63), "1e400", "NaN", TOO_BIG
        )
        yield from _wrong(float("nan"), float("inf"), "١", "0x10", "1_000")
    elif isinstance(kind, shape.BoolType):
        yield from _wrong({}, [], "perhaps", 2, 1.5)
    elif isinstance(kind, shape.EnumType):
        yield from _enum(kind.cls)
    elif isinstance(kind, shape.ListType):
        yield from _list(kind, name, known)
    elif isinstance(kind, shape.StructType):
        yield from _wrong([], "x", 5, True)
        yield from _struct(kind, known)
    else:
        yield from _double()


def _text(kind: shape.StrType, required: bool) -> Iterator[Case]:
    yield from _wrong({}, [], 1.5, True, "a\0b", "\ud800", "a\udfffb", float("nan"))
    yield Case("empty", "", required and bool(kind.min_length))
    yield Case("unicode", "Ünï-😀-\u202e-\u2028", False)
    yield Case("blank", " ", False)
    yield Case("quotes", "'; DROP TABLE runs; -- \" `", False)
    if kind.max_length is not None:
        yield Case("too long", "x" * (kind.max_length + 1), True)
    yield Case("very long", "x" * VERY_LONG, kind.max_length is not None and kind.max_length < VERY_LONG)


def _double() -> Iterator[Case]:
    yield from _wrong({}, [], "", "abc", "1e400", TOO_BIG, 10**400, "0x10", "1_0", "١")
    for value in (
        "NaN",
        "Infinity",
        "-Infinity",
        float("nan"),
        float("inf"),
        "1e3",
        True,
        2**63,
        -0.0,
        5e-324,
    ):
        yield Case(f"double {value!r}", value, False)


def _enum(cls: type[Enum]) -> Iterator[Case]:
    yield from _wrong({}, [], "NOPE", "", 99, -1, 1.5, True)
    yield Case("by number", "1", False)
    del cls


def _list(kind: shape.ListType, name: str, known: dict[str, Any]) -> Iterator[Case]:
    yield from _wrong({}, "x", 5, True, [None], [[[]]])
    yield Case("empty list", [], bool(kind.min_length))
    item = good(kind.item_type, name.removesuffix("s"), known)
    if kind.max_length is not None:
        yield Case("too many", [item] * (kind.max_length + 1), True)
    for case in _of_type(plain(kind.item_type), f"{name}[0]", True, known):
        yield Case(f"[0] {case.label}", [case.value], case.refused)


def _struct(kind: shape.StructType, known: dict[str, Any]) -> Iterator[Case]:
    whole = good(kind, "", known)
    yield Case("unknown field", {**whole, "nobody_knows": {"a": [1]}}, False)
    for field in kind.fields:
        for case in cases(field, known):
            value = {name: item for name, item in whole.items() if name != field.encode_name}
            if case.value is not ABSENT:
                value[field.encode_name] = case.value
            yield Case(f".{field.encode_name} {case.label}", value, case.refused)


def _wrong(*values: Any) -> Iterator[Case]:
    for value in values:
        yield Case(f"wrong {value!r:.40}", value, True)


def _nested(depth: int) -> Any:
    value: list[Any] = []
    for _ in range(depth):
        value = [value]
    return value


def to_json(request: dict[str, Any]) -> bytes:
    """As ``json.dumps``, which nests 5,000 deep only by hand."""
    try:
        text = json.dumps(request)
    except RecursionError:
        text = json.dumps(_with_marks(request)).replace('"@deep@"', "[" * 5001 + "]" * 5001)
    return text.replace(f'"{TOO_BIG}"', "1e400").encode()


def _with_marks(value: Any, depth: int = 0) -> Any:
    if depth > 200:
        return "@deep@"
    if isinstance(value, dict):
        return {name: _with_marks(item, depth) for name, item in value.items()}
    if isinstance(value, list) and len(value) == 1:
        marked = _with_marks(value[0], depth + 1)
        return "@deep@" if marked == "@deep@" else [marked]
    return value
