"""Uploads in parts: whose they are, what they become, and how they are taken up again."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import secrets
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest
import requests

from jupyter_tracking import protocol
from jupyter_tracking.protocol.errors import ResourceDoesNotExist
from jupyter_tracking_server.access import Caller
from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.server import Server

from .conftest import Api, Refused, Reply

PROXY = "api/2.0/mlflow-artifacts"
PART = 5 * 2**20
IPV = (400, "INVALID_PARAMETER_VALUE")
GONE = (404, "RESOURCE_DOES_NOT_EXIST")


@dataclass
class Sender:
    """A client that sends one file to a run in parts."""

    api: Api
    root: str
    content: bytes = b"a" * PART + b"b" * PART + b"rest"
    path: str = "/home/jane/big.bin"
    folder: str = "models"
    told: dict[str, object] = field(default_factory=dict)

    @property
    def pieces(self) -> list[bytes]:
        return [self.content[start : start + PART] for start in range(0, len(self.content), PART)]

    def ask(self, call: str, **body: object) -> Reply:
        reply = self.api.session.post(
            f"{self.api.url}/{PROXY}/mpu/{call}/{self.root}/{self.folder}",
            json={"path": self.path, **body},
            timeout=60,
        )
        found: Reply = reply.json()
        if reply.status_code != 200:
            raise Refused(reply.status_code, found)
        return found

    def create(self, **more: object) -> Reply:
        return self.ask("create", **{"num_parts": len(self.pieces), **self.told, **more})

    def send(self, upload: Reply, *numbers: int, sound: bool = True) -> list[dict[str, object]]:
        """The parts that the credentials are for, or those of them with these numbers."""
        sent: list[dict[str, object]] = []
        for credential in upload["credentials"]:
            number = credential["part_number"]
            if numbers and number not in numbers:
                continue
            piece = self.pieces[number - 1]
            digest = base64.b64encode(hashlib.sha256(piece).digest()).decode()
            headers = {"x-checksum-sha256": digest} if sound else {}
            reply = requests.put(credential["url"], data=piece, headers=headers, timeout=60)
            assert (reply.status_code, reply.text) == (200, "{}")
            sent.append({"part_number": number, "etag": reply.headers["ETag"]})
        return sent

    def complete(self, upload: Reply, parts: Sequence[Mapping[str, object]]) -> Reply:
        return self.ask("complete", upload_id=upload["upload_id"], parts=parts)

    def abort(self, upload: Reply) -> Reply:
        return self.ask("abort", upload_id=upload["upload_id"])

    def get(self) -> requests.Response:
        name = self.path.replace("\\", "/").rpartition("/")[2]
        return self.api.session.get(
            f"{self.api.url}/{PROXY}/artifacts/{self.root}/{self.folder}/{name}", timeout=60
        )

    def tell_all(self) -> None:
        """Announce what our own client announces."""
        self.told = {
            "size": len(self.content),
            "sha256": hashlib.sha256(self.content).hexdigest(),
            "part_size": PART,
        }


@pytest.fixture
def sender(api: Api, run: str) -> Sender:
    return Sender(api, api.read(run)["info"]["artifact_uri"].removeprefix("mlflow-artifacts:/"))


def test_the_parts_become_the_artifact(sender: Sender) -> None:
    upload = sender.create()
    assert set(upload) == {"upload_id", "credentials"}
    assert [credential["part_number"] for credential in upload["credentials"]] == [1, 2, 3]
    parts = sender.send(upload, 3) + sender.send(upload, 2, 1)
    assert sender.get().status_code == 404
    assert sender.complete(upload, parts) == {}
    assert sender.get().content == sender.content


@pytest.mark.parametrize(
    "path", ["big.bin", "/home/jane/x/big.bin", "C:\\Users\\jane\\big.bin", "a/b\\big.bin"]
)
def test_a_clients_own_path_is_cut_to_its_name(sender: Sender, path: str) -> None:
    sender.content, sender.path = b"small", path
    upload = sender.create()
    assert sender.complete(upload, sender.send(upload)) == {}
    sender.path = "big.bin"
    assert sender.get().content == b"small"


@pytest.mark.parametrize("path", ["", "a/", "a\\", "..", "a/..", "x\n", " "])
def test_a_path_without_a_usable_name_is_refused(sender: Sender, path: str) -> None:
    sender.path = path
    with pytest.raises(Refused) as caught:
        sender.create()
    assert caught.value.verdict == IPV


@pytest.mark.parametrize("number", [0, -1, 10_001, 2**63 - 1])
def test_there_are_one_to_ten_thousand_parts(sender: Sender, number: int) -> None:
    with pytest.raises(Refused, match="between 1 and 10000") as caught:
        sender.create(num_parts=number)
    assert caught.value.verdict == IPV


@pytest.mark.parametrize(
    "told",
    [
        {"size": 100, "part_size": 10, "num_parts": 11},
        {"size": 0},
        {"size": -1},
        {"part_size": 0},
        {"sha256": "abc"},
        {"sha256": "0" * 64 + "\n"},
        {"sha256": "G" * 64},
        {"size": 2**63},
    ],
)
def test_what_a_client_announces_must_fit(sender: Sender, told: dict[str, object]) -> None:
    with pytest.raises(Refused) as caught:
        sender.create(**told)
    assert caught.value.verdict == IPV


def test_of_what_is_not_there_nothing_is_begun(sender: Sender) -> None:
    sender.root = f"424242/{'0' * 32}/artifacts"
    with pytest.raises(Refused) as caught:
        sender.create()
    assert caught.value.verdict == GONE


def test_an_upload_is_of_one_path(sender: Sender) -> None:
    upload = sender.create()
    parts = sender.send(upload)
    for change in ({"path": "other.bin"}, {"folder": "elsewhere"}):
        other = Sender(sender.api, sender.root, **change)  # type: ignore[arg-type]  # both are text
        with pytest.raises(Refused) as caught:
            other.complete(upload, parts)
        assert caught.value.verdict == GONE
        with pytest.raises(Refused) as caught:
            other.abort(upload)
        assert caught.value.verdict == GONE
    assert sender.complete(upload, parts) == {}


@pytest.mark.parametrize("call", ["complete", "abort"])
@pytest.mark.parametrize("upload_id", ["none", "../x", "é", "a" * 2048])
def test_an_upload_that_never_was_is_not_there(sender: Sender, call: str, upload_id: str) -> None:
    with pytest.raises(Refused) as caught:
        sender.ask(call, upload_id=upload_id)
    assert caught.value.verdict == GONE


def test_asked_again_to_complete_the_server_says_so_again(sender: Sender) -> None:
    upload = sender.create()
    parts = sender.send(upload)
    with ThreadPoolExecutor(3) as pool:
        assert list(pool.map(lambda _: sender.complete(upload, parts), range(3))) == [{}, {}, {}]
    assert sender.complete(upload, []) == {}


def test_asked_again_when_the_artifact_is_another_it_does_not(sender: Sender) -> None:
    sender.content = b"first"
    first, second = sender.create(), sender.create()
    parts = sender.send(first)
    assert sender.complete(first, parts) == {}
    sender.content = b"second"
    assert sender.complete(second, sender.send(second)) == {}
    with pytest.raises(Refused) as caught:
        sender.complete(first, parts)
    assert caught.value.verdict == GONE
    assert sender.get().content == b"second"


def test_what_is_done_cannot_be_aborted(sender: Sender) -> None:
    upload = sender.create()
    assert sender.complete(upload, sender.send(upload)) == {}
    with pytest.raises(Refused) as caught:
        sender.abort(upload)
    assert caught.value.verdict == GONE
    assert sender.get().content == sender.content


def test_an_aborted_upload_is_gone(sender: Sender) -> None:
    upload = sender.create()
    parts = sender.send(upload, 1)
    assert sender.abort(upload) == {}
    for act in (sender.abort, lambda one: sender.complete(one, parts)):
        with pytest.raises(Refused) as caught:
            act(upload)
        assert caught.value.verdict == GONE
    credential = upload["credentials"][1]
    assert requests.put(credential["url"], data=b"x", timeout=60).status_code == 404


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda parts: parts[:-1], "Part 3 "),
        (lambda parts: parts[1:], "Part 1 "),
        (list, "Part 2 "),
        (lambda parts: parts[3:], "Part 1 "),
        (lambda parts: [*parts, parts[0]], "3 parts, not 4"),
        (lambda parts: [*parts, {"part_number": 4, "etag": '"x"'}], "3 parts, not 4"),
        (lambda parts: [*parts, {"part_number": -1, "etag": '"x"'}], "3 parts, not 4"),
    ],
)
def test_all_parts_must_be_named_once_as_they_came(sender: Sender, change: Any, words: str) -> None:
    upload = sender.create()
    parts = sender.send(upload)
    named = change(parts)
    if change is list:
        named[1] = {**named[1], "etag": '"another"'}
    with pytest.raises(Refused, match=words) as caught:
        sender.complete(upload, named)
    assert caught.value.verdict == IPV
    assert sender.get().status_code == 404
    # It is open as before.
    assert sender.complete(upload, parts) == {}


def test_etags_may_have_lost_their_quotes_on_the_way(sender: Sender) -> None:
    upload = sender.create()
    parts = sender.send(upload)
    bare = [{**part, "etag": str(part["etag"]).strip('"')} for part in parts]
    bare[0] = {**bare[0], "etag": f"W/{parts[0]['etag']}"}
    assert sender.complete(upload, bare) == {}


def test_a_part_that_comes_again_takes_the_place_of_the_first(sender: Sender) -> None:
    upload = sender.create()
    parts = sender.send(upload)
    sender.content = b"A" * PART + sender.content[PART:]
    again = sender.send(upload, 1)
    with pytest.raises(Refused, match="Part 1 "):
        sender.complete(upload, parts)
    assert sender.complete(upload, [*again, *parts[1:]]) == {}
    assert sender.get().content == sender.content


def test_an_open_upload_of_the_same_file_is_taken_up_again(sender: Sender) -> None:
    sender.tell_all()
    first = sender.create()
    sent = sender.send(first, 1, 3)
    second = sender.create()
    assert (second["upload_id"], second["part_size"]) == (first["upload_id"], PART)
    assert second["parts"] == [
        {**part, "size": len(sender.pieces[part["part_number"] - 1])}  # type: ignore[operator]  # an int
        for part in sent
    ]
    assert [credential["part_number"] for credential in second["credentials"]] == [2]
    assert sender.complete(second, sent + sender.send(second)) == {}
    assert sender.get().content == sender.content


@pytest.mark.parametrize(
    "change", [{"sha256": "0" * 64}, {"size": 2 * PART + 5}, {"part_size": PART + 1}, {"sha256": None}]
)
def test_an_upload_of_another_file_is_not(sender: Sender, change: dict[str, object]) -> None:
    sender.tell_all()
    first = sender.create()
    sender.told.update(change)
    assert sender.create()["upload_id"] != first["upload_id"]
    sender.tell_all()
    sender.path = "other.bin"
    assert sender.create()["upload_id"] != first["upload_id"]


def test_what_is_done_or_aborted_is_not_taken_up(sender: Sender) -> None:
    sender.tell_all()
    first = sender.create()
    assert sender.complete(first, sender.send(first)) == {}
    second = sender.create()
    assert sender.abort(second) == {}
    third = sender.create()
    assert len({upload["upload_id"] for upload in (first, second, third)}) == 3
    assert "parts" not in third


def test_the_digest_of_checked_parts_is_kept(sender: Sender) -> None:
    sender.tell_all()
    upload = sender.create()
    assert sender.complete(upload, sender.send(upload)) == {}
    got = sender.get()
    assert got.headers["ETag"] == f'"{sender.told["sha256"]}"'
    assert got.headers["Digest"].startswith("sha-256=")


def test_the_digest_of_an_unchecked_part_is_not_believed(sender: Sender) -> None:
    sender.tell_all()
    upload = sender.create()
    parts = sender.send(upload)
    parts[1:2] = sender.send(upload, 2, sound=False)
    assert sender.complete(upload, parts) == {}
    got = sender.get()
    assert str(sender.told["sha256"]) not in got.headers["ETag"]
    assert "Digest" not in got.headers
    assert got.content == sender.content


def test_fewer_bytes_than_announced_are_not_completed(sender: Sender) -> None:
    sender.tell_all()
    upload = sender.create()
    sender.content = sender.content[:-1]
    parts = sender.send(upload)
    with pytest.raises(Refused, match="bytes together") as caught:
        sender.complete(upload, parts)
    assert caught.value.verdict == IPV


def test_presigned_downloads_are_refused_in_the_words_that_clients_know(api: Api) -> None:
    with pytest.raises(Refused, match="501 ") as caught:
        api.get("presigned/1/run/artifacts/a", PROXY)
    assert caught.value.message == "Multipart download is not supported for the current artifact repository"


def test_an_upload_is_of_one_user(tmp_path: Path) -> None:
    async def scene() -> None:
        server = Server(
            Settings(
                backend_store_uri=f"sqlite:///{tmp_path}/x.db", artifacts_destination=str(tmp_path / "a")
            )
        )
        jane, joe = Caller("jane", "token"), Caller("joe", "token")
        try:
            made = await server.run(
                protocol.runs.create_run, jane, protocol.runs.CreateRun(experiment_id="0")
            )
            run = protocol.wire.decode_json(protocol.runs.RunReply, made)
            folder = run.run.info.artifact_uri.removeprefix("mlflow-artifacts:/")
            create = protocol.artifacts.CreateMultipartUpload(
                folder, "f", 1, size=1, sha256=hashlib.sha256(b"x").hexdigest()
            )
            ids = []
            for caller in (jane, joe, jane):
                reply = await server.run(protocol.artifacts.create_multipart_upload, caller, create)
                ids.append(protocol.wire.decode_json(protocol.artifacts.MultipartUpload, reply).upload_id)
            assert ids[0] == ids[2] != ids[1]
            with pytest.raises(ResourceDoesNotExist):
                await server.run(
                    protocol.artifacts.complete_multipart_upload,
                    joe,
                    protocol.artifacts.CompleteMultipartUpload(folder, "f", ids[0]),
                )
            abort = protocol.artifacts.AbortMultipartUpload(folder, "f", ids[0])
            with pytest.raises(ResourceDoesNotExist):
                await server.run(protocol.artifacts.abort_multipart_upload, joe, abort)
            await server.run(protocol.artifacts.abort_multipart_upload, jane, abort)
        finally:
            await server.close()

    asyncio.run(scene())


def test_ids_cannot_be_guessed(sender: Sender) -> None:
    ids = {sender.create()["upload_id"] for _ in range(3)}
    assert len(ids) == 3
    assert all(len(upload_id) >= len(secrets.token_urlsafe(24)) for upload_id in ids)
