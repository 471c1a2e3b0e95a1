"""Rows of uploads in parts: how they are found, who may complete one, and what is idle."""

from __future__ import annotations

import dataclasses

from jupyter_tracking_server.store import artifact_uploads
from jupyter_tracking_server.store.artifact_uploads import Terms, UploadRow
from jupyter_tracking_server.store.database import Database

TERMS = Terms("1/r/artifacts/é/f.bin", "jane", 3, 2**40, "a" * 64, 2**30)


def test_a_row_comes_back_as_it_was(database: Database) -> None:
    rows = [
        UploadRow("a", "of the store's", TERMS, 5),
        UploadRow("b", "x", Terms("k", "", 10_000), 7, '"made"'),
    ]
    with database.write() as tx:
        for row in rows:
            artifact_uploads.add(tx, row)
    with database.read() as tx:
        assert [artifact_uploads.find(tx, row.upload_id) for row in rows] == rows
        assert artifact_uploads.find(tx, "none") is None


def test_only_the_newest_open_upload_on_the_same_terms_is_found(database: Database) -> None:
    changes = [
        {"key": "other"},
        {"user_id": "joe"},
        {"num_parts": 4},
        {"size": 5},
        {"part_size": None},
        {"sha256": "b" * 64},
    ]
    with database.write() as tx:
        for number, change in enumerate(changes):
            other = dataclasses.replace(TERMS, **change)  # type: ignore[arg-type]  # one field of many kinds
            artifact_uploads.add(tx, UploadRow(f"other{number}", "", other, 100))
        assert artifact_uploads.find_open(tx, TERMS) is None
        for name, touched in (("old", 1), ("new", 3), ("done", 5), ("busy", 9)):
            artifact_uploads.add(tx, UploadRow(name, "", TERMS, touched))
        artifact_uploads.set_made(tx, "done", '"e"')
        assert artifact_uploads.begin_completing(tx, "busy", 9, 60)
        found = artifact_uploads.find_open(tx, TERMS)
        assert found is not None
        assert found.upload_id == "new"
        artifact_uploads.touch(tx, "old", 50)
        found = artifact_uploads.find_open(tx, TERMS)
        assert found is not None
        assert found.upload_id == "old"


def test_one_completes_until_it_is_done_or_silent(database: Database) -> None:
    with database.write() as tx:
        artifact_uploads.add(tx, UploadRow("u", "", TERMS, 0))
        assert artifact_uploads.begin_completing(tx, "u", 1000, 60)
        assert not artifact_uploads.begin_completing(tx, "u", 1050, 60)
        artifact_uploads.keep_completing(tx, "u", 1050)
        assert not artifact_uploads.begin_completing(tx, "u", 1105, 60)
        assert artifact_uploads.begin_completing(tx, "u", 1111, 60)
        artifact_uploads.end_completing(tx, "u")
        assert artifact_uploads.begin_completing(tx, "u", 1112, 60)
        artifact_uploads.set_made(tx, "u", '"e"')
        artifact_uploads.keep_completing(tx, "u", 1113)
        assert not artifact_uploads.begin_completing(tx, "u", 9999, 60)
        assert not artifact_uploads.begin_completing(tx, "none", 9999, 60)
        found = artifact_uploads.find(tx, "u")
        assert found is not None
        assert (found.made, found.touched) == ('"e"', 1112)


def test_sound_parts_are_those_that_came_last(database: Database) -> None:
    with database.write() as tx:
        artifact_uploads.add(tx, UploadRow("u", "", TERMS, 0))
        for number, etag in ((1, "a"), (2, "b"), (1, "c"), (3, "d"), (2, None)):
            artifact_uploads.set_part(tx, "u", number, etag)
        artifact_uploads.set_part(tx, "gone", 1, "a")
        assert artifact_uploads.sound_parts(tx, "u") == {1: "c", 3: "d"}
        assert artifact_uploads.sound_parts(tx, "gone") == {}
        artifact_uploads.drop(tx, "u")
        assert artifact_uploads.find(tx, "u") is None
        assert artifact_uploads.sound_parts(tx, "u") == {}


def test_idle_uploads_come_oldest_first(database: Database) -> None:
    with database.write() as tx:
        for name, touched in (("c", 30), ("a", 10), ("b", 20), ("d", 40)):
            artifact_uploads.add(tx, UploadRow(name, "", TERMS, touched))
        artifact_uploads.set_made(tx, "b", '"e"')
        found = artifact_uploads.idle(tx, 40, 10)
        assert [row.upload_id for row in found] == ["a", "b", "c"]
        assert [row.upload_id for row in artifact_uploads.idle(tx, 40, 2)] == ["a", "b"]
