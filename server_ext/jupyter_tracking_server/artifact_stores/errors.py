"""What can go wrong in an artifact store.

    StoreError (a mark on the protocol's errors; the message is safe to show)
    ├── NoSuchArtifact        there is nothing at this key
    ├── NoSuchUpload          there is no upload in parts of this id
    ├── InvalidPart           a part that an upload is to be made of is missing or another one
    ├── NotAFile              there is a folder at this key
    ├── NotAFolder            a file stands where the key wants a folder
    ├── NameTooLong           the store cannot hold a key as long as this
    ├── IncompleteUpload      fewer or more bytes came than were announced
    ├── StoreFull             no room; reads go on
    ├── StoreUnavailable      the store does not answer, or refuses this server; to be tried again
    └── RangeNotSatisfiable   the part asked for begins after the end

A store that finds out in the middle of a read that it cannot go on raises ``BrokenRead``: the reply has
begun, so the connection is cut rather than a short file completed.
"""

from __future__ import annotations

from jupyter_tracking.protocol.errors import (
    BadRequest,
    InvalidParameterValue,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
)

from .keys import Key, text

__all__ = [
    "BrokenRead",
    "IncompleteUpload",
    "InvalidPart",
    "NameTooLong",
    "NoSuchArtifact",
    "NoSuchUpload",
    "NotAFile",
    "NotAFolder",
    "RangeNotSatisfiable",
    "StoreError",
    "StoreFull",
    "StoreUnavailable",
]


class StoreError(Exception):
    """Marks the errors that a store raises on purpose."""


class NoSuchArtifact(StoreError, ResourceDoesNotExist):
    """There is nothing at this key."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"No such artifact: '{text(key)}'")


class NoSuchUpload(StoreError, ResourceDoesNotExist):
    """There is no upload in parts of this id: it never was, is complete, was aborted or swept."""

    def __init__(self) -> None:
        super().__init__("There is no such upload in parts; begin a new one.")


class InvalidPart(StoreError, InvalidParameterValue):
    """A part that an upload is to be made of is missing, or another one than was said."""

    def __init__(self, number: int) -> None:
        super().__init__(f"Part {number} of the upload is missing or was sent again; send it, then complete.")


class NotAFile(StoreError, InvalidParameterValue):
    """There is a folder at this key."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"'{text(key)}' is a folder, not a file.")


class NotAFolder(StoreError, InvalidParameterValue):
    """A file stands where the key wants a folder."""

    def __init__(self, key: Key) -> None:
        super().__init__(f"A part of '{text(key)}' is a file, and cannot hold other files.")


class NameTooLong(StoreError, InvalidParameterValue):
    """The store cannot hold a key as long as this."""

    def __init__(self, key: Key) -> None:
        super().__init__(
            f"Invalid path: its {len(text(key).encode())} bytes are more than the store can hold."
        )


class IncompleteUpload(StoreError, BadRequest):
    """Fewer or more bytes came than were announced, or the client went."""

    def __init__(self, received: int) -> None:
        super().__init__(f"The upload ended after {received} bytes, not where it should; nothing was stored.")


class StoreFull(StoreError, TemporarilyUnavailable):
    """No room; reads go on."""

    def __init__(self) -> None:
        super().__init__("The artifact store is full; nothing was stored.", retry_after=30)


class StoreUnavailable(StoreError, TemporarilyUnavailable):
    """The store does not answer, or refuses this server; why is in the log only."""

    def __init__(self) -> None:
        super().__init__("The artifact store cannot be reached at the moment.", retry_after=5)


class RangeNotSatisfiable(StoreError, InvalidParameterValue):
    """The part asked for begins after the end of the ``size`` bytes."""

    def __init__(self, size: int) -> None:
        super().__init__(f"The range asked for begins after the end of the artifact, which has {size} bytes.")
        self.size = size


class BrokenRead(StoreError):
    """The store cannot go on with a read that has begun."""
