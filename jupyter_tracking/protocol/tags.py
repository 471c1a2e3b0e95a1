"""Tags of runs: mutable text under a key."""

from __future__ import annotations

import msgspec

from .call import Call, Empty
from .limits import Key, RunId


class RunTag(msgspec.Struct, frozen=True):
    """A tag as replies carry it."""

    key: str
    value: str


class TagEntry(msgspec.Struct, frozen=True):
    """A tag as requests carry it; values over 8,000 characters are cut."""

    key: Key
    value: str = ""


class SetTag(msgspec.Struct, frozen=True):
    """Set a tag of a run; an older value is replaced. ``mlflow.runName`` also renames the run."""

    run_id: RunId
    key: Key
    value: str = ""


class DeleteTag(msgspec.Struct, frozen=True):
    """Remove a tag of a run."""

    run_id: RunId
    key: Key


set_tag = Call("set_tag", ("POST",), "runs/set-tag", SetTag, Empty, "write")
delete_tag = Call("delete_tag", ("POST",), "runs/delete-tag", DeleteTag, Empty, "write")
