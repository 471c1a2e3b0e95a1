"""Python values as files: which kind of file a value becomes, and its bytes.

The kind follows the ending of the name that the user gives; without one it follows the value. Libraries
are recognised by what their objects can do, so that none of them is imported here.
"""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Mapping
from dataclasses import asdict, is_dataclass
from importlib import import_module
from pathlib import PurePosixPath
from typing import Any

from .protocol.errors import InvalidParameterValue

_IMAGE_FORMATS = {".jpg": "jpeg", ".jpeg": "jpeg"}


def to_file(value: Any, name: str) -> tuple[str, bytes]:
    """A file's name, completed by an ending if it has none, and its content.

    Raises:
        InvalidParameterValue: there is no rule for such a value; the message says what to do.
    """
    for suits, ending, write in _RULES:
        if suits(value):
            suffix = PurePosixPath(name).suffix.lower()
            return (name, write(value, suffix)) if suffix else (name + ending, write(value, ending))
    raise InvalidParameterValue(
        f"A {type(value).__name__} has no file form here; save it to a file and log the file's path."
    )


def text(value: str, suffix: str = ".txt") -> bytes:  # noqa: ARG001 - the shape of a writer
    """Text as UTF-8."""
    return value.encode()


def data(value: Any, suffix: str = ".json") -> bytes:
    """A dictionary or list as JSON, or as YAML if the ending says so."""
    if is_dataclass(value) and not isinstance(value, type):
        value = asdict(value)
    if suffix in (".yaml", ".yml"):
        try:
            yaml = import_module("yaml")
        except ImportError:
            raise InvalidParameterValue(
                "Writing YAML needs PyYAML: pip install pyyaml, or end the name in .json."
            ) from None
        found: str = yaml.safe_dump(json.loads(_json(value)), sort_keys=False, allow_unicode=True)
        return found.encode()
    return _json(value).encode()


def figure(value: Any, suffix: str = ".png") -> bytes:
    """A figure: of matplotlib (anything that can ``savefig``), of plotly (``write_html``)."""
    if hasattr(value, "savefig"):
        buffer = io.BytesIO()
        value.savefig(buffer, format=suffix.lstrip("."), bbox_inches="tight")
        return buffer.getvalue()
    if suffix in (".html", ".htm"):
        page: str = value.to_html(include_plotlyjs="cdn")
        return page.encode()
    picture: bytes = value.to_image(format=suffix.lstrip("."))
    return picture


def image(value: Any, suffix: str = ".png") -> bytes:
    """An image of Pillow, or an array of its pixels."""
    if not hasattr(value, "save"):
        try:
            pillow = import_module("PIL.Image")
        except ImportError:
            raise InvalidParameterValue(
                "Writing an array as an image needs Pillow: pip install pillow."
            ) from None
        value = pillow.fromarray(_pixels(value))
    buffer = io.BytesIO()
    value.save(buffer, format=_IMAGE_FORMATS.get(suffix, suffix.lstrip(".")))
    return buffer.getvalue()


def _json(value: Any) -> str:
    return json.dumps(value, indent=2, default=_plain, ensure_ascii=False)


def _plain(value: Any) -> Any:
    """What JSON lacks: numbers and arrays of numpy as numbers and lists, anything else as its text."""
    if hasattr(value, "tolist"):
        return value.tolist()
    if isinstance(value, set | frozenset):
        return sorted(value, key=str)
    return str(value)


def _pixels(value: Any) -> Any:
    """Pixels as bytes: fractions count from 0 to 1, as matplotlib has them."""
    if value.dtype.kind == "f":
        value = (value.clip(0, 1) * 255).round()
    return value.astype("uint8")


def _table(value: Any, suffix: str) -> bytes:
    if suffix == ".parquet":
        found: bytes = value.to_parquet()
        return found
    if suffix == ".json":
        records: str = value.to_json(orient="records")
        return records.encode()
    if suffix == ".html":
        page: str = value.to_html()
        return page.encode()
    lines: str = value.to_csv(index=False, sep="\t" if suffix == ".tsv" else ",")
    return lines.encode()


def _array(value: Any, suffix: str) -> bytes:
    if suffix in (".png", ".jpg", ".jpeg", ".webp", ".bmp", ".gif"):
        return image(value, suffix)
    if suffix == ".npy":
        buffer = io.BytesIO()
        import_module("numpy").save(buffer, value, allow_pickle=False)
        return buffer.getvalue()
    return data(value.tolist(), suffix)


def _has(*names: str) -> Callable[[Any], bool]:
    """Whether a value, not a class, can do all of these."""
    return lambda value: not isinstance(value, type) and all(hasattr(value, name) for name in names)


def _is_data(value: Any) -> bool:
    return isinstance(value, Mapping | list | tuple) or (is_dataclass(value) and not isinstance(value, type))


_RULES: tuple[tuple[Callable[[Any], bool], str, Callable[[Any, str], bytes]], ...] = (
    (lambda value: isinstance(value, str), ".txt", text),
    (lambda value: isinstance(value, bytes | bytearray), ".bin", lambda value, _: bytes(value)),
    (_is_data, ".json", data),
    (_has("to_csv", "columns"), ".csv", _table),
    (_has("savefig"), ".png", figure),
    (_has("write_html", "to_html"), ".html", figure),
    (_has("save", "mode", "size"), ".png", image),
    (_has("dtype", "tolist", "shape"), ".npy", _array),
    (_has("figure"), ".png", lambda value, suffix: figure(value.figure, suffix)),
)
