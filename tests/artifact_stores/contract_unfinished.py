"""Uploads in parts that are cut, taken up again, aborted or forgotten."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore
from jupyter_tracking_server.artifact_stores.errors import IncompleteUpload, NoSuchArtifact, NoSuchUpload

from .contract_parts import KEY, PART
from .transfers import MEBIBYTE, everything, get, noise, on_loop, pattern, put, put_part


class UnfinishedContract:
    """What does not come to its end, or not at once."""

    @on_loop
    async def test_nothing_is_seen_of_parts_before_they_are_complete(self, store: ArtifactStore) -> None:
        await put(store, KEY, b"old")
        new = (*KEY[:-1], "new")
        for key in (KEY, new):
            upload = await store.begin(key)
            part = await put_part(store, key, upload, 1, noise(1, PART))
            assert await everything(store, KEY[:-1], limit=1) == [("model.bin", 3)]
            assert await everything(store, (), limit=1) == [("1", None)]
            assert await get(store, KEY) == b"old"
            with pytest.raises(NoSuchArtifact):
                await store.info(new)
            assert await store.parts(key, upload) == [part]
            await store.abort(key, upload)
        assert await get(store, KEY) == b"old"

    @on_loop
    async def test_an_upload_is_taken_up_by_another_process(
        self, store: ArtifactStore, open_another: Callable[[], ArtifactStore]
    ) -> None:
        dead = open_another()
        upload = await dead.begin(KEY)
        sent = await put_part(dead, KEY, upload, 2, noise(2, PART))
        await dead.close()
        assert await store.parts(KEY, upload) == [sent]
        first = await put_part(store, KEY, upload, 1, noise(1, PART))
        last = await put_part(store, KEY, upload, 3, b"end")
        await store.complete(KEY, upload, [first, sent, last])
        assert await get(store, KEY) == noise(1, PART) + noise(2, PART) + b"end"

    @pytest.mark.parametrize("cut", [0, 1, MEBIBYTE, PART - 1, PART + 1])
    @on_loop
    async def test_a_part_of_another_length_is_not_kept(self, store: ArtifactStore, cut: int) -> None:
        upload = await store.begin(KEY)
        async with await store.create_part(KEY, upload, 1, PART) as part:
            await part.write(pattern(cut))
            with pytest.raises(IncompleteUpload):
                await part.finish()
        assert await store.parts(KEY, upload) == []
        whole = await put_part(store, KEY, upload, 1, noise(1, PART))
        await store.complete(KEY, upload, [whole])
        assert await get(store, KEY) == noise(1, PART)

    @pytest.mark.parametrize("size", [10, 3 * MEBIBYTE])
    @on_loop
    async def test_a_part_that_is_cut_leaves_the_one_before(self, store: ArtifactStore, size: int) -> None:
        upload = await store.begin(KEY)
        before = await put_part(store, KEY, upload, 1, noise(1, PART))
        async with await store.create_part(KEY, upload, 1, PART) as part:
            await part.write(pattern(size))
        assert await store.parts(KEY, upload) == [before]
        await store.complete(KEY, upload, [before])
        assert await get(store, KEY) == noise(1, PART)

    @on_loop
    async def test_abort_drops_the_parts(self, store: ArtifactStore) -> None:
        await put(store, KEY, b"old")
        upload = await store.begin(KEY)
        await put_part(store, KEY, upload, 1, noise(1, PART))
        await store.abort(KEY, upload)
        with pytest.raises(NoSuchUpload):
            await store.parts(KEY, upload)
        await store.abort(KEY, upload)
        assert await get(store, KEY) == b"old"

    @on_loop
    async def test_uploads_of_one_key_do_not_meet(self, store: ArtifactStore) -> None:
        one, two = await store.begin(KEY), await store.begin(KEY)
        first = await put_part(store, KEY, one, 1, b"one")
        second = await put_part(store, KEY, two, 1, b"two, two")
        await store.complete(KEY, one, [first])
        assert await get(store, KEY) == b"one"
        assert await store.parts(KEY, two) == [second]
        await store.complete(KEY, two, [second])
        assert await get(store, KEY) == b"two, two"

    @on_loop
    async def test_sweep_removes_what_a_dead_process_left(
        self, store: ArtifactStore, open_another: Callable[[], ArtifactStore]
    ) -> None:
        await put(store, ("kept",), b"kept")
        await put(store, KEY, b"old")
        dying = open_another()
        upload = await dying.begin(KEY)
        await put_part(dying, KEY, upload, 1, noise(1, PART))
        part = await dying.create_part(KEY, upload, 2, PART)
        await part.write(pattern(MEBIBYTE))
        single = await dying.create(("new",))
        await single.write(noise(2, 3 * PART))

        assert await store.sweep(3600) == 0
        assert len(await store.parts(KEY, upload)) == 1
        assert await store.sweep(0) >= 1
        with pytest.raises(NoSuchUpload):
            await store.parts(KEY, upload)
        assert await everything(store, ()) == [("1", None), ("kept", 4)]
        assert (await get(store, ("kept",)), await get(store, KEY)) == (b"kept", b"old")

        # The process was not dead after all; nothing of it comes to light.
        await part.abort()
        await single.abort()
        await dying.close()
        assert await everything(store, ()) == [("1", None), ("kept", 4)]
        await store.sweep(0)
        assert await store.sweep(0) == 0
