"""Uploads in parts that end well, and those that are refused."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore, Part
from jupyter_tracking_server.artifact_stores.errors import (
    InvalidPart,
    NoSuchArtifact,
    NoSuchUpload,
    NotAFile,
    NotAFolder,
)

from .transfers import MEBIBYTE, everything, get, noise, on_loop, pattern, put, put_part

KEY = ("1", "run", "model.bin")
PART = 5 * MEBIBYTE
"""What S3 wants of each part but the last."""
STRANGE_IDS = ["0", "0" * 32, "..", ".", "-", "~", "../x", "a/b", "%2e%2e", "x" * 999, "unbekannt-é", "\0"]


class PartsContract:
    """From ``begin`` to ``complete``."""

    flat: bool

    @on_loop
    async def test_parts_in_any_order_make_one_artifact(self, store: ArtifactStore) -> None:
        contents = {1: noise(1, PART), 2: noise(2, PART), 3: noise(3, MEBIBYTE + 7)}
        upload = await store.begin(KEY)
        assert await store.parts(KEY, upload) == []
        sent = {number: await put_part(store, KEY, upload, number, contents[number]) for number in (3, 1, 2)}
        parts = [sent[1], sent[2], sent[3]]
        assert await store.parts(KEY, upload) == parts
        finished = await store.complete(KEY, upload, parts)
        info = await store.info(KEY)
        assert (finished.size, finished.etag) == (info.size, info.etag)
        assert await get(store, KEY) == b"".join(contents.values())
        assert await everything(store, ("1", "run")) == [("model.bin", info.size)]
        assert await everything(store, ()) == [("1", None)]

    @pytest.mark.parametrize("size", [1, 12_345, PART, 2 * PART + 3])
    @on_loop
    async def test_one_part_is_enough(self, store: ArtifactStore, size: int) -> None:
        upload = await store.begin(KEY)
        part = await put_part(store, KEY, upload, 1, pattern(size))
        await store.complete(KEY, upload, [part])
        assert await get(store, KEY) == pattern(size)

    @on_loop
    async def test_parts_of_odd_sizes_make_one_artifact(self, store: ArtifactStore) -> None:
        contents = [noise(number, PART + extra) for number, extra in enumerate((7, 0, 70_001, 0))] + [b"end"]
        upload = await store.begin(KEY)
        parts = [
            await put_part(store, KEY, upload, number, content)
            for number, content in enumerate(contents, start=1)
        ]
        await store.complete(KEY, upload, parts)
        assert await get(store, KEY) == b"".join(contents)

    @on_loop
    async def test_numbers_may_have_gaps(self, store: ArtifactStore) -> None:
        upload = await store.begin(KEY)
        parts = [
            await put_part(store, KEY, upload, 3, noise(3, PART)),
            await put_part(store, KEY, upload, 40, noise(40, PART)),
            await put_part(store, KEY, upload, 10_000, b"last"),
        ]
        assert await store.parts(KEY, upload) == parts
        await store.complete(KEY, upload, parts)
        assert await get(store, KEY) == noise(3, PART) + noise(40, PART) + b"last"

    @pytest.mark.parametrize("named", [[1, 3], [2, 4], [1, 2, 3], [2]])
    @on_loop
    async def test_parts_that_are_not_named_are_dropped(self, store: ArtifactStore, named: list[int]) -> None:
        contents = {number: noise(number, PART) for number in (1, 2, 3)} | {4: b"the end"}
        upload = await store.begin(KEY)
        sent = {number: await put_part(store, KEY, upload, number, contents[number]) for number in contents}
        await store.complete(KEY, upload, [sent[number] for number in named])
        assert await get(store, KEY) == b"".join(contents[number] for number in named)

    @pytest.mark.parametrize("number", [1, 2])
    @on_loop
    async def test_a_part_that_is_sent_again_replaces(self, store: ArtifactStore, number: int) -> None:
        contents = {1: noise(1, PART), 2: noise(2, MEBIBYTE)}
        upload = await store.begin(KEY)
        sent = {each: await put_part(store, KEY, upload, each, contents[each]) for each in (1, 2)}
        old = list(sent.values())
        contents[number] = noise(9, len(contents[number]) + 11)
        sent[number] = await put_part(store, KEY, upload, number, contents[number])
        assert await store.parts(KEY, upload) == list(sent.values())
        with pytest.raises(InvalidPart):
            await store.complete(KEY, upload, old)
        await store.complete(KEY, upload, list(sent.values()))
        assert await get(store, KEY) == contents[1] + contents[2]

    @on_loop
    async def test_the_same_part_again_is_the_same_artifact(self, store: ArtifactStore) -> None:
        upload = await store.begin(KEY)
        await put_part(store, KEY, upload, 1, noise(1, PART))
        first = await put_part(store, KEY, upload, 1, noise(1, PART))
        last = await put_part(store, KEY, upload, 2, b"end")
        await store.complete(KEY, upload, [first, last])
        assert await get(store, KEY) == noise(1, PART) + b"end"

    @on_loop
    async def test_parts_come_at_once_and_from_several_processes(
        self, store: ArtifactStore, open_another: Callable[[], ArtifactStore]
    ) -> None:
        contents = [noise(number, PART) for number in range(5)] + [b"end"]
        another = open_another()
        upload = await another.begin(KEY)
        parts = await asyncio.gather(
            *(
                put_part(store if number % 2 else another, KEY, upload, number, content)
                for number, content in enumerate(contents, start=1)
            )
        )
        await another.complete(KEY, upload, parts)
        await another.close()
        assert await get(store, KEY) == b"".join(contents)

    @on_loop
    async def test_of_the_same_part_at_once_one_wins_whole(
        self, store: ArtifactStore, open_another: Callable[[], ArtifactStore]
    ) -> None:
        contents = [noise(number, PART) for number in range(4)]
        another = open_another()
        upload = await store.begin(KEY)
        await asyncio.gather(
            *(
                put_part(store if number % 2 else another, KEY, upload, 1, content)
                for number, content in enumerate(contents)
            )
        )
        await another.close()
        await store.complete(KEY, upload, await store.parts(KEY, upload))
        assert await get(store, KEY) in contents

    @on_loop
    async def test_missing_and_other_parts_are_refused(self, store: ArtifactStore) -> None:
        await put(store, KEY, b"old")
        upload = await store.begin(KEY)
        first = await put_part(store, KEY, upload, 1, noise(1, PART))
        last = await put_part(store, KEY, upload, 2, b"end")
        wrong = [
            [],
            [first, last._replace(number=3)],
            [first._replace(number=0), last],
            [first, last._replace(etag=first.etag)],
            [first, last._replace(etag='"other"')],
            [first, last, Part(10_001, 3, last.etag)],
        ]
        for parts in wrong:
            with pytest.raises(InvalidPart):
                await store.complete(KEY, upload, parts)
        assert await get(store, KEY) == b"old"
        assert await store.parts(KEY, upload) == [first, last]
        await store.complete(KEY, upload, [first, last])
        assert await get(store, KEY) == noise(1, PART) + b"end"

    @on_loop
    async def test_an_upload_that_is_not_there_is_said_to_be_not_there(self, store: ArtifactStore) -> None:
        await put(store, KEY, b"old")
        aborted = await store.begin(KEY)
        await put_part(store, KEY, aborted, 1, b"x")
        await store.abort(KEY, aborted)
        complete = await store.begin(("other",))
        part = await put_part(store, ("other",), complete, 1, b"x")
        await store.complete(("other",), complete, [part])
        for key, upload in [(("other",), complete), (KEY, aborted), *((KEY, id_) for id_ in STRANGE_IDS)]:
            with pytest.raises(NoSuchUpload):
                await put_part(store, key, upload, 1, b"x")
            with pytest.raises(NoSuchUpload):
                await store.parts(key, upload)
            with pytest.raises(NoSuchUpload):
                await store.complete(key, upload, [Part(1, 1, '"x"')])
            await store.abort(key, upload)
        assert await get(store, KEY) == b"old"
        assert await get(store, ("other",)) == b"x"
        assert await everything(store, ()) == [("1", None), ("other", 1)]

    @on_loop
    async def test_an_upload_is_of_one_key(self, store: ArtifactStore) -> None:
        upload = await store.begin(KEY)
        part = await put_part(store, KEY, upload, 1, b"x")
        for key in [("other",), (*KEY, "below"), KEY[:-1]]:
            with pytest.raises(NoSuchUpload):
                await store.parts(key, upload)
            with pytest.raises(NoSuchUpload):
                await put_part(store, key, upload, 1, b"y")
            with pytest.raises(NoSuchUpload):
                await store.complete(key, upload, [part])
            await store.abort(key, upload)
        await store.complete(KEY, upload, [part])
        assert await get(store, KEY) == b"x"

    @on_loop
    async def test_ids_are_plain_and_never_the_same(self, store: ArtifactStore) -> None:
        ids = {await store.begin(KEY) for _ in range(10)}
        assert len(ids) == 10
        for upload in ids:
            assert re.fullmatch(r"[A-Za-z0-9._~-]{1,999}", upload)
            await store.abort(KEY, upload)

    @on_loop
    async def test_parts_make_no_file_of_a_folder_and_no_folder_of_a_file(self, store: ArtifactStore) -> None:
        if self.flat:
            pytest.skip("its keys are flat")
        await put(store, ("folder", "file"), b"x")
        for key, error in [(("folder",), NotAFile), (("folder", "file", "below"), NotAFolder)]:
            with pytest.raises(error):
                await self._put_in_parts(store, key)
        assert await get(store, ("folder", "file")) == b"x"
        with pytest.raises(NoSuchArtifact):
            await store.info(("folder", "none"))
        await store.sweep(0)

    async def _put_in_parts(self, store: ArtifactStore, key: tuple[str, ...]) -> None:
        upload = await store.begin(key)
        parts = [await put_part(store, key, upload, 1, b"x")]
        await store.complete(key, upload, parts)
