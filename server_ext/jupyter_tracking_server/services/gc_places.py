"""Where the bytes of what is purged lie, and whether they are nobody else's.

Words: a *root* is a store that bytes may be removed from. A place is *elsewhere* if it lies below none of
them; the server never goes there, whatever a location says.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from ..artifact_stores.base import ArtifactStore
from ..artifact_stores.keys import Key
from ..store import purge
from ..store.database import Transaction
from ..store.purge import Purge
from .locations import RESERVED, Address, address, key_below, proxied_key

__all__ = ["Places", "Root", "Spot"]

ARTIFACTS = "artifacts"


class Root(NamedTuple):
    """A store; ``proxied`` if it is what proxied locations stand for."""

    store: ArtifactStore
    proxied: bool = False


class Spot(NamedTuple):
    """A folder of bytes: where it is, and how to get there."""

    address: Address
    root: Root
    key: Key


class Places:
    """From stored locations to spots."""

    def __init__(self, roots: Sequence[Root]) -> None:
        self._roots = roots
        self._proxied = next((root for root in roots if root.proxied), None)

    def lacks_store(self, location: str) -> bool:
        """Whether the location is proxied, but the store that it stands for is not open here."""
        return self._proxied is None and proxied_key(location) is not None

    def spot(self, location: str) -> Spot | None:
        """The spot that a location is; None if it is elsewhere, or no less than all of a store."""
        where = self._address(location)
        for root in self._roots:
            here = address(root.store.url)
            if where is None or here is None or not where.below(here):
                continue
            key = where.path[len(here.path) :]
            if key and key[0] != RESERVED:
                return Spot(where, root, key)
        return None

    def neighbour(self, tx: Transaction, gone: Purge, spot: Spot) -> str:
        """Whose living place lies in the spot, or around it; ``""`` if nobody's does."""
        inner = "traces" if gone.kind == "experiment" else gone.owner
        for number, location in purge.experiments_near(tx, inner):
            where = self._address(location)
            if where is not None and where.below(spot.address):
                return f"experiment {number} has its artifacts in there"
        path = spot.address.path
        for end, segment in enumerate(path):
            if segment != ARTIFACTS or not end:
                continue
            outer = Address(spot.address.scheme, spot.address.host, path[: end + 1])
            for kind, location in purge.location_of(tx, path[end - 1]):
                if self._address(location) == outer:
                    return f"it lies among the artifacts of {kind} {path[end - 1]}"
        return ""

    def _address(self, location: str) -> Address | None:
        """Where a location is, proxied ones by what they stand for."""
        below = any(key_below(location, root.store.url) is not None for root in self._roots)
        if self._proxied is not None and not below:
            key, here = proxied_key(location), address(self._proxied.store.url)
            if key is not None and here is not None:
                return Address(here.scheme, here.host, here.path + key)
        return address(location)
