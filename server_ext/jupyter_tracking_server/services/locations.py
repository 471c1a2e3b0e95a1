"""Artifact locations: where the files of an experiment, run or logged model lie.

A location is *proxied* (``mlflow-artifacts:/path``, or the address of that path at some server), which
stands for a path below the artifacts destination, or *direct*: the URL of a place. It is judged when an
experiment is made, and again whenever it is used: the server reads and writes only below the store that it
was configured with, whatever a location says. One elsewhere is for clients that go there by themselves.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple
from urllib.parse import SplitResult, unquote, urlsplit

from jupyter_tracking.protocol.errors import InvalidParameterValue

from ..artifact_stores.keys import Key
from .segments import split

__all__ = ["Address", "address", "check", "key_below", "location_key", "proxied_key", "served"]

SCHEME = "mlflow-artifacts"
RESERVED = ".uploads"
"""First segment of keys that are the stores' own."""

_PROXY = re.compile(r"/(?:ajax-)?api/[23]\.0/mlflow-artifacts/artifacts(?:/|\Z)")
_CONTAINER_BEFORE_HOST = frozenset({"wasb", "wasbs", "abfs", "abfss"})
"""Schemes whose URLs have the container where others have a user."""
_ENCODED = frozenset({"file", "http", "https", SCHEME})
"""Schemes whose paths clients percent-decode; of an object store they take them as they are."""


class Address(NamedTuple):
    """A direct location taken apart, so that two can be compared segment by segment."""

    scheme: str
    host: str
    path: Key

    def below(self, other: Address) -> bool:
        """Whether this is the same place as the other, or lies in it."""
        return self[:2] == other[:2] and self.path[: len(other.path)] == other.path


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
    named = parts.username is not None and parts.scheme not in _CONTAINER_BEFORE_HOST
    if named or parts.password is not None:
        raise InvalidParameterValue(
            "'artifact_location' URL can't include a user name or password; the server keeps credentials."
        )
    if not {".", ".."}.isdisjoint(unquote(parts.path).split("/")):
        raise InvalidParameterValue("'artifact_location' URL can't include '.' or '..' segments.")


def location_key(location: str, url: str = "", *, proxied: bool = True) -> Key | None:
    """The key, in the store at ``url``, that a stored location stands for; None if it has none there.

    Args:
        location: as it is stored.
        url: the ``url`` of the artifact store.
        proxied: proxied locations lie in this store.
    """
    key = key_below(location, url)
    if key is None and proxied:
        key = proxied_key(location)
    return None if key is None or key[:1] == (RESERVED,) else key


def served(location: str, url: str) -> bool:
    """Whether a location is a proxied one, at whichever server, or lies in the artifact store at ``url``."""
    return proxied_key(location) is not None or key_below(location, url) is not None


def proxied_key(location: str) -> Key | None:
    """The path below the artifacts destination that a proxied location stands for; None for a direct one.

    A host in it is ignored: what the proxy serves is in one place, whatever the server is called.
    """
    try:
        url = urlsplit(location)
        if "?" in location or "#" in location:
            return None
        path = url.path
        if url.scheme in {"http", "https"}:
            mark = _PROXY.search(path)
            if mark is None:
                return None
            path = path[mark.end() :]
        elif url.scheme != SCHEME:
            return None
        return _segments(url.scheme, path)
    except (ValueError, InvalidParameterValue):
        return None


def key_below(location: str, url: str) -> Key | None:
    """The rest of a location that is the place at ``url`` or lies in it; None of any other."""
    here, there = address(url), address(location)
    if here is None or there is None or not there.below(here):
        return None
    return there.path[len(here.path) :]


def address(location: str) -> Address | None:
    """A direct location, or an absolute path of this machine, taken apart; None if it is no such thing."""
    try:
        # A path may hold what is special in a URL.
        parts = urlsplit(Path(location).as_uri() if Path(location).is_absolute() else location)
        host = parts.netloc
        if len(parts.scheme) < 2 or parts.scheme == SCHEME or parts.query or parts.fragment:
            return None
        if parts.password is not None:
            return None
        if parts.scheme == "sftp":
            host = host.rpartition("@")[2]
        elif "@" in host and parts.scheme not in _CONTAINER_BEFORE_HOST:
            return None
        if parts.scheme == "file" and host == "localhost":
            host = ""
        return Address(parts.scheme, host, _segments(parts.scheme, parts.path))
    except (ValueError, InvalidParameterValue):
        return None


def _segments(scheme: str, path: str) -> Key:
    """Raises ``ValueError`` or ``InvalidParameterValue`` for one that could do harm."""
    text = unquote(path, errors="strict") if scheme in _ENCODED else path
    return split(text.removeprefix("/"), folder=True)
