"""What folders are, how they are listed, and how things go."""

from __future__ import annotations

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore
from jupyter_tracking_server.artifact_stores.errors import NoSuchArtifact, NotAFile, NotAFolder
from jupyter_tracking_server.artifact_stores.keys import Key

from .transfers import MEBIBYTE, everything, get, on_loop, pattern, put, put_all


class FoldersContract:
    """Listings and deletes."""

    flat: bool
    prunes: bool = True

    @on_loop
    async def test_what_is_not_there_is_said_to_be_not_there(self, store: ArtifactStore) -> None:
        await put(store, ("folder", "file"), b"x")
        for key in [("none",), ("folder", "none"), ("none", "none"), ("folder", "file", "below")]:
            with pytest.raises(NoSuchArtifact):
                await store.read(key)
            with pytest.raises(NoSuchArtifact):
                await store.info(key)
            assert await everything(store, key) == []
            assert not await store.delete(key)
        assert await get(store, ("folder", "file")) == b"x"

    @on_loop
    async def test_a_folder_is_no_file_and_a_file_no_folder(self, store: ArtifactStore) -> None:
        if self.flat:
            pytest.skip("its keys are flat")
        await put(store, ("folder", "file"), b"x")
        for size in (1, 2 * MEBIBYTE):
            with pytest.raises(NotAFile):
                await put(store, ("folder",), pattern(size))
            with pytest.raises(NotAFolder):
                await put(store, ("folder", "file", "below"), pattern(size))
            with pytest.raises(NotAFolder):
                await put(store, ("folder", "file", "far", "below"), pattern(size))
        with pytest.raises(NotAFile):
            await store.read(("folder",))
        with pytest.raises(NotAFile):
            await store.info(("folder",))
        assert await everything(store, ("folder", "file")) == []
        assert await get(store, ("folder", "file")) == b"x"
        assert [entry.name for entry in await everything(store, ())] == ["folder"]

    @on_loop
    async def test_entries_are_one_level_and_sorted(self, store: ArtifactStore) -> None:
        for key in [("b", "x"), ("a", "y", "z"), ("c",), ("B",), ("a", "x")]:
            await put(store, key, b"12")
        assert [tuple(entry) for entry in await everything(store, ())] == [
            ("B", 2),
            ("a", None),
            ("b", None),
            ("c", 2),
        ]
        assert [tuple(entry) for entry in await everything(store, ("a",))] == [("x", 2), ("y", None)]

    @on_loop
    async def test_delete_takes_a_file_a_folder_and_what_is_left_empty(self, store: ArtifactStore) -> None:
        for key in [("1", "run", "a"), ("1", "run", "f", "b"), ("1", "run", "f", "g", "c"), ("2", "x")]:
            await put(store, key, b"x")
        assert await store.delete(("1", "run", "a"))
        assert not await store.delete(("1", "run", "a"))
        assert await store.delete(("1", "run", "f"))
        assert await everything(store, ("1", "run")) == []
        left = [entry.name for entry in await everything(store, ())]
        assert left == (["2"] if self.prunes else ["1", "2"])

    @on_loop
    async def test_the_root_is_never_deleted(self, store: ArtifactStore) -> None:
        await put(store, ("a",), b"x")
        with pytest.raises(ValueError, match="root"):
            await store.delete(())
        assert await get(store, ("a",)) == b"x"

    @on_loop
    async def test_a_flat_store_reads_the_file_and_lists_file_and_folder(self, store: ArtifactStore) -> None:
        if not self.flat:
            pytest.skip("its folders are folders")
        await put(store, ("both", "file"), b"below")
        await put(store, ("both",), b"it")
        assert await get(store, ("both",)) == b"it"
        assert await get(store, ("both", "file")) == b"below"
        assert await everything(store, ()) == [("both", 2), ("both", None)]
        assert await everything(store, (), limit=1) == [("both", 2), ("both", None)]
        with pytest.raises((NotAFile, NoSuchArtifact)):
            await store.info(("both", "file", "none"))

    @pytest.mark.parametrize("limit", [1, 2, 3, 7, 1000])
    @on_loop
    async def test_a_folder_is_sorted_as_if_it_ended_in_a_slash(
        self, store: ArtifactStore, limit: int
    ) -> None:
        # A hyphen and a dot sort before the slash, a zero after it.
        expected = [("a-b", 0), ("a.b", 1), ("a", None), ("a0", 2), ("z", 0), ("é", None), ("😀", 3)]
        for name, size in expected:
            await put(store, ("f", name, "x") if size is None else ("f", name), bytes(size or 0))
        assert await everything(store, ("f",), limit) == expected

    @on_loop
    async def test_thousands_come_page_by_page_and_go_at_once(self, store: ArtifactStore) -> None:
        contents: dict[Key, bytes] = {("many", f"{number:04}"): bytes(number % 3) for number in range(2500)}
        await put_all(store, {**contents, ("many", "deep", "er", "file"): b"", ("other",): b"x"})
        expected = [(key[-1], len(content)) for key, content in contents.items()] + [("deep", None)]
        cursor, found, pages = "", [], 0
        while pages == 0 or cursor:
            page = await store.entries(("many",), cursor, 10_000)
            assert len(page.entries) <= 1000
            found += page.entries
            cursor, pages = page.cursor, pages + 1
        assert found == expected
        assert pages >= 3
        assert await store.delete(("many",))
        assert await everything(store, ("many",)) == []
        assert not await store.delete(("many",))
        assert await everything(store, ()) == [("other", 1)]

    @on_loop
    async def test_names_that_begin_alike_are_not_deleted_too(self, store: ArtifactStore) -> None:
        for key in [("a", "x"), ("a", "y", "z"), ("ab",), ("a.b",), ("b", "a")]:
            await put(store, key, b"x")
        assert await store.delete(("a",))
        assert await everything(store, ()) == [("a.b", 1), ("ab", 1), ("b", None)]
