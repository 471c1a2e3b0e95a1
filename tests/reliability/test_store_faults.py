"""A store behind a line that fails: what is whole stays whole, and nothing is seen of the rest."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactInfo, ArtifactStore
from jupyter_tracking_server.artifact_stores.errors import BrokenRead, StoreUnavailable
from jupyter_tracking_server.artifact_stores.registry import open_store
from jupyter_tracking_server.artifact_stores.s3 import STALL_VARIABLE
from tests.artifact_stores.transfers import MEBIBYTE, everything, get, noise, on_loop, put, put_part
from tests.object_servers import S3Server
from tests.reliability.fault_proxy import Fault, FaultProxy, fault_proxy

KEY = ("1", "run", "model.bin")
OLD, NEW = noise(1, 20 * MEBIBYTE), noise(2, 21 * MEBIBYTE)
TRIES = 3
SLOW_DOWN = {"status": 503, "code": "SlowDown"}
LARGE = 200_000
STALL = 2
"""Seconds that the store waits for a byte."""


@pytest.fixture(scope="module")
def bucket(s3_server: S3Server) -> str:
    return s3_server.create_bucket()


@pytest.fixture
def proxy(s3_server: S3Server) -> Iterator[FaultProxy]:
    with fault_proxy(s3_server.endpoint) as proxy:
        yield proxy


@pytest.fixture
def store(
    s3_server: S3Server, bucket: str, proxy: FaultProxy, monkeypatch: pytest.MonkeyPatch
) -> Iterator[ArtifactStore]:
    """A store behind the proxy, with little patience; at the end nothing unfinished is left."""
    for name, value in s3_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_S3_ENDPOINT_URL", proxy.endpoint)
    monkeypatch.setenv(STALL_VARIABLE, str(STALL))
    store = open_store(f"s3://{bucket}/artifacts")
    asyncio.run(_store_old(store))
    yield store
    proxy.faults = []
    asyncio.run(_check_and_close(store))
    assert s3_server.client().list_multipart_uploads(Bucket=bucket).get("Uploads", []) == []


async def _store_old(store: ArtifactStore) -> None:
    await put(store, KEY, OLD)


async def _check_and_close(store: ArtifactStore) -> None:
    await store.sweep(0)
    assert [entry.name for entry in await everything(store, KEY[:-1])] == [KEY[-1]]
    await store.close()


async def _collect(chunks: AsyncIterator[bytes], into: list[bytes]) -> None:
    async for chunk in chunks:
        into.append(chunk)


async def _put_parts(store: ArtifactStore, content: bytes) -> ArtifactInfo:
    upload = await store.begin(KEY)
    part = await put_part(store, KEY, upload, 1, content)
    return await store.complete(KEY, upload, [part])


WRITES: dict[str, Callable[[ArtifactStore], Awaitable[ArtifactInfo]]] = {
    "one request": lambda store: put(store, KEY, NEW[:1_000_000]),
    "in parts": lambda store: put(store, KEY, NEW),
    "a client's part": lambda store: _put_parts(store, NEW[:1_000_000]),
}


@pytest.mark.parametrize("answer", [{}, SLOW_DOWN], ids=["500", "SlowDown"])
@pytest.mark.parametrize("way", ["one request", "in parts"])
@on_loop
async def test_two_refusals_of_a_write_are_overcome(
    store: ArtifactStore, proxy: FaultProxy, answer: dict[str, object], way: str
) -> None:
    proxy.faults = [Fault("status", "PUT", 2, **answer), Fault("status", "POST", 2, **answer)]  # type: ignore[arg-type]  # status and code
    info = await WRITES[way](store)
    assert proxy.faults[0].hits == 2
    assert await get(store, KEY) == NEW[: info.size]


@pytest.mark.parametrize("answer", [{}, SLOW_DOWN], ids=["500", "SlowDown"])
@pytest.mark.parametrize("way", list(WRITES))
@on_loop
async def test_a_write_that_is_refused_again_and_again_leaves_the_old(
    store: ArtifactStore, proxy: FaultProxy, answer: dict[str, object], way: str
) -> None:
    proxy.faults = [Fault("status", "PUT", 10**6, **answer)]  # type: ignore[arg-type]  # status and code
    with pytest.raises(StoreUnavailable):
        await WRITES[way](store)
    proxy.faults = []
    assert await get(store, KEY) == OLD


@on_loop
async def test_an_upload_that_cannot_be_completed_leaves_the_old(
    store: ArtifactStore, proxy: FaultProxy
) -> None:
    proxy.faults = [Fault("status", "POST", 10**6, match="uploadId")]
    for way in ("in parts", "a client's part"):
        with pytest.raises(StoreUnavailable):
            await WRITES[way](store)
    assert await get(store, KEY) == OLD


@pytest.mark.parametrize("kind", ["cut up", "stall up"])
@pytest.mark.parametrize("way", list(WRITES))
@on_loop
async def test_a_write_whose_line_breaks_or_stalls_leaves_the_old(
    store: ArtifactStore, proxy: FaultProxy, kind: str, way: str
) -> None:
    byte = random.randrange(LARGE)
    proxy.faults = [Fault(kind, "PUT", 10**6, byte=byte, least=LARGE)]
    with pytest.raises(StoreUnavailable):
        await asyncio.wait_for(WRITES[way](store), 30)
    proxy.faults = []
    assert await get(store, KEY) == OLD, byte


@pytest.mark.parametrize("way", ["one request", "in parts"])
@on_loop
async def test_a_write_goes_on_after_a_cut(store: ArtifactStore, proxy: FaultProxy, way: str) -> None:
    proxy.faults = [Fault("cut up", "PUT", 2, byte=random.randrange(LARGE), least=LARGE)]
    info = await WRITES[way](store)
    assert await get(store, KEY) == NEW[: info.size]


@pytest.mark.parametrize("times", [1, 2])
@on_loop
async def test_a_read_goes_on_after_a_cut(store: ArtifactStore, proxy: FaultProxy, times: int) -> None:
    proxy.faults = [Fault("cut down", "GET", times, byte=random.randrange(len(OLD) // 3), match="model.bin")]
    assert await get(store, KEY) == OLD
    assert proxy.faults[0].hits == times


@pytest.mark.parametrize("kind", ["cut down", "stall down"])
@on_loop
async def test_a_read_that_cannot_go_on_breaks(store: ArtifactStore, proxy: FaultProxy, kind: str) -> None:
    proxy.faults = [Fault(kind, "GET", 10**6, byte=random.randrange(MEBIBYTE), match="model.bin")]
    got: list[bytes] = []
    async with await store.read(KEY) as download:
        with pytest.raises(BrokenRead):
            await _collect(aiter(download), got)
    assert OLD.startswith(b"".join(got))
    assert len(b"".join(got)) < len(OLD)


@on_loop
async def test_a_read_that_goes_on_never_mixes_two_artifacts(
    s3_server: S3Server, bucket: str, store: ArtifactStore, proxy: FaultProxy
) -> None:
    proxy.faults = [Fault("cut down", "GET", 1, byte=15 * MEBIBYTE, match="model.bin")]
    got = []
    async with await store.read(KEY) as download:
        chunks = aiter(download)
        got.append(await anext(chunks))
        await asyncio.to_thread(
            s3_server.client().put_object, Bucket=bucket, Key=f"artifacts/{'/'.join(KEY)}", Body=NEW
        )
        with pytest.raises(BrokenRead):
            await _collect(chunks, got)
    assert OLD.startswith(b"".join(got))


@on_loop
async def test_reads_and_listings_that_are_refused_are_tried_three_times(
    store: ArtifactStore, proxy: FaultProxy
) -> None:
    for read in (lambda: get(store, KEY), lambda: store.entries(()), lambda: store.begin(KEY)):
        for verb in ("GET", "POST"):
            proxy.faults.append(Fault("status", verb, 10**6, **SLOW_DOWN))  # type: ignore[arg-type]  # status and code
        with pytest.raises(StoreUnavailable):
            await read()
        assert max(fault.hits for fault in proxy.faults) == TRIES
        proxy.faults = []


@pytest.mark.parametrize("byte", [0, 1, 100])
@on_loop
async def test_a_listing_that_is_cut_is_no_empty_folder(
    store: ArtifactStore, proxy: FaultProxy, byte: int
) -> None:
    proxy.faults = [Fault("cut down", "GET", 10**6, byte=byte), Fault("cut down", "POST", 10**6, byte=byte)]
    for call in (
        lambda: store.entries(KEY[:1]),
        lambda: store.delete(KEY[:1]),
        lambda: store.begin(KEY),
        lambda: store.sweep(0),
        lambda: put(store, KEY, NEW),
    ):
        with pytest.raises(StoreUnavailable):
            await call()
    proxy.faults = []
    assert await get(store, KEY) in {OLD, NEW}


@on_loop
async def test_the_loop_goes_on_while_the_store_stalls(store: ArtifactStore, proxy: FaultProxy) -> None:
    proxy.faults = [Fault("stall down", "GET", 10**6)]
    loop = asyncio.get_running_loop()
    stalled = [asyncio.ensure_future(get(store, KEY)) for _ in range(20)]
    stalled += [asyncio.ensure_future(store.entries(())) for _ in range(20)]  # type: ignore[arg-type]  # one list for all
    began_at, turns = loop.time(), 0
    while not all(each.done() for each in stalled):
        await asyncio.sleep(0.01)
        turns += 1
    # Were it held up by what stalls, it would get a turn for each of these at most.
    assert loop.time() - began_at > STALL
    assert turns > 2 * len(stalled)
    for each in stalled:
        assert isinstance(each.exception(), (StoreUnavailable, BrokenRead))
