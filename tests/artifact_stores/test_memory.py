"""The store in memory, and with it the parts that are kept as artifacts (``staged_parts.py``)."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jupyter_tracking_server.artifact_stores.memory import MemoryStore
from jupyter_tracking_server.artifact_stores.registry import open_store

from .contract import ArtifactStoreContract, everything, on_loop, put


@pytest.fixture
def store() -> MemoryStore:
    return MemoryStore()


class TestMemoryStore(ArtifactStoreContract):
    """A dictionary."""

    @pytest.fixture
    def open_another(self, store: MemoryStore) -> Callable[[], MemoryStore]:
        return lambda: MemoryStore(store.root)


@on_loop
async def test_each_destination_is_a_place_of_its_own() -> None:
    one, two = open_store("memory:"), open_store("memory://")
    await put(one, ("a",), b"x")
    assert await everything(one, ()) == [("a", 1)]
    assert await everything(two, ()) == []
