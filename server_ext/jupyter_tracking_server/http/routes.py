"""Which path leads where: derived from ``CALLS``, for each prefix and version, so that none is forgotten.

What no route knows ends at ``CallHandler`` too, which refuses it.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from jupyter_tracking.protocol import CALLS, Call
from jupyter_tracking.protocol.call import PREFIXES, VERSIONS
from jupyter_tracking.protocol.errors import EndpointNotFound, InvalidParameterValue

from .artifact_stream import artifact_routes
from .call_handler import CallHandler
from .handler import Embed, Front
from .plain import HealthHandler, LandingHandler, ServerInfoHandler, VersionHandler

__all__ = ["CallTable", "Route", "routes"]

Route = tuple[str, type[Any], dict[str, Any]]
"""Pattern of the whole path, handler class, what its ``initialize`` gets."""

_FIELD = re.compile(r"\{(\w+)(\.\.\.)?\}")


class _Pattern(NamedTuple):
    path: re.Pattern[str]
    verbs: dict[str, Call[Any, Any]]


class CallTable:
    """Path below the root and method → the call, and the fields that the path fills."""

    def __init__(self, calls: Sequence[Call[Any, Any]] = CALLS) -> None:
        self._exact: dict[str, dict[str, Call[Any, Any]]] = {}
        patterns: dict[str, dict[str, Call[Any, Any]]] = {}
        for call in calls:
            places = patterns if _FIELD.search(call.path) else self._exact
            for prefix in PREFIXES:
                for version in VERSIONS:
                    verbs = places.setdefault("/" + call.url_path(version, prefix), {})
                    verbs.update(dict.fromkeys(call.verbs, call))
        self._patterns = [_Pattern(_compile(path), verbs) for path, verbs in patterns.items()]

    def find(self, verb: str, path: str) -> tuple[Call[Any, Any], dict[str, str]]:
        """The call at a path that is not decoded yet; a path without fields wins over one with.

        Raises:
            EndpointNotFound: there is none, or not with this method.
            InvalidParameterValue: a field in the path is not UTF-8.
        """
        exact = self._exact.get(path)
        if exact is not None:
            if verb in exact:
                return exact[verb], {}
        else:
            for pattern in self._patterns:
                found = pattern.path.fullmatch(path)
                if found and verb in pattern.verbs:
                    fields = found.groupdict()
                    return pattern.verbs[verb], {name: _decode(raw) for name, raw in fields.items()}
        raise EndpointNotFound(f"There is no endpoint for {verb} at this path.")


def routes(front: Front, embed: Embed) -> list[Route]:
    """Every route below ``front.root``, as patterns that begin with a slash.

    Args:
        front: what the handlers share.
        embed: makes the handler classes fit the host.
    """
    common: dict[str, Any] = {"front": front}
    info = f"/(?:{'|'.join(PREFIXES)})/3\\.0/mlflow/server-info"
    found: list[Route] = [
        (r"/health", HealthHandler, common),
        (r"/version", VersionHandler, common),
        (info, ServerInfoHandler, common),
        (r"/?", LandingHandler, common),
        *((pattern, handler, {**common, **more}) for pattern, handler, more in artifact_routes()),
        (r"/.*", CallHandler, {**common, "table": CallTable()}),
    ]
    return [(pattern, embed(handler), kwargs) for pattern, handler, kwargs in found]


def _compile(path: str) -> re.Pattern[str]:
    parts, end = [], 0
    for field in _FIELD.finditer(path):
        parts += [re.escape(path[end : field.start()]), f"(?P<{field[1]}>{'.*' if field[2] else '[^/]+'})"]
        end = field.end()
    return re.compile("".join([*parts, re.escape(path[end:])]))


def _decode(raw: str) -> str:
    try:
        return unquote_to_bytes(raw).decode()
    except UnicodeDecodeError:
        raise InvalidParameterValue("Invalid path: it is not UTF-8.") from None
