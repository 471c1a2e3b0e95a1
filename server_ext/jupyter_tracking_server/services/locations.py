"""Artifact locations: where the files of an experiment lie, judged once, when the experiment is made.

The server itself reads and writes only below its configured destination, whatever a location says; a
location elsewhere is for clients that go there by themselves.
"""

from __future__ import annotations

from pathlib import Path
from urllib.parse import SplitResult, unquote, urlsplit

from jupyter_tracking.protocol.errors import InvalidParameterValue


def check(location: str) -> str:
    """The location as it is stored; a local path becomes a ``file:`` URI.

    Raises:
        InvalidParameterValue: it is no place to keep files.
    """
    if not location:
        return ""
    if any(ord(character) < 0x20 or ord(character) == 0x7F for character in location) or "\\" in location:
        raise InvalidParameterValue("'artifact_location' holds a control character or a backslash.")
    try:
        parts = urlsplit(location)
    except ValueError:
        raise InvalidParameterValue(f"'artifact_location' is not a URL: {location!r}") from None
    _check_parts(location, parts)
    if not parts.scheme:
        return Path(location).absolute().as_uri()
    return location.rstrip("/") if parts.path.strip("/") else location


def _check_parts(location: str, parts: SplitResult) -> None:
    if parts.scheme == "runs":
        raise InvalidParameterValue(f"'artifact_location' cannot be a runs:/ URI. Given: '{location}'")
    if "#" in location or ";" in location or parts.query:
        raise InvalidParameterValue("'artifact_location' URL can't include fragments, params or a query.")
    if parts.username is not None or parts.password is not None:
        raise InvalidParameterValue(
            "'artifact_location' URL can't include a user name or password; the server keeps credentials."
        )
    if not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
        raise InvalidParameterValue("'artifact_location' URL can't include '.' or '..' segments.")
