"""Parts that are kept as artifacts: what the contract's tests of the store in memory do not see."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable

import pytest

from jupyter_tracking_server.artifact_stores.base import ByteRange, Download, Page
from jupyter_tracking_server.artifact_stores.errors import (
    BrokenRead,
    InvalidPart,
    NoSuchUpload,
    StoreUnavailable,
)
from jupyter_tracking_server.artifact_stores.keys import UPLOADS, Key
from jupyter_tracking_server.artifact_stores.memory import MemoryStore
from jupyter_tracking_server.artifact_stores.staged_parts import BEGUN

from .contract_parts import KEY, PartsContract
from .contract_unfinished import UnfinishedContract
from .transfers import everything, get, on_loop, put, put_part


class SmallPages(MemoryStore):
    """Gives fewer entries than were asked for."""

    async def entries(self, folder: Key, cursor: str = "", limit: int = 1000) -> Page:
        return await super().entries(folder, cursor, min(limit, 2))


class Cut(Download):
    """Ends in the middle."""

    def __init__(self, whole: Download) -> None:
        self._whole = whole
        self.info, self.span = whole.info, whole.span

    async def __aiter__(self) -> AsyncIterator[bytes]:
        async for chunk in self._whole:
            yield chunk[: len(chunk) // 2]
            raise BrokenRead("cut")

    async def close(self) -> None:
        await self._whole.close()


class Unsteady(MemoryStore):
    """Fails as stores do that are far away, when it is told to."""

    cut_reads = refuse_deletes = False

    async def read(self, key: Key, part: ByteRange | None = None) -> Download:
        whole = await super().read(key, part)
        return Cut(whole) if self.cut_reads else whole

    async def delete(self, key: Key) -> bool:
        if self.refuse_deletes:
            raise StoreUnavailable
        return await super().delete(key)


class TestSmallPages(PartsContract, UnfinishedContract):
    """Page after page."""

    flat = False

    @pytest.fixture
    def store(self) -> SmallPages:
        return SmallPages()

    @pytest.fixture
    def open_another(self, store: SmallPages) -> Callable[[], SmallPages]:
        return lambda: SmallPages(store.root)


@on_loop
async def test_a_part_that_cannot_be_read_leaves_the_upload_open() -> None:
    store = Unsteady()
    await put(store, KEY, b"old")
    upload = await store.begin(KEY)
    part = await put_part(store, KEY, upload, 1, b"the part")
    store.cut_reads = True
    with pytest.raises(StoreUnavailable):
        await store.complete(KEY, upload, [part])
    store.cut_reads = False
    assert await get(store, KEY) == b"old"
    await store.complete(KEY, upload, [part])
    assert await get(store, KEY) == b"the part"


@on_loop
async def test_parts_that_cannot_be_removed_are_left_to_the_sweep(caplog: pytest.LogCaptureFixture) -> None:
    store = Unsteady()
    upload = await store.begin(KEY)
    part = await put_part(store, KEY, upload, 1, b"the part")
    store.refuse_deletes = True
    await store.complete(KEY, upload, [part])
    assert "could not be removed" in caplog.text
    assert await get(store, KEY) == b"the part"
    store.refuse_deletes = False
    assert await store.sweep(0) == 1
    assert await everything(store, (UPLOADS,)) == []


@on_loop
async def test_a_part_that_is_sent_again_while_completing_is_refused() -> None:
    store = MemoryStore()
    upload = await store.begin(KEY)
    part = await put_part(store, KEY, upload, 1, b"before")
    await put_part(store, KEY, upload, 1, b"behind")
    with pytest.raises(InvalidPart):
        await store.complete(KEY, upload, [part])


@on_loop
async def test_a_part_of_late_keeps_an_old_upload(monkeypatch: pytest.MonkeyPatch) -> None:
    store = MemoryStore()
    monkeypatch.setattr("time.time", lambda: 1_000_000.0)
    old, dead = await store.begin(KEY), await store.begin(KEY)
    early = await put_part(store, KEY, old, 1, b"early")
    await put_part(store, KEY, dead, 1, b"early")
    monkeypatch.setattr("time.time", lambda: 1_003_000.0)
    late = await put_part(store, KEY, old, 2, b"late")
    monkeypatch.setattr("time.time", lambda: 1_004_000.0)
    assert await store.sweep(3600) == 1
    assert await store.parts(KEY, old) == [early, late]
    with pytest.raises(NoSuchUpload):
        await store.parts(KEY, dead)


@on_loop
async def test_what_is_not_its_own_is_left_to_the_store() -> None:
    store = MemoryStore()
    await put(store, (UPLOADS, "temporary"), b"x")
    await put(store, (UPLOADS, "folder", "file"), b"x")
    upload = await store.begin(KEY)
    await put(store, (UPLOADS, upload, "1"), b"no part")
    assert await store.parts(KEY, upload) == []
    assert await store.sweep(0) == 1
    assert await everything(store, (UPLOADS,)) == [("folder", None), ("temporary", 1)]


@on_loop
async def test_an_upload_without_its_mark_is_gone_and_swept() -> None:
    store = MemoryStore()
    upload = await store.begin(KEY)
    await put_part(store, KEY, upload, 1, b"x")
    await store.delete((UPLOADS, upload, BEGUN))
    with pytest.raises(NoSuchUpload):
        await store.parts(KEY, upload)
    assert await store.sweep(0) == 1
    assert store.root == {}
