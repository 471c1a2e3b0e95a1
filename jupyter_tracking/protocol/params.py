"""Params of runs: text under a key, written once."""

from __future__ import annotations

import msgspec

from .call import Call, Empty
from .limits import Key, RunId


class Param(msgspec.Struct, frozen=True):
    """A param as replies carry it."""

    key: str
    value: str


class ParamEntry(msgspec.Struct, frozen=True):
    """A param as requests carry it; values over 6,000 characters are cut."""

    key: Key
    value: str = ""


class LogParam(msgspec.Struct, frozen=True):
    """Log a param; the same value again is fine, another value is refused."""

    run_id: RunId
    key: Key
    value: str = ""


log_param = Call("log_param", ("POST",), "runs/log-parameter", LogParam, Empty, "write")
