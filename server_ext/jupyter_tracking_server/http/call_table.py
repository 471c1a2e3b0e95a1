"""Which path and method is which call: derived from ``CALLS``, for each prefix and version."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, NamedTuple
from urllib.parse import unquote_to_bytes

from jupyter_tracking.protocol import CALLS, Call
from jupyter_tracking.protocol.call import PREFIXES, VERSIONS
from jupyter_tracking.protocol.errors import EndpointNotFound, InvalidParameterValue

__all__ = ["CallTable"]

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

    def find_exact(self, verb: str, path: str) -> Call[Any, Any] | None:
        """The call at a path without fields; None if there is none."""
        verbs = self._exact.get(path)
        return None if verbs is None else verbs.get(verb)

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
