"""What a row of the rights matrix is, and how one is written."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple
from urllib.parse import quote, urlencode

import msgspec

from jupyter_tracking.protocol import Call
from tests.http.rights_scene import Prepare, Things

ANYONE, KNOWN, READER, EDITOR, OWNER, ADMIN = "anyone", "known", "reader", "editor", "owner", "admin"
"""What the sender must be at least: anybody at all; anybody with a credential; a role; an administrator."""


class Ask(NamedTuple):
    """One request; a body that is not bytes becomes JSON."""

    verb: str
    path: str
    body: object = None
    headers: Mapping[str, str] = {}


@dataclass(frozen=True)
class Row:
    """One kind of request.

    Attributes:
        name: of the call, or ``Handler.method`` with what tells several of one method apart behind a space.
        least: what its sender must be.
        ask: makes a valid request about some things.
        writes: whether a credential of the scope ``read`` is not good for it.
        moves_bytes: whether the credential must have the scope ``artifacts``.
        shows: for requests that are answered to everybody, but only with what they may see: a text of the
            reply that somebody without a role must not get.
        prepare: what is done to the things before.
        status: of the reply to who may.
        but: who gets another status than the rest of the row says.
    """

    name: str
    least: str
    ask: Callable[[Things], Ask]
    writes: bool = False
    moves_bytes: bool = False
    shows: Callable[[Things], str] | None = None
    prepare: Prepare | None = None
    status: int = 200
    but: Mapping[str, int] = field(default_factory=dict)


Fields = Callable[[Things], dict[str, Any]]


def call_row(
    call: Call[Any, Any],
    least: str,
    fields: Fields,
    *,
    shows: Callable[[Things], str] | None = None,
    prepare: Prepare | None = None,
    status: int = 200,
    but: Mapping[str, int] | None = None,
) -> Row:
    """The row of a call whose request has these fields."""
    return Row(
        name=call.name,
        least=least,
        ask=lambda things: _ask_call(call, fields(things)),
        writes=call.action != "read",
        moves_bytes=call.family == "mlflow-artifacts",
        shows=shows,
        prepare=prepare,
        status=status,
        but=but or {},
    )


def _ask_call(call: Call[Any, Any], given: dict[str, Any]) -> Ask:
    # As JSON, since the fields may be structs or enums.
    fields = json.loads(msgspec.json.encode(given))

    def fill(field: re.Match[str]) -> str:
        return quote(str(fields.pop(field[1])), safe="/" if field[2] else "")

    path = "/" + re.sub(r"\{(\w+)(\.\.\.)?\}", fill, call.url_path())
    verb = call.verbs[0]
    if verb == "GET":
        return Ask(verb, f"{path}?{urlencode(fields, doseq=True)}" if fields else path)
    return Ask(verb, path, fields if verb != "DELETE" or fields else None)


def route_row(name: str, least: str, ask: Callable[[Things], Ask], **more: Any) -> Row:
    """The row of a route that is no call."""
    return Row(name=name, least=least, ask=ask, **more)
