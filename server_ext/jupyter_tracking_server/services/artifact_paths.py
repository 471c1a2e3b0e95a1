"""The one resolver: from a path or an id to the key of an artifact, with the caller's right asked.

A path is decoded once, split, and each segment judged. What it names is looked up in the database and the
right is asked on that row; the key is built from the location that the row holds, so a path can reach
nothing but the folder of a run, logged model or trace that is there and is the caller's.

Words: an *owner* is such a run, model or trace; its *root* is the folder of its artifacts.
"""

from __future__ import annotations

import re
import unicodedata
from typing import NamedTuple
from urllib.parse import unquote_to_bytes, urlsplit

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import experiment_number

from ..artifact_stores.errors import NoSuchArtifact
from ..artifact_stores.keys import Key
from ..context import Context
from ..store import experiments, logged_models, runs
from . import owners

__all__ = [
    "Place",
    "below",
    "decode",
    "in_model",
    "in_run",
    "location_key",
    "place_to_delete",
    "place_to_list",
    "proxied",
    "split",
]

SCHEME = "mlflow-artifacts"
SEGMENT_BYTES = 255
SEGMENTS = 128
ARTIFACTS, MODELS, TRACES = "artifacts", "models", "traces"
CANDIDATES = 4
"""Segments of a path that may end an owner's root; a location of the user's may hold some of that name."""

_DRIVE = re.compile(r"[A-Za-z]:\Z")


class Place(NamedTuple):
    """Where a path leads: ``key`` is ``root``, the folder of an owner, or below it."""

    root: Key
    key: Key


def decode(raw: str) -> str:
    """Part of a URL's path, as it was in the request line, percent-decoded once.

    Raises:
        InvalidParameterValue: it is not UTF-8.
    """
    try:
        return unquote_to_bytes(raw.encode("latin-1")).decode()
    except UnicodeError:
        raise _invalid("it is not UTF-8.") from None


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
        raise _invalid(f"it is deeper than {SEGMENTS} folders.")
    for segment in key:
        fault = _fault(segment)
        if fault:
            raise _invalid(fault)
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


def _invalid(fault: str) -> InvalidParameterValue:
    return InvalidParameterValue(f"Invalid path: {fault}")


def location_key(location: str) -> Key | None:
    """The key that a stored location stands for; None if it is not below this server's destination.

    A host in it is ignored: what the proxy serves is in one place, whatever the server is called.
    """
    try:
        url = urlsplit(location)
        if url.scheme != SCHEME or url.query or url.fragment:
            return None
        return split(decode(url.path.removeprefix("/")), folder=True)
    except (ValueError, InvalidParameterValue):
        return None


def proxied(context: Context, key: Key, action: Action) -> Place:
    """The place of a path of the proxy, if it is in the folder of an owner.

    Raises:
        NoSuchArtifact: no owner, or not the caller's to read.
        PermissionDenied: the caller may read it but not ``action`` it.
    """
    ends = [number for number, segment in enumerate(key) if segment == ARTIFACTS and number]
    # From the outside in: who owns a folder owns what others may have put below it.
    for end in ends[:CANDIDATES]:
        root = key[: end + 1]
        experiment = _owning_experiment(context, root)
        if experiment is not None:
            _ask(context, experiment, key, action)
            return Place(root, key)
    raise NoSuchArtifact(key)


def _owning_experiment(context: Context, root: Key) -> int | None:
    """The experiment of the owner whose stored location is ``root``."""
    owner = root[-2]
    kind = root[-3] if len(root) > 2 else ""
    if kind == MODELS:
        model = logged_models.get(context.tx, owner, deleted=True)
        if model is not None and location_key(model.info.artifact_uri) == root:
            return int(model.info.experiment_id)
    elif kind == TRACES:
        return _experiment_at(context, root[:-3])
    else:
        run = runs.info(context.tx, owner)
        if run is not None and location_key(run.artifact_uri) == root:
            return int(run.experiment_id)
    return None


def _experiment_at(context: Context, key: Key) -> int | None:
    """The experiment whose folder is ``key``, which ends in its id."""
    try:
        number = experiment_number(key[-1] if key else "")
    except InvalidParameterValue:
        return None
    found = experiments.get(context.tx, number)
    return number if found is not None and location_key(found.artifact_location) == key else None


def _ask(context: Context, experiment: int, key: Key, action: Action) -> None:
    if not context.access.may(context.caller, "read", experiment):
        raise NoSuchArtifact(key)
    context.access.require(context.caller, action, experiment)


def place_to_delete(context: Context, key: Key) -> Place:
    """The place of a path of the proxy that is to be deleted; a whole root only by who manages it.

    Raises:
        InvalidParameterValue: it is above the roots: the store, an experiment, the folder of a run.
        NoSuchArtifact, PermissionDenied: as ``proxied``.
    """
    if not key:
        raise _invalid("the root cannot be deleted.")
    if ARTIFACTS not in key and (experiment := _experiment_at(context, key[:1])) is not None:
        _ask(context, experiment, key, "write")
        raise _invalid("only what is in the artifacts folder of a run, model or trace can be deleted.")
    place = proxied(context, key, "write")
    return proxied(context, key, "manage") if place.key == place.root else place


def place_to_list(context: Context, key: Key) -> Key:
    """The key of a folder of the proxy whose names the caller may see: in a root, or above one.

    Raises:
        NoSuchArtifact: not one of these, or not the caller's to read.
    """
    if not key:
        context.access.require(context.caller, "read", None)
        return key
    if ARTIFACTS in key:
        return proxied(context, key, "read").key
    experiment = _experiment_at(context, key[:1])
    if experiment is None:
        raise NoSuchArtifact(key)
    _ask(context, experiment, key, "read")
    return key


def in_run(context: Context, run_id: str, path: str, action: Action) -> Place:
    """The place of a path below a run's root.

    Raises:
        InvalidParameterValue: the path is unsafe, or the run's artifacts are not kept by this server.
        ResourceDoesNotExist, PermissionDenied: the run is not the caller's.
    """
    return below(owners.run(context, run_id, action).artifact_uri, path)


def in_model(context: Context, model_id: str, path: str, action: Action) -> Place:
    """The place of a path below a logged model's root; it raises as ``in_run`` does."""
    return below(owners.logged_model(context, model_id, action).info.artifact_uri, path)


def below(location: str, path: str) -> Place:
    """The place of a path below an owner's stored location.

    Raises:
        InvalidParameterValue: the path is unsafe, or the location is not below this server's destination.
    """
    root = location_key(location)
    if root is None:
        raise InvalidParameterValue(
            f"These artifacts are at a {urlsplit(location).scheme}: location, which this server does not "
            "serve; go there directly."
        )
    return Place(root, root + split(path, folder=True))
