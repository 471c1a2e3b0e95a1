"""Stores that leave uploads in parts to an object of their own."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Generic, Protocol, TypeVar

from .base import ArtifactInfo, Part, Upload
from .keys import Key

__all__ = ["KeepsParts", "PartKeeper"]


class PartKeeper(Protocol):
    """What deals with uploads in parts once they are begun: as ``ArtifactStore`` says, word for word."""

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Begin to write a part."""

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that have come."""

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make one artifact of the parts."""

    async def abort(self, key: Key, upload: str) -> None:
        """Drop an upload in parts."""

    async def sweep(self, age: float) -> int:
        """Remove what uploads left."""


Keeper = TypeVar("Keeper", bound=PartKeeper)


class KeepsParts(Generic[Keeper]):
    """The part of a store that its ``_parts`` do; how an upload begins differs."""

    _parts: Keeper

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Begin to write a part."""
        return await self._parts.create_part(key, upload, number, size)

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """The parts that have come."""
        return await self._parts.parts(key, upload)

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Make one artifact of the parts."""
        return await self._parts.complete(key, upload, parts)

    async def abort(self, key: Key, upload: str) -> None:
        """Drop an upload in parts."""
        await self._parts.abort(key, upload)

    async def sweep(self, age: float) -> int:
        """Remove what uploads left."""
        return await self._parts.sweep(age)
