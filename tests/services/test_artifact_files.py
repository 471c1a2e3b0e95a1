"""What is known of stored artifacts beside their bytes, as it shows in their entity tags."""

from __future__ import annotations

import hashlib
import os

import pytest

from tests.servers import Server

from .conftest import Api

PROXY = "api/2.0/mlflow-artifacts/artifacts"


class Root:
    """The artifacts of a run, as clients and as the disk see them."""

    def __init__(self, api: Api, server: Server, run: str) -> None:
        self._api = api
        self._root: str = api.read(run)["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/")
        self.folder = server.log.parent / "artifacts" / self._root

    def send(self, verb: str, path: str, content: bytes = b"") -> str:
        """The entity tag in the answer."""
        url = f"{self._api.url}/{PROXY}/{self._root}/{path}"
        reply = self._api.session.request(verb, url, data=content, timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.headers.get("Etag", "")


def tag(content: bytes) -> str:
    return f'"{hashlib.sha256(content).hexdigest()}"'


@pytest.fixture
def root(api: Api, server: Server, run: str) -> Root:
    return Root(api, server, run)


def test_what_was_stored_is_known_by_its_checksum(root: Root) -> None:
    for content in (b"first", b"second", b""):
        assert root.send("PUT", "folder/a", content) == tag(content)
        assert root.send("HEAD", "folder/a") == root.send("GET", "folder/a") == tag(content)


def test_what_another_hand_has_changed_goes_by_the_tag_of_the_store(root: Root) -> None:
    root.send("PUT", "a", b"first")
    (root.folder / "a").write_bytes(b"other, and longer")
    assert root.send("HEAD", "a") not in {tag(b"first"), tag(b"other, and longer"), ""}
    (root.folder / "b").write_bytes(b"by another hand")
    assert root.send("HEAD", "b") not in {tag(b"by another hand"), ""}


@pytest.mark.parametrize("deleted", ["folder/a", "folder", ""])
def test_what_is_deleted_is_forgotten(root: Root, deleted: str) -> None:
    root.send("PUT", "folder/a", b"first")
    root.send("PUT", "folder0", b"beside")
    # The same inode and times, so that only a row that is gone can tell.
    kept = root.folder.parent.parent / f"kept-{root.folder.parent.name}"
    os.link(root.folder / "folder" / "a", kept)
    root.send("DELETE", deleted)
    assert not (root.folder / "folder").exists()
    (root.folder / "folder").mkdir(parents=True)
    kept.rename(root.folder / "folder" / "a")
    assert root.send("HEAD", "folder/a") not in {tag(b"first"), ""}
    if deleted:
        assert root.send("HEAD", "folder0") == tag(b"beside")


def test_many_uploads_are_all_known(root: Root) -> None:
    contents = [b"%d" % number for number in range(300)]
    for number, content in enumerate(contents):
        root.send("PUT", f"many/{number}", content)
    assert [root.send("HEAD", f"many/{number}") for number in range(300)] == [tag(item) for item in contents]
