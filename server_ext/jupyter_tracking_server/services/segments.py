"""Paths as segments: decoded once, split, and each segment judged."""

from __future__ import annotations

import re
import unicodedata
from urllib.parse import unquote_to_bytes

from jupyter_tracking.protocol.errors import InvalidParameterValue

from ..artifact_stores.keys import Key

__all__ = ["decode", "invalid", "split"]

SEGMENT_BYTES = 255
SEGMENTS = 128

_DRIVE = re.compile(r"[A-Za-z]:\Z")


def decode(raw: str) -> str:
    """Part of a URL's path, as it was in the request line, percent-decoded once.

    Raises:
        InvalidParameterValue: it is not UTF-8.
    """
    try:
        return unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeError:
        raise invalid("it is not UTF-8.") from None


def split(path: str, *, folder: bool = False) -> Key:
    """A decoded path as segments that can do no harm; ``""`` has none.

    Args:
        path: relative, with slashes.
        folder: a slash may end it.

    Raises:
        InvalidParameterValue: a segment is empty or blank, leads elsewhere or cannot be stored.
    """
    if folder:
        path = path.removesuffix("/")
    key = tuple(path.split("/")) if path else ()
    if len(key) > SEGMENTS:
        raise invalid(f"it is deeper than {SEGMENTS} folders.")
    for segment in key:
        fault = _fault(segment)
        if fault:
            raise invalid(fault)
    return key


def _fault(segment: str) -> str:
    if not segment.strip():
        return "a part of it is empty."
    if segment in {".", ".."}:
        return "'.' and '..' lead elsewhere."
    if "\\" in segment or _DRIVE.match(segment):
        return "backslashes and drives are not taken; separate folders with slashes."
    if any(unicodedata.category(character) in {"Cc", "Cs"} for character in segment):
        return "it holds a control character."
    if len(segment.encode()) > SEGMENT_BYTES:
        return f"a part of it has more than {SEGMENT_BYTES} bytes."
    return ""


def invalid(fault: str) -> InvalidParameterValue:
    """The error that says what is wrong with a path."""
    return InvalidParameterValue(f"Invalid path: {fault}")
