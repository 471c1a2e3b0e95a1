"""JSON and query strings to requests, and replies to JSON, by the protocol's rules.

A canonical body (right types, snake_case) is decoded by msgspec in one step. Anything else takes the
tolerant road: it accepts what the official clients of other languages send (numbers as strings, R's
``"1.7e+12"``, camelCase, a twice-encoded body) and refuses the rest with an error that names the field.
A malformed number is never stored as 0.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Mapping, Sequence
from enum import Enum
from functools import lru_cache
from typing import Any, Literal, TypeVar, cast

import msgspec
from msgspec import inspect as shape

from . import limits
from .enums import NUMBERS
from .errors import BadRequest, InvalidParameterValue

S = TypeVar("S", bound=msgspec.Struct)

Double = float | Literal["NaN", "Infinity", "-Infinity"]
"""A float on the wire: JSON has no word for the three that are not finite."""

LEGACY_NAMES = {"run_id": "run_uuid"}
"""Field → the older name under which clients may still send it."""

_NOT_FINITE: dict[str, float] = {"NaN": math.nan, "Infinity": math.inf, "-Infinity": -math.inf}
_ID_FIELD = re.compile(r"(_ids?|version)(\[\d+\])?\Z")
_TRUE, _FALSE = frozenset({"true", "1"}), frozenset({"false", "0"})


def to_double(value: float) -> Double:
    """A float as the wire writes it."""
    if math.isfinite(value):
        return value
    if math.isnan(value):
        return "NaN"
    return "Infinity" if value > 0 else "-Infinity"


def from_double(value: Double) -> float:
    """A wire value as a float."""
    return _NOT_FINITE[value] if isinstance(value, str) else value


def encode(reply: msgspec.Struct) -> bytes:
    """A request or reply as JSON."""
    return _ENCODER.encode(reply)


def decode_json(cls: type[S], body: bytes, path: Mapping[str, str] | None = None) -> S:
    """The request in a JSON body, completed by the ``path`` segments of the URL.

    Raises:
        InvalidParameterValue: a field is missing, has the wrong type or breaks a limit.
        BadRequest: the body is not text or nested too deep.
    """
    if not path and b"\\u0000" not in body and not any(twin in body for twin in _camel_twins(cls)):
        try:
            return cast("S", _decoder(cls).decode(body))
        except (msgspec.MsgspecError, RecursionError, UnicodeDecodeError):
            pass
    return _build(cls, {**_loads(body), **(path or {})}, "")


def decode_query(
    cls: type[S], query: Mapping[str, Sequence[str]], path: Mapping[str, str] | None = None
) -> S:
    """The request in a query string; a repeated field is a repeated key.

    Raises:
        InvalidParameterValue: as ``decode_json``, and when a single field is given twice.
    """
    fields = _fields(cls)
    found: dict[str, object] = {}
    for key, values in query.items():
        if key in fields and not isinstance(_plain(fields[key].type), shape.ListType):
            if len(values) > 1:
                raise InvalidParameterValue(f"Parameter '{key}' is given {len(values)} times; give it once.")
            found[key] = values[0]
        else:
            found[key] = list(values)
    for name, legacy in LEGACY_NAMES.items():
        if isinstance(old := found.get(legacy), list) and name in fields:
            found[legacy] = old[0]
    return _build(cls, {**found, **(path or {})}, "")


def encode_query(request: msgspec.Struct) -> list[tuple[str, str]]:
    """A request as query arguments; unset fields are left out."""
    pairs: list[tuple[str, str]] = []
    for name, value in msgspec.to_builtins(request).items():
        for item in value if isinstance(value, list) else [value]:
            if item is not None:
                pairs.append((name, str(item).lower() if isinstance(item, bool) else str(item)))
    return pairs


_ENCODER = msgspec.json.Encoder()


@lru_cache(maxsize=512)
def _decoder(cls: type[S]) -> msgspec.json.Decoder[S]:
    return msgspec.json.Decoder(cls)


@lru_cache(maxsize=512)
def _fields(cls: type[msgspec.Struct]) -> dict[str, shape.Field]:
    info = cast("shape.StructType", shape.type_info(cls))
    return {field.encode_name: field for field in info.fields}


@lru_cache(maxsize=512)
def _camel_twins(cls: type[msgspec.Struct]) -> tuple[bytes, ...]:
    """The camelCase spellings, quoted, of optional fields: msgspec would pass them over in silence."""
    twins: set[bytes] = set()
    for name, field in _fields(cls).items():
        if not field.required and (camel := _camel(name)) != name:
            twins.add(f'"{camel}"'.encode())
        inner = _plain(field.type)
        if isinstance(inner, shape.ListType):
            inner = _plain(inner.item_type)
        if isinstance(inner, shape.StructType):
            twins.update(_camel_twins(inner.cls))
    return tuple(sorted(twins))


def _camel(name: str) -> str:
    head, *rest = name.split("_")
    return head + "".join(part.title() for part in rest)


def _plain(kind: shape.Type) -> shape.Type:
    """The type itself, without ``| None``."""
    if isinstance(kind, shape.UnionType):
        rest = [item for item in kind.types if not isinstance(item, shape.NoneType)]
        return rest[0] if len(rest) == 1 else shape.UnionType(tuple(rest))
    return kind


def _loads(body: bytes) -> dict[str, Any]:
    """A body as a dictionary; unparsable or null counts as empty, as clients of the protocol expect."""
    try:
        value: object = json.loads(body, parse_float=_parse_float) if body else {}
        if isinstance(value, str):
            value = json.loads(value, parse_float=_parse_float)
    except RecursionError:
        raise BadRequest(f"The body is nested deeper than {limits.JSON_DEPTH} levels.") from None
    except ValueError as error:
        if isinstance(error, _HugeNumber):
            raise InvalidParameterValue(f"The number {error} is beyond a 64-bit float.") from None
        value = {}
    if value is None:
        return {}
    if not isinstance(value, dict):
        raise BadRequest("The body must be a JSON object.")
    if _depth(value) > limits.JSON_DEPTH:
        raise BadRequest(f"The body is nested deeper than {limits.JSON_DEPTH} levels.")
    return value


class _HugeNumber(ValueError):
    """A literal that no 64-bit float can hold; it carries the text."""


def _parse_float(text: str) -> float:
    value = float(text)
    if math.isinf(value):
        raise _HugeNumber(text[:40])
    return value


def _depth(value: object) -> int:
    deepest, level = 0, [value]
    while level and deepest <= limits.JSON_DEPTH:
        deepest += 1
        level = [
            child
            for item in level
            if isinstance(item, dict | list)
            for child in (item.values() if isinstance(item, dict) else item)
        ]
    return deepest


def _build(cls: type[S], found: Mapping[str, Any], where: str) -> S:
    values: dict[str, object] = {}
    for name, field in _fields(cls).items():
        raw = _pick(found, name, where)
        if raw is None:
            if field.required:
                raise _missing(where + name)
            continue
        values[field.name] = _coerce(field.type, raw, where + name, field.required)
    return cls(**values)


def _pick(found: Mapping[str, Any], name: str, where: str) -> Any:
    camel = _camel(name)
    if camel != name and camel in found:
        if name in found:
            raise InvalidParameterValue(f"Both '{where}{name}' and '{where}{camel}' are given; give one.")
        return found[camel]
    value = found.get(name)
    if value in (None, "") and name in LEGACY_NAMES:
        return found.get(LEGACY_NAMES[name], value)
    return value


def _missing(parameter: str) -> InvalidParameterValue:
    return InvalidParameterValue(
        f"Missing value for required parameter '{parameter}'. "
        "See the API docs for more information about request parameters."
    )


def _invalid(value: object, parameter: str, hint: str) -> InvalidParameterValue:
    text = repr(value)
    text = text if len(text) <= 100 else text[:97] + "..."
    text = text.encode("utf-8", "backslashreplace").decode()
    return InvalidParameterValue(f"Invalid value {text} for parameter '{parameter}' supplied: {hint}")


def _coerce(kind: shape.Type, raw: Any, name: str, required: bool = False) -> object:
    kind = _plain(kind)
    if isinstance(kind, shape.StrType):
        return _text(kind, raw, name, required)
    if isinstance(kind, shape.IntType):
        return _integer(kind, raw, name)
    if isinstance(kind, shape.UnionType | shape.FloatType):
        return to_double(_float(raw, name))
    if isinstance(kind, shape.BoolType):
        return _bool(raw, name)
    if isinstance(kind, shape.EnumType):
        return _enum(kind.cls, raw, name)
    if isinstance(kind, shape.ListType):
        return _list(kind, raw, name)
    if isinstance(kind, shape.StructType):
        if not isinstance(raw, dict):
            raise _invalid(raw, name, "expected a JSON object.")
        return _build(kind.cls, raw, name + ".")
    raise TypeError(f"{name}: no rule for {kind}")


def _text(kind: shape.StrType, raw: Any, name: str, required: bool) -> str:
    if isinstance(raw, int) and not isinstance(raw, bool) and _ID_FIELD.search(name):
        raw = str(raw)
    if not isinstance(raw, str):
        raise _invalid(raw, name, f"expected a string, got {_json_type(raw)}.")
    if kind.min_length and len(raw) < kind.min_length and required:
        raise _missing(name)
    if kind.max_length is not None and len(raw) > kind.max_length:
        raise _invalid(raw, name, f"it has {len(raw)} characters and may have at most {kind.max_length}.")
    if kind.pattern is not None and not re.search(kind.pattern, raw):
        raise _invalid(raw, name, f"it does not have the form {kind.pattern}.")
    if "\0" in raw:
        raise _invalid(raw, name, "a NUL character cannot be stored; remove it.")
    try:
        raw.encode()
    except UnicodeEncodeError:
        raise _invalid(raw, name, "it holds half of a surrogate pair, which is not a character.") from None
    return raw


def _integer(kind: shape.IntType, raw: Any, name: str) -> int:
    value: int | None = None
    if isinstance(raw, int) and not isinstance(raw, bool):
        value = raw
    elif isinstance(raw, str):
        value = _integer_from_text(raw)
    elif isinstance(raw, float) and raw.is_integer():
        value = int(raw)
    if value is None:
        raise _invalid(raw, name, f"expected an integer, got {_json_type(raw)}.")
    low = limits.INT64_MIN if kind.ge is None else kind.ge
    high = limits.INT64_MAX if kind.le is None else kind.le
    if not low <= value <= high:
        raise _invalid(raw, name, f"it must be an integer between {low} and {high}.")
    return value


def _integer_from_text(text: str) -> int | None:
    """R writes whole numbers as "1.7e+12"; Java as "1700000000000"."""
    if len(text) > 64 or not text.isascii() or "_" in text:
        return None
    try:
        return int(text)
    except ValueError:
        try:
            number = float(text)
        except ValueError:
            return None
    return int(number) if math.isfinite(number) and number.is_integer() else None


def _float(raw: Any, name: str) -> float:
    if isinstance(raw, int | float):
        try:
            return float(raw)
        except OverflowError:
            raise _invalid(raw, name, "it is beyond a 64-bit float.") from None
    if isinstance(raw, str) and len(raw) <= 512 and raw.isascii() and "_" not in raw:
        try:
            value = float(raw)
        except ValueError:
            pass
        else:
            if not math.isinf(value) or "inf" in raw.lower():
                return value
            raise _invalid(raw, name, "it is beyond a 64-bit float.")
    raise _invalid(raw, name, f"expected a number, got {_json_type(raw)}.")


def _bool(raw: Any, name: str) -> bool:
    if isinstance(raw, bool):
        return raw
    if isinstance(raw, str) and raw.lower() in _TRUE | _FALSE:
        return raw.lower() in _TRUE
    raise _invalid(raw, name, "expected true or false.")


def _enum(cls: type[Enum], raw: Any, name: str) -> Enum:
    if isinstance(raw, str):
        for member in cls:
            if raw == member.value:
                return member
        raw = _integer_from_text(raw) if _integer_from_text(raw) is not None else raw
    if isinstance(raw, int) and not isinstance(raw, bool) and raw in NUMBERS.get(cls, ()):
        return NUMBERS[cls][raw]
    raise _invalid(raw, name, f"it must be one of {', '.join(str(member.value) for member in cls)}.")


def _list(kind: shape.ListType, raw: Any, name: str) -> list[object]:
    if not isinstance(raw, list):
        raise _invalid(raw, name, f"expected a list, got {_json_type(raw)}.")
    if kind.max_length is not None and len(raw) > kind.max_length:
        raise InvalidParameterValue(
            f"Parameter '{name}' has {len(raw)} entries and may have at most {kind.max_length}."
        )
    if kind.min_length is not None and len(raw) < kind.min_length:
        raise _missing(name)
    return [_coerce(kind.item_type, item, f"{name}[{index}]", True) for index, item in enumerate(raw)]


def _json_type(raw: object) -> str:
    names: dict[type, str] = {
        str: "a string",
        bool: "a boolean",
        int: "an integer",
        float: "a number with a fraction",
        list: "a list",
        dict: "an object",
        type(None): "null",
    }
    return names.get(type(raw), type(raw).__name__)
