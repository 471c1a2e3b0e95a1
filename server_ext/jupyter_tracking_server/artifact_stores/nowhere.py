"""No store: of a server without the proxy, which cannot reach where clients put artifacts by themselves."""

# ruff: noqa: ARG002 - whatever it is asked, there is one answer

from __future__ import annotations

from collections.abc import Sequence

from .base import ArtifactInfo, ArtifactStore, ByteRange, Download, Page, Part, Signer, Upload
from .errors import StoreUnavailable
from .keys import Key

__all__ = ["Nowhere"]


class Nowhere(ArtifactStore):
    """An ``ArtifactStore`` that never answers; no direct location lies below it."""

    url = ""
    signer: Signer | None = None

    async def create(self, key: Key, size: int | None = None) -> Upload:
        """Never."""
        raise StoreUnavailable

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        """Never."""
        raise StoreUnavailable

    async def info(self, key: Key) -> ArtifactInfo:
        """Never."""
        raise StoreUnavailable

    async def entries(self, folder: Key, cursor: str = "", limit: int = 1000) -> Page:
        """Never."""
        raise StoreUnavailable

    async def delete(self, key: Key) -> bool:
        """Never."""
        raise StoreUnavailable

    async def begin(self, key: Key) -> str:
        """Never."""
        raise StoreUnavailable

    async def create_part(self, key: Key, upload: str, number: int, size: int) -> Upload:
        """Never."""
        raise StoreUnavailable

    async def parts(self, key: Key, upload: str) -> list[Part]:
        """Never."""
        raise StoreUnavailable

    async def complete(self, key: Key, upload: str, parts: Sequence[Part]) -> ArtifactInfo:
        """Never."""
        raise StoreUnavailable

    async def abort(self, key: Key, upload: str) -> None:
        """Never."""
        raise StoreUnavailable

    async def sweep(self, age: float) -> int:
        """Nothing to remove."""
        return 0

    async def close(self) -> None:
        """Nothing to give back."""
