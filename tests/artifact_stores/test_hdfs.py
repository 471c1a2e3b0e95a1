"""HDFS, in its own protocol and over HTTP, on a real name node and data node of Hadoop 2.7.

Not tried here, as there is no such server to be had: Kerberos, high availability, viewfs mounts, HttpFS, TLS.
"""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Iterator

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore
from jupyter_tracking_server.artifact_stores.errors import StoreUnavailable
from jupyter_tracking_server.artifact_stores.registry import UnusableDestination, open_store

from ..hadoop import Hdfs, hdfs
from ..servers import free_port
from .contract import MEBIBYTE, ArtifactStoreContract, everything, get, noise, on_loop, put

# Not a part of a plain run: a Hadoop of 218 MB and seven minutes; `make test-hdfs`.
pytestmark = [pytest.mark.hdfs, pytest.mark.peer, pytest.mark.slow]
_folders = itertools.count()


@pytest.fixture(scope="module")
def cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hdfs]:
    with hdfs(tmp_path_factory.mktemp("hdfs")) as cluster:
        yield cluster


@pytest.fixture(params=["hdfs", "webhdfs"])
def url(request: pytest.FixtureRequest, cluster: Hdfs) -> str:
    place, folder = {"hdfs": (cluster.rpc, "with%20space%20%25"), "webhdfs": (cluster.http, "stores")}[
        request.param
    ]
    return f"{request.param}://{place}/{folder}/{next(_folders)}"


@pytest.fixture
def store(url: str) -> Iterator[ArtifactStore]:
    store = open_store(url)
    yield store
    asyncio.run(store.close())


class TestHdfsStore(ArtifactStoreContract):
    """A folder of a cluster; the blocks of a file that is replaced may go while it is read."""

    snapshot_reads = False

    @pytest.fixture
    def open_another(self, url: str) -> Callable[[], ArtifactStore]:
        return lambda: open_store(url)


@on_loop
async def test_nothing_is_left_over(cluster: Hdfs) -> None:
    """Over HTTP, a data node may come to a cut upload only later; what it leaves then is swept one day."""
    store = open_store(f"hdfs://{cluster.rpc}/clean")
    await put(store, ("a",), noise(1, 3 * MEBIBYTE))
    async with await store.create(("b",)) as upload:
        await upload.write(noise(1, 3 * MEBIBYTE))
    await store.delete(("a",))
    assert await everything(store, (".uploads",)) == []
    await store.close()


@on_loop
async def test_a_cut_upload_over_http_is_not_seen(cluster: Hdfs) -> None:
    store = open_store(f"webhdfs://{cluster.http}/cut")
    async with await store.create(("b",)) as upload:
        await upload.write(noise(1, 3 * MEBIBYTE))
    assert await everything(store, ()) == []
    await store.close()


@on_loop
async def test_both_protocols_see_the_same(cluster: Hdfs) -> None:
    stores = [open_store(f"{kind}/both") for kind in (f"hdfs://{cluster.rpc}", f"webhdfs://{cluster.http}")]
    await put(stores[0], ("a %25", "é"), noise(1, 5 * MEBIBYTE))
    assert await get(stores[1], ("a %25", "é")) == noise(1, 5 * MEBIBYTE)
    assert await stores[1].delete(("a %25",))
    assert await everything(stores[0], ()) == []
    for store in stores:
        await store.close()


@pytest.mark.parametrize("scheme", ["hdfs", "webhdfs"])
@on_loop
async def test_a_cluster_that_does_not_answer_is_unavailable(scheme: str) -> None:
    store = open_store(f"{scheme}://127.0.0.1:{free_port()}/folder")
    with pytest.raises(StoreUnavailable):
        await store.info(("a",))
    with pytest.raises(StoreUnavailable):
        await put(store, ("a",), noise(1, 3 * MEBIBYTE))
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "hdfs://host:8020",
        "hdfs://host:8020/",
        "hdfs://user@host/x",
        "hdfs://host/x?y=z",
        "hdfs://host/../x",
        "webhdfs:///x",
        "webhdfs://user:word@host/x",
        "webhdfs://host:port/x",
        "webhdfs://host/x%20y",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(UnusableDestination) as caught:
        open_store(url)
    assert "word" not in str(caught.value)
