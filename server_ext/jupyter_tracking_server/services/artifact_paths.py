"""The one resolver: from a path or an id to the key of an artifact, with the caller's right asked.

A path is decoded once, split, and each segment judged. What it names is looked up in the database and the
right is asked on that row; the key is built from the location that the row holds, so a path can reach
nothing but the folder of a run, logged model or trace that is there and is the caller's.

Words: an *owner* is such a run, model or trace; its *root* is the folder of its artifacts.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple
from urllib.parse import urlsplit

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.limits import experiment_number

from ..artifact_stores.errors import NoSuchArtifact
from ..artifact_stores.keys import Key
from ..context import Context
from ..store import experiments, logged_models, runs
from . import owners
from .locations import location_key
from .segments import decode, invalid, split

__all__ = [
    "Place",
    "below",
    "decode",
    "in_model",
    "in_run",
    "key_of",
    "place_to_delete",
    "place_to_list",
    "proxied",
    "shown_in_root",
    "split",
]

ARTIFACTS, MODELS, TRACES = "artifacts", "models", "traces"
CANDIDATES = 4
"""Segments of a path that may end an owner's root; a location of the user's may hold some of that name."""


class Place(NamedTuple):
    """Where a path leads: ``key`` is ``root``, the folder of an owner, or below it."""

    root: Key
    key: Key


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
        if model is not None and key_of(context, model.info.artifact_uri) == root:
            return int(model.info.experiment_id)
    elif kind == TRACES:
        return _experiment_at(context, root[:-3])
    else:
        run = runs.info(context.tx, owner)
        if run is not None and key_of(context, run.artifact_uri) == root:
            return int(run.experiment_id)
    return None


def _experiment_at(context: Context, key: Key) -> int | None:
    """The experiment whose folder is ``key``, which ends in its id."""
    try:
        number = experiment_number(key[-1] if key else "")
    except InvalidParameterValue:
        return None
    found = experiments.get(context.tx, number)
    return number if found is not None and key_of(context, found.artifact_location) == key else None


def _ask(context: Context, experiment: int, key: Key, action: Action) -> None:
    if not context.may("read", experiment):
        raise NoSuchArtifact(key)
    context.require(action, experiment)


def place_to_delete(context: Context, key: Key) -> Place:
    """The place of a path of the proxy that is to be deleted; a whole root only by who manages it.

    Raises:
        InvalidParameterValue: it is above the roots: the store, an experiment, the folder of a run.
        NoSuchArtifact, PermissionDenied: as ``proxied``.
    """
    if not key:
        raise invalid("the root cannot be deleted.")
    if ARTIFACTS not in key and (experiment := _experiment_at(context, key[:1])) is not None:
        _ask(context, experiment, key, "write")
        raise invalid("only what is in the artifacts folder of a run, model or trace can be deleted.")
    place = proxied(context, key, "write")
    return proxied(context, key, "manage") if place.key == place.root else place


def place_to_list(context: Context, key: Key) -> Key:
    """The key of a folder of the proxy whose names the caller may see: in a root, or above one.

    Raises:
        NoSuchArtifact: not one of these, or not the caller's to read.
    """
    if not key:
        context.require("read", None)
        return key
    if ARTIFACTS in key:
        return proxied(context, key, "read").key
    experiment = _experiment_at(context, key[:1])
    if experiment is None:
        raise NoSuchArtifact(key)
    _ask(context, experiment, key, "read")
    return key


def shown_in_root(context: Context, names: Sequence[str]) -> frozenset[str]:
    """Of names in the root of the proxy, those that the caller may see: folders of experiments to read."""
    visible = context.visible
    if visible is None:
        return frozenset(names)
    numbers = [int(name) for name in names if name.isascii() and name.isdigit() and len(name) <= 18]
    found = experiments.locations(context.tx, numbers, visible)
    return frozenset(
        str(number) for number, location in found.items() if key_of(context, location) == (str(number),)
    )


def in_run(context: Context, run_id: str, path: str, action: Action) -> Place:
    """The place of a path below a run's root.

    Raises:
        InvalidParameterValue: the path is unsafe, or the run's artifacts are not kept by this server.
        ResourceDoesNotExist, PermissionDenied: the run is not the caller's.
    """
    return below(context, owners.run(context, run_id, action).artifact_uri, path)


def in_model(context: Context, model_id: str, path: str, action: Action) -> Place:
    """The place of a path below a logged model's root; it raises as ``in_run`` does."""
    return below(context, owners.logged_model(context, model_id, action).info.artifact_uri, path)


def key_of(context: Context, location: str) -> Key | None:
    """The key of a stored location; None if it is not in the store that this server opened."""
    return location_key(location, context.store_url, proxied=context.settings.opens_destination)


def below(context: Context, location: str, path: str) -> Place:
    """The place of a path below an owner's stored location.

    Raises:
        InvalidParameterValue: the path is unsafe, or the location is not below this server's destination.
    """
    root = key_of(context, location)
    if root is None:
        raise InvalidParameterValue(
            f"These artifacts are at a {urlsplit(location).scheme or 'local'}: location, which this server "
            "does not serve; go there directly."
        )
    return Place(root, root + split(path, folder=True))
