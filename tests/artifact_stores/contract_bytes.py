"""How bytes go in and come out, whole or not at all."""

from __future__ import annotations

import asyncio
import contextlib

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore, ByteRange, Span
from jupyter_tracking_server.artifact_stores.errors import (
    BrokenRead,
    IncompleteUpload,
    NoSuchArtifact,
    RangeNotSatisfiable,
)

from .transfers import MEBIBYTE, everything, get, on_loop, pattern, put

NAMES = [
    "plain.txt",
    "with space.txt",
    " leading and trailing ",
    "%20.txt",
    "%41%2f%2e%2e",
    "a#b?c&d=e+f;g",
    "ünïcödé-😀.bin",
    "e\u0301 is not é",
    "...",
    ".hidden",
    "~",
    "-rf",
    "quote'\"`$(x)",
    "x" * 255,
]


class BytesContract:
    """Single uploads and reads."""

    snapshot_reads: bool
    prunes: bool

    @pytest.mark.parametrize(
        "size", [0, 1, 65_536, MEBIBYTE - 1, MEBIBYTE, MEBIBYTE + 1, 5 * MEBIBYTE + 12_345]
    )
    @on_loop
    async def test_bytes_come_back_as_they_went(self, store: ArtifactStore, size: int) -> None:
        content = pattern(size)
        finished = await put(store, ("1", "run", "artifacts", "data.bin"), content)
        assert await get(store, ("1", "run", "artifacts", "data.bin")) == content
        info = await store.info(("1", "run", "artifacts", "data.bin"))
        assert info.size == size
        assert (finished.size, finished.etag) == (info.size, info.etag)
        assert abs(finished.modified - info.modified) < 60

    @pytest.mark.parametrize("name", NAMES)
    @on_loop
    async def test_a_name_is_opaque(self, store: ArtifactStore, name: str) -> None:
        await put(store, ("folder", name, name), name.encode())
        assert await get(store, ("folder", name, name)) == name.encode()
        assert [tuple(entry) for entry in await everything(store, ("folder",))] == [(name, None)]
        assert [tuple(entry) for entry in await everything(store, ("folder", name))] == [
            (name, len(name.encode()))
        ]
        assert await store.delete(("folder", name, name))
        assert await everything(store, ("folder", name)) == []
        assert not self.prunes or await everything(store, ()) == []

    @on_loop
    async def test_chunks_of_any_size_make_one_artifact(self, store: ArtifactStore) -> None:
        content = pattern(3 * MEBIBYTE)
        await put(store, ("big chunks",), content, chunk=3 * MEBIBYTE)
        await put(store, ("small chunks",), content[:5000], chunk=1)
        assert await get(store, ("big chunks",)) == content
        assert await get(store, ("small chunks",)) == content[:5000]

    @on_loop
    async def test_an_upload_replaces_what_was_there(self, store: ArtifactStore) -> None:
        await put(store, ("a",), b"a longer text that was there before")
        before = await store.info(("a",))
        await put(store, ("a",), b"short")
        after = await store.info(("a",))
        assert await get(store, ("a",)) == b"short"
        assert before.etag != after.etag
        assert after.etag.startswith('"')
        assert after.etag.endswith('"')

    @on_loop
    async def test_the_same_size_again_is_another_etag(self, store: ArtifactStore) -> None:
        etags = set()
        for content in (b"one", b"two", b"six"):
            await put(store, ("a",), content)
            etags.add((await store.info(("a",))).etag)
        assert len(etags) == 3

    @pytest.mark.parametrize("size", [10, 3 * MEBIBYTE])
    @on_loop
    async def test_nothing_is_seen_of_an_upload_before_it_is_whole(
        self, store: ArtifactStore, size: int
    ) -> None:
        await put(store, ("folder", "old"), b"old")
        for name in ("old", "new"):
            async with await store.create(("folder", name)) as upload:
                await upload.write(pattern(size))
                assert [entry.name for entry in await everything(store, ("folder",))] == ["old"]
        assert await get(store, ("folder", "old")) == b"old"
        with pytest.raises(NoSuchArtifact):
            await store.info(("folder", "new"))
        assert [entry.name for entry in await everything(store, ())] == ["folder"]

    @pytest.mark.parametrize("expected", [0, 4, 6, 2**40])
    @on_loop
    async def test_another_length_than_announced_stores_nothing(
        self, store: ArtifactStore, expected: int
    ) -> None:
        async with await store.create(("a",)) as upload:
            await upload.write(b"12345")
            with pytest.raises(IncompleteUpload, match="nothing was stored"):
                await upload.finish(expected)
        assert await everything(store, ()) == []

    @on_loop
    async def test_aborting_twice_or_late_does_nothing(self, store: ArtifactStore) -> None:
        upload = await store.create(("a",))
        await upload.write(pattern(2 * MEBIBYTE))
        await upload.abort()
        await upload.abort()
        await upload.write(b"late")
        with pytest.raises(IncompleteUpload):
            await upload.finish()
        assert await everything(store, ()) == []
        upload = await store.create(("a",))
        await upload.write(b"kept")
        await upload.finish()
        await upload.abort()
        assert await get(store, ("a",)) == b"kept"

    @pytest.mark.parametrize(
        ("part", "span"),
        [
            (ByteRange(0, 0), Span(0, 1)),
            (ByteRange(0, None), Span(0, 10)),
            (ByteRange(3, 5), Span(3, 6)),
            (ByteRange(3, 10**30), Span(3, 10)),
            (ByteRange(9, None), Span(9, 10)),
            (ByteRange(None, 1), Span(9, 10)),
            (ByteRange(None, 10), Span(0, 10)),
            (ByteRange(None, 10**30), Span(0, 10)),
        ],
    )
    @on_loop
    async def test_a_part_is_that_part(self, store: ArtifactStore, part: ByteRange, span: Span) -> None:
        await put(store, ("a",), b"0123456789")
        async with await store.read(("a",), part) as download:
            assert download.span == span
            assert download.info.size == 10
            assert b"".join([chunk async for chunk in download]) == b"0123456789"[span.start : span.stop]

    @pytest.mark.parametrize("part", [ByteRange(10, None), ByteRange(10, 20), ByteRange(None, 0)])
    @on_loop
    async def test_a_part_behind_the_end_is_refused(self, store: ArtifactStore, part: ByteRange) -> None:
        await put(store, ("a",), b"0123456789")
        with pytest.raises(RangeNotSatisfiable) as caught:
            await store.read(("a",), part)
        assert caught.value.size == 10

    @on_loop
    async def test_a_part_of_something_large(self, store: ArtifactStore) -> None:
        content = pattern(4 * MEBIBYTE)
        await put(store, ("a",), content)
        assert (
            await get(store, ("a",), ByteRange(MEBIBYTE - 5, 3 * MEBIBYTE))
            == (content[MEBIBYTE - 5 : 3 * MEBIBYTE + 1])
        )

    @on_loop
    async def test_a_download_left_early_gives_back_what_it_holds(self, store: ArtifactStore) -> None:
        content = pattern(4 * MEBIBYTE)
        await put(store, ("a",), content)
        async with await store.read(("a",)) as download:
            first = await anext(aiter(download))
            assert content.startswith(first)
        await download.close()
        assert await get(store, ("a",)) == content

    @on_loop
    async def test_a_running_download_does_not_see_a_new_upload(self, store: ArtifactStore) -> None:
        old, new = pattern(4 * MEBIBYTE), bytes(4 * MEBIBYTE)
        await put(store, ("a",), old)
        async with await store.read(("a",)) as download:
            chunks = aiter(download)
            got = [await anext(chunks)]
            await put(store, ("a",), new)
            if self.snapshot_reads:
                got += [chunk async for chunk in chunks]
            else:
                with contextlib.suppress(BrokenRead):
                    async for chunk in chunks:
                        got.append(chunk)
        if self.snapshot_reads:
            assert b"".join(got) == old
        else:
            assert old.startswith(b"".join(got))
        assert await get(store, ("a",)) == new

    @on_loop
    async def test_of_uploads_at_once_one_wins_whole(self, store: ArtifactStore) -> None:
        contents = [bytes([number]) * (2 * MEBIBYTE + number) for number in range(8)]
        await asyncio.gather(*(put(store, ("deep", "er", "a"), content) for content in contents))
        assert await get(store, ("deep", "er", "a")) in contents

    @on_loop
    async def test_uploads_and_deletes_at_once_leave_whole_artifacts(self, store: ArtifactStore) -> None:
        async def make_and_remove(name: str) -> None:
            for _ in range(20):
                await put(store, ("folder", "deep", name), name.encode())
                await store.delete(("folder", "deep", name))

        await asyncio.gather(*(make_and_remove(name) for name in "abcdef"))
        assert await everything(store, ("folder", "deep")) == []
        assert not self.prunes or await everything(store, ()) == []
