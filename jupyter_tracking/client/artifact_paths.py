"""Where artifacts are: the proxy's path of a run's artifact URI, and paths below it that are safe to use."""

from __future__ import annotations

import os
from pathlib import PurePosixPath
from urllib.parse import quote, unquote, urlsplit

from ..protocol.errors import InvalidParameterValue, NotImplementedHere

PROXY = "api/2.0/mlflow-artifacts/artifacts"


def address(path: str) -> str:
    """What to ask for an artifact of the proxy, relative to the tracking URI."""
    return f"{PROXY}/{quote(path)}"


def proxy_path(location: str, url: str) -> str:
    """Where the artifact proxy of the server at ``url`` keeps a location.

    Raises:
        NotImplementedHere: the location is in a store that the server does not stand before.
    """
    parts = urlsplit(location)
    server = urlsplit(url)
    path = unquote(parts.path) if parts.scheme in ("http", "https") else parts.path
    here = not parts.netloc or parts.hostname == server.hostname
    if parts.scheme == "mlflow-artifacts" and here and path.strip("/"):
        return path.strip("/")
    if parts.scheme in ("http", "https") and here and f"/{PROXY}/" in path:
        return path.partition(f"/{PROXY}/")[2].strip("/")
    raise NotImplementedHere(
        f"The artifacts of this run are at {location!r}, which its server does not pass on. Start the server "
        "with --serve-artifacts, or use the mlflow client, with credentials of that store."
    )


def safe_path(path: str) -> str:
    """A path in normal form, relative, below its root.

    Raises:
        InvalidParameterValue: it leaves its root, or holds what is no part of a name.
    """
    parts = path.split("/")
    foreign = "\\" in path or ":" in path if os.name == "nt" else False
    if (
        path.startswith("/")
        or ".." in parts
        or "#" in path
        or foreign
        or any(ord(sign) < 32 for sign in path)
    ):
        raise InvalidParameterValue(
            f"{path!r} cannot name an artifact: it must be relative, without '..' and '#'."
        )
    return "/".join(part for part in parts if part not in ("", "."))


def join(folder: str, name: str) -> str:
    """A name in a folder; ``""`` is the root."""
    return str(PurePosixPath(folder) / name) if folder else name
