"""Azure: the contract on Azurite, and what only Azure has: forms of its address, keys, signatures, blocks."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from urllib.parse import urlsplit

import pytest
import requests

from jupyter_tracking_server.artifact_stores.azure import AzureStore
from jupyter_tracking_server.artifact_stores.azure_account import find_account
from jupyter_tracking_server.artifact_stores.azure_blobs import BlobService
from jupyter_tracking_server.artifact_stores.base import ArtifactStore, Part
from jupyter_tracking_server.artifact_stores.errors import InvalidPart, NoSuchArtifact, StoreUnavailable
from jupyter_tracking_server.artifact_stores.registry import UnusableDestination, open_store
from tests.cloud_servers import ACCOUNT, AzureServer, azurite
from tests.servers import free_port

from .contract import MEBIBYTE, ArtifactStoreContract, everything, get, noise, on_loop, put, put_part
from .contract_parts import KEY

KEY_WORDS = {"AZURE_STORAGE_ACCESS_KEY": base64.b64encode(b"k" * 64).decode()}


@pytest.fixture(scope="module")
def server() -> Iterator[AzureServer]:
    with azurite() as server:
        yield server


@pytest.fixture(scope="module")
def container(server: AzureServer) -> str:
    return server.create_container()


@pytest.fixture
def url(container: str) -> str:
    """A folder in the container for each test."""
    return f"wasbs://{container}@{ACCOUNT}.blob.core.windows.net/tests/{secrets.token_hex(6)}"


@pytest.fixture
def open_another(server: AzureServer, url: str, monkeypatch: pytest.MonkeyPatch) -> Callable[[], AzureStore]:
    for name, value in server.environment.items():
        monkeypatch.setenv(name, value)

    def opened() -> AzureStore:
        store = open_store(url)
        assert isinstance(store, AzureStore)
        return store

    return opened


@pytest.fixture
def store(open_another: Callable[[], AzureStore]) -> Iterator[AzureStore]:
    store = open_another()
    yield store
    asyncio.run(store.close())


class TestAzureStore(ArtifactStoreContract):
    """A folder in a container."""

    flat = True

    @on_loop
    async def test_uploads_of_one_key_do_not_meet(self, store: ArtifactStore) -> None:
        """They do: when a blob is made, Azure drops all blocks of its name, so the second starts again."""
        one, two = await store.begin(KEY), await store.begin(KEY)
        first = await put_part(store, KEY, one, 1, b"one")
        second = await put_part(store, KEY, two, 1, b"two, two")
        await store.complete(KEY, one, [first])
        assert await get(store, KEY) == b"one"
        assert await store.parts(KEY, two) == []
        with pytest.raises(InvalidPart):
            await store.complete(KEY, two, [second])
        again = await put_part(store, KEY, two, 1, b"two, two")
        await store.complete(KEY, two, [again])
        assert await get(store, KEY) == b"two, two"

    @on_loop
    async def test_markers_and_empty_segments_of_others_are_not_listed_but_go_with_their_folder(
        self, store: AzureStore, blobs: BlobService
    ) -> None:
        await put(store, ("folder", "a"), b"x")
        for name in ("folder/", "folder//b"):
            put_blob(blobs, store.prefix + name)
        assert await everything(store, ("folder",)) == [("a", 1)]
        assert await store.delete(("folder",))
        assert (await blobs.names(store.prefix)).blobs == []

    @on_loop
    async def test_folders_of_a_file_system_are_no_artifacts(
        self, store: AzureStore, blobs: BlobService
    ) -> None:
        """As Data Lake storage and Hadoop mark them; Azurite has no hierarchical namespace itself."""
        await put(store, ("a", "b", "file"), b"x")
        for name in ("a", "a/b", "a/empty"):
            put_blob(blobs, store.prefix + name, {"x-ms-meta-hdi_isfolder": "true"})
        assert await everything(store, ()) == [("a", None)]
        assert await everything(store, ("a",)) == [("b", None)]
        for key in [("a", "empty"), ("a", "none")]:
            with pytest.raises(NoSuchArtifact):
                await store.info(key)
            with pytest.raises(NoSuchArtifact):
                await store.read(key)
        assert await store.delete(("a",))
        left = await blobs.names(store.prefix)
        assert (left.blobs, left.directories) == ([], [])


@pytest.fixture
def blobs(server: AzureServer, url: str) -> Iterator[BlobService]:
    """The container, past the store."""
    service = BlobService(find_account(url, server.environment), None)
    yield service
    service.close()


def put_blob(blobs: BlobService, name: str, headers: dict[str, str] | None = None) -> None:
    """Make an empty blob."""
    given = {"x-ms-blob-type": "BlockBlob", **(headers or {})}
    blobs.require(blobs.send("PUT", name, {}, b"", given), 201)


async def use(store: ArtifactStore) -> None:
    """Each way to the container."""
    await put(store, ("a",), noise(1, 6 * MEBIBYTE))
    assert await get(store, ("a",)) == noise(1, 6 * MEBIBYTE)
    upload = await store.begin(KEY)
    part = await put_part(store, KEY, upload, 1, noise(2, MEBIBYTE))
    await store.complete(KEY, upload, [part])
    assert await everything(store, ()) == [("1", None), ("a", 6 * MEBIBYTE)]
    assert await store.delete(("1",))
    assert await store.delete(("a",))


@pytest.mark.parametrize(
    "words", ["connection", "key", "account key", "signature", "connection with signature"]
)
@on_loop
async def test_a_key_or_a_signature_opens_the_container(
    server: AzureServer, url: str, monkeypatch: pytest.MonkeyPatch, words: str
) -> None:
    place = {"AZURE_STORAGE_ENDPOINT": server.endpoint}
    signature = server.signature()
    environment = {
        "connection": server.environment,
        "key": {"AZURE_STORAGE_ACCESS_KEY": server.key, **place},
        "account key": {"AZURE_STORAGE_ACCOUNT_KEY": server.key, **place},
        "signature": {"AZURE_STORAGE_SAS_TOKEN": f"?{signature}", **place},
        "connection with signature": {
            "AZURE_STORAGE_CONNECTION_STRING": (
                f"BlobEndpoint={server.endpoint};SharedAccessSignature={signature}"
            )
        },
    }[words]
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    store = open_store(url)
    # What is needed of the environment is read at the beginning.
    for name in environment:
        monkeypatch.delenv(name)
    await use(store)
    # A signature that was given to the server is not handed on.
    assert (store.signer is None) == ("signature" in words)
    await store.close()


@on_loop
async def test_both_forms_of_the_address_are_the_same_place(
    store: AzureStore, url: str, container: str
) -> None:
    await put(store, ("a",), b"x")
    folder = urlsplit(url).path
    for scheme, host in [("abfss", "dfs"), ("abfs", "dfs"), ("wasb", "blob"), ("WASBS", "blob")]:
        address = f"{scheme}://{container}@{ACCOUNT}.{host}.core.windows.net{folder}/"
        other = open_store(address)
        assert await everything(other, ()) == [("a", 1)]
        assert other.url == address.rstrip("/").lower()
        await other.close()


@pytest.mark.parametrize(
    ("destination", "endpoint", "folder"),
    [
        ("wasbs://c-1@account.blob.core.windows.net", "https://account.blob.core.windows.net", ""),
        ("abfss://files@account.dfs.core.windows.net/", "https://account.blob.core.windows.net", ""),
        (
            "abfss://files@acc.dfs.core.chinacloudapi.cn/a/b%20c/",
            "https://acc.blob.core.chinacloudapi.cn",
            "a/b c",
        ),
        ("wasbs://$root@acc.z12.blob.storage.azure.net/a", "https://acc.z12.blob.storage.azure.net", "a"),
    ],
)
def test_an_address_names_account_container_and_folder(destination: str, endpoint: str, folder: str) -> None:
    account = find_account(destination, KEY_WORDS)
    assert (account.endpoint, account.folder) == (endpoint, folder)
    assert account.container == urlsplit(destination).username
    assert KEY_WORDS["AZURE_STORAGE_ACCESS_KEY"] not in repr(account)


@pytest.mark.parametrize(
    "destination",
    [
        "wasbs://",
        "wasbs://container",
        "wasbs://account.blob.core.windows.net/container",
        "wasbs://Container@account.blob.core.windows.net",
        "wasbs://container@account.example.com/x",
        "wasbs://container:secret@account.blob.core.windows.net/x",
        "wasbs://container@account.blob.core.windows.net/x?sv=1&sig=secret",
        "abfss://@account.dfs.core.windows.net/x",
    ],
)
def test_an_address_that_names_no_container_is_refused(destination: str) -> None:
    with pytest.raises(UnusableDestination, match=r"wasbs://<container>@<account>") as caught:
        open_store(destination)
    assert "secret" not in str(caught.value)


@pytest.mark.parametrize(
    ("connection", "cure"),
    [
        ("AccountName=other;AccountKey=c2VjcmV0", "is of the account other"),
        ("AccountName=account;EndpointSuffix=core.windows.net", "Access keys"),
        ("secret", "Access keys"),
    ],
)
def test_a_connection_string_of_no_use_is_refused(
    connection: str, cure: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("AZURE_STORAGE_CONNECTION_STRING", connection)
    with pytest.raises(UnusableDestination, match=cure) as caught:
        open_store("wasbs://container@account.blob.core.windows.net")
    assert "secret" not in str(caught.value)
    assert "c2VjcmV0" not in str(caught.value)


def test_without_key_or_signature_a_package_is_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "azure.identity", None)
    with pytest.raises(UnusableDestination, match=r"pip install 'jupyter-tracking\[azure\]'"):
        open_store("wasbs://container@account.blob.core.windows.net")


@pytest.mark.parametrize("wrong", ["key", "signature", "token"])
@on_loop
async def test_wrong_credentials_make_the_store_unavailable_and_are_not_told(
    server: AzureServer, url: str, wrong: str, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    right = find_account(url, server.environment)
    secret = {
        "key": base64.b64encode(b"s" * 64).decode(),
        "signature": server.signature().replace("sig=", "sig=secret"),
        "token": "secret.token.x",
    }[wrong]
    form = {"key": "access_key", "signature": "sas_token", "token": "token"}[wrong]
    store = AzureStore(replace(right, credential=lambda: {form: secret, "expires_at": None}))  # type: ignore[arg-type, return-value]  # one of the three forms
    for attempt in (
        store.info(KEY),
        store.entries(()),
        store.begin(KEY),
        put(store, KEY, b"x"),
        store.read(KEY),
    ):
        with pytest.raises(StoreUnavailable) as caught:
            await attempt
        assert secret not in str(caught.value)
    assert "40" in caplog.text
    told = [record.getMessage() for record in caplog.records if record.name == "jupyter_tracking"]
    assert len(told) >= 5
    assert not [line for line in told if secret in line or "sig=" in line]
    await store.close()


@on_loop
async def test_a_service_that_is_not_there_is_unavailable(server: AzureServer, url: str) -> None:
    account = replace(find_account(url, server.environment), endpoint=f"http://127.0.0.1:{free_port()}/x")
    store = AzureStore(account)
    for attempt in (store.info(KEY), store.entries(()), store.begin(KEY), put(store, KEY, b"x")):
        with pytest.raises(StoreUnavailable):
            await attempt
    await store.close()


@on_loop
async def test_a_signed_address_is_enough_to_read(store: AzureStore) -> None:
    key = ("folder", "a b#?%41ü+&=")
    await put(store, key, b"content")
    assert store.signer is not None
    signed = await store.signer.sign_read(key, 60)
    answer = await asyncio.to_thread(requests.get, signed.url, headers=signed.headers, timeout=30)
    assert answer.content == b"content"
    other = await asyncio.to_thread(requests.get, signed.url.replace("folder", "golder"), timeout=30)
    assert other.status_code == 403


@on_loop
async def test_parts_go_to_their_signed_addresses(store: AzureStore) -> None:
    assert store.signer is not None
    upload = await store.begin(KEY)
    for number, content in [(1, b"old"), (2, b"second"), (1, b"first")]:
        signed = await store.signer.sign_part(KEY, upload, number, 60)
        sent = await asyncio.to_thread(
            requests.put, signed.url, data=content, headers=signed.headers, timeout=30
        )
        assert sent.status_code == 201
        # So a client has nothing to say.
        assert "ETag" not in sent.headers
    assert [(part.number, part.size) for part in await store.parts(KEY, upload)] == [(1, 5), (2, 6)]
    await store.complete(KEY, upload, [Part(1, 5, ""), Part(2, 6, "")])
    assert await get(store, KEY) == b"firstsecond"


@on_loop
async def test_folders_of_a_container_do_not_see_each_other(store: AzureStore, url: str) -> None:
    one, two = open_store(f"{url}/a"), open_store(f"{url}/ab")
    await put(two, ("x", "y"), b"two")
    upload = await two.begin(KEY)
    assert await everything(one, ()) == []
    assert not await one.delete(("x",))
    assert await one.sweep(0) == 0
    assert await two.parts(KEY, upload) == []
    assert await get(two, ("x", "y")) == b"two"
    for other in (one, two):
        await other.close()
