"""Rules of what is known of stored artifacts beside what their store says: the sha256 of their bytes."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

from ..artifact_stores.base import ArtifactInfo
from ..artifact_stores.keys import text
from ..context import Context, FilesContext
from ..store import artifact_files
from ..store.artifact_files import KnownFile
from .artifact_paths import Place

__all__ = ["KnownFile", "Note", "believed", "forget", "known", "note", "record", "record_all"]


class Note(NamedTuple):
    """An artifact as it was stored, and where."""

    place: Place
    file: KnownFile


def known(context: Context, place: Place) -> KnownFile | None:
    """What was recorded of an artifact; ``believed`` says whether it still holds."""
    return artifact_files.find(context.tx, *_names(place))


def believed(file: KnownFile | None, info: ArtifactInfo) -> str | None:
    """The sha256 (hex) of an artifact of which the store says ``info``; None if it is not known."""
    if file is None or (file.size, file.store_etag) != (info.size, info.etag):
        return None
    return file.sha256 or None


def record(context: Context, place: Place, info: ArtifactInfo, sha256: str) -> None:
    """Remember an artifact that has just been stored as ``info``; its sha256 (hex) is ``""`` if not known."""
    record_all(context, [note(context, place, info, sha256)])


def note(context: Context | FilesContext, place: Place, info: ArtifactInfo, sha256: str) -> Note:
    """What ``record_all`` is to remember."""
    return Note(place, KnownFile(info.size, info.etag, sha256, context.now(), context.caller.user))


def record_all(context: Context, notes: Iterable[Note]) -> None:
    """The same for artifacts that differ in their places."""
    artifact_files.put(context.tx, [(*_names(place), file) for place, file in notes])


def forget(context: Context, place: Place) -> None:
    """Drop what is known of an artifact, of a folder with all below, or of all of an owner's."""
    artifact_files.drop(context.tx, *_names(place))


def _names(place: Place) -> tuple[str, str]:
    return text(place.root), text(place.key[len(place.root) :])
