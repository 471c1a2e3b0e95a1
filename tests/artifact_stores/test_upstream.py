"""An upstream tracking server, for which a stock ``mlflow server`` stands: the contract, and credentials."""

from __future__ import annotations

import asyncio
import itertools
import threading
from collections.abc import Callable, Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import ClassVar

import pytest

from jupyter_tracking_server.artifact_stores.base import ArtifactStore
from jupyter_tracking_server.artifact_stores.errors import StoreUnavailable
from jupyter_tracking_server.artifact_stores.registry import UnusableDestination, open_store

from ..compat.environments import program
from ..servers import ONE_WORKER, Server, free_port, start_stock_mlflow
from .contract import MEBIBYTE, ArtifactStoreContract, everything, get, noise, on_loop, put

pytestmark = [pytest.mark.peer, pytest.mark.slow]
_folders = itertools.count()


@pytest.fixture(scope="module")
def upstream(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    folder = tmp_path_factory.mktemp("upstream")
    with start_stock_mlflow(program("mlflow3", "mlflow"), folder, options=ONE_WORKER) as server:
        yield server


@pytest.fixture
def url(upstream: Server) -> str:
    return upstream.url.replace("http:", "mlflow-artifacts:") + f"/with%20space/{next(_folders)}"


@pytest.fixture
def store(url: str) -> Iterator[ArtifactStore]:
    store = open_store(url)
    yield store
    asyncio.run(store.close())


class TestUpstreamStore(ArtifactStoreContract):
    """A folder of its artifacts."""

    snapshot_reads = False
    prunes = False

    @pytest.fixture
    def open_another(self, url: str) -> Callable[[], ArtifactStore]:
        return lambda: open_store(url)


@on_loop
async def test_an_upload_that_is_cut_is_not_stored(store: ArtifactStore) -> None:
    await put(store, ("a",), b"old")
    for key in (("a",), ("b",)):
        async with await store.create(key) as upload:
            await upload.write(noise(1, 3 * MEBIBYTE))
    assert await everything(store, ()) == [("a", 3)]
    assert await get(store, ("a",)) == b"old"


@on_loop
async def test_it_is_the_same_place_by_each_address(upstream: Server) -> None:
    stores = [
        open_store(f"{upstream.url}/api/2.0/mlflow-artifacts/artifacts/here"),
        open_store(f"{upstream.url.replace('http:', 'mlflow-artifacts:')}/here"),
    ]
    whole = open_store(upstream.url)
    await put(stores[0], ("100%#~23",), b"x")
    assert await get(stores[1], ("100%#~23",)) == b"x"
    assert await get(whole, ("here", "100%#~23")) == b"x"
    for store in (*stores, whole):
        await store.close()


class _Recorder(BaseHTTPRequestHandler):
    """Answers all with an empty listing, and remembers who asked."""

    seen: ClassVar[list[str | None]] = []

    def do_GET(self) -> None:
        self.seen.append(self.headers["Authorization"])
        self.send_response(200)
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.mark.parametrize(
    ("given", "sent"),
    [
        ({}, None),
        ({"TOKEN": "secret"}, "Bearer secret"),
        ({"USERNAME": "jane", "PASSWORD": "secret"}, "Basic amFuZTpzZWNyZXQ="),
        ({"USERNAME": "jane", "PASSWORD": "secret", "TOKEN": "other"}, "Basic amFuZTpzZWNyZXQ="),
    ],
)
@on_loop
async def test_it_shows_the_credentials_of_this_server(
    monkeypatch: pytest.MonkeyPatch, given: dict[str, str], sent: str | None
) -> None:
    for name in ("TOKEN", "USERNAME", "PASSWORD"):
        monkeypatch.delenv(f"MLFLOW_TRACKING_{name}", raising=False)
    for name, value in given.items():
        monkeypatch.setenv(f"MLFLOW_TRACKING_{name}", value)
    with ThreadingHTTPServer(("127.0.0.1", 0), _Recorder) as site:
        serving = threading.Thread(target=site.serve_forever)
        serving.start()
        store = open_store(f"http://127.0.0.1:{site.server_address[1]}/prefix")
        assert "secret" not in store.url
        assert await everything(store, ()) == []
        await store.close()
        site.shutdown()
        serving.join()
    assert _Recorder.seen.pop() == sent


@on_loop
async def test_a_server_that_does_not_answer_is_unavailable() -> None:
    store = open_store(f"http://127.0.0.1:{free_port()}")
    with pytest.raises(StoreUnavailable):
        await store.info(("a",))
    with pytest.raises(StoreUnavailable):
        await put(store, ("a",), noise(1, 3 * MEBIBYTE))
    await store.close()


@pytest.mark.parametrize(
    "url",
    [
        "http://",
        "http://host/?x=y",
        "http://host:port/",
        "http://host/../x",
        "https://user:word@host",
        "mlflow-artifacts:///x",
        "mlflow-artifacts:/x",
    ],
)
def test_a_wrong_url_is_refused(url: str) -> None:
    with pytest.raises(UnusableDestination) as caught:
        open_store(url)
    assert "word@" not in str(caught.value)
