"""Two replicas on one PostgreSQL and one object store behind nginx: any takes any request, any may end."""

from __future__ import annotations

import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.pool import Pool
from pathlib import Path
from typing import Any

import pytest
import requests

from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.server import Server as Composition
from tests.object_servers import S3Server
from tests.reliability.ledger import API, EPOCH, Ledger, create_run, get, post
from tests.reliability.replicas import Site, patient, site, stock_logger
from tests.servers import Postgres, Server, jupyter_environment, postgres

WRITERS = 4
FRESH_STARTS = 20
MEBIBYTE = 2**20

pytestmark = [pytest.mark.slow, pytest.mark.timeout(300)]


@pytest.fixture(scope="module")
def database() -> Iterator[Postgres]:
    """A PostgreSQL that the tests may stop."""
    with postgres(durable=False) as server:
        yield server


@pytest.fixture(scope="module")
def pair(database: Postgres, s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    """Two replicas that take anybody; they log no defect."""
    with site(tmp_path_factory.mktemp("pair"), database.create_database(), s3_server) as running:
        yield running
    for number in range(2):
        log = (running.folder / f"replica-{number}" / "server.log").read_text()
        for sign in ("Internal error", "Traceback", "never retrieved"):
            assert sign not in log, log


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.02)


def further(count: Callable[[], int], more: int) -> None:
    """Wait until so many more are done."""
    target = count() + more
    wait_for(lambda: count() >= target)


@pytest.mark.peer
def test_a_killed_replica_takes_nothing_with_it(pair: Site, tmp_path: Path) -> None:
    """`kill -9` under load: nobody's call fails, nothing that was acknowledged is lost, nothing is torn."""
    ledger = Ledger()
    with stock_logger(tmp_path, pair.balanced) as stock:
        wait_for(lambda: stock.steps > 0)
        with ledger.writers([pair.balanced] * WRITERS, patient):
            ledger.wait_for_acknowledged(60)
            pair.running[0].kill()
            ledger.wait_for_acknowledged(ledger.acknowledged + 60)
            further(lambda: stock.steps, 5)
        stock.end()
    assert ledger.failures == []
    ledger.check(pair.running[1])
    pair.running[0] = pair.start(0)
    ledger.check(pair.running[0])


@pytest.mark.peer
def test_a_rolling_restart_fails_no_call(pair: Site, tmp_path: Path) -> None:
    """One replica after the other is renewed, under load of plain clients that try nothing again."""
    ledger = Ledger()
    with stock_logger(tmp_path, pair.balanced) as stock:
        wait_for(lambda: stock.steps > 0)
        with ledger.writers([pair.balanced] * WRITERS):
            for number in range(2):
                ledger.wait_for_acknowledged(ledger.acknowledged + 30)
                assert pair.renew(number) == 0
            ledger.wait_for_acknowledged(ledger.acknowledged + 30)
            further(lambda: stock.steps, 5)
        stock.end()
    assert ledger.failures == []
    for server in pair.running:
        ledger.check(server)


def test_a_database_that_restarts_is_answered_with_503_until_it_is_back(
    pair: Site, database: Postgres
) -> None:
    """In order and like a crash: no other status, no lost write, and no replica has to be restarted."""
    ledger, statuses = Ledger(), Counter[int]()

    def watched() -> requests.Session:
        session = patient()
        session.hooks["response"].append(lambda reply, **_: statuses.update([reply.status_code]))
        return session

    stop = threading.Event()
    with ThreadPoolExecutor(2) as askers:
        asking = [askers.submit(ask_until, server, stop) for server in pair.running]
        try:
            with ledger.writers([pair.balanced] * WRITERS, watched):
                for how in (signal.SIGINT, signal.SIGQUIT):
                    ledger.wait_for_acknowledged(ledger.acknowledged + 20)
                    with database.away(how):
                        wait_for(lambda: all(status_of(server) == 503 for server in pair.running))
                    wait_for(lambda: all(status_of(server) == 200 for server in pair.running))
                ledger.wait_for_acknowledged(ledger.acknowledged + 20)
        finally:
            stop.set()
    seen = asking[0].result() + asking[1].result()
    assert set(seen) == {200, 503}
    assert set(statuses) <= {200, 503}
    assert ledger.failures == []
    ledger.check(pair.balanced)


def status_of(server: Server) -> int:
    body = {"experiment_ids": ["0"], "max_results": 1}
    return requests.post(f"{server.url}{API}runs/search", json=body, timeout=60).status_code


def ask_until(server: Server, stop: threading.Event) -> Counter[int]:
    """The statuses of a reading call, asked again and again of one replica."""
    found = Counter[int]()
    while not stop.is_set():
        found[status_of(server)] += 1
    return found


def test_parts_of_one_upload_go_by_any_replica(pair: Site) -> None:
    """Begun by one, sent by both, ended by the other."""
    first, second = pair.running
    contents = [bytes([number]) * (5 * MEBIBYTE) for number in range(3)] + [b"rest"]
    with requests.Session() as http:
        run = create_run(http, first)
        api = "/api/2.0/mlflow-artifacts/"
        made = http.post(
            f"{first.url}{api}mpu/create/0/{run}/artifacts",
            json={"path": "big.bin", "num_parts": len(contents)},
            timeout=60,
        ).json()
        parts = []
        for number, (content, credential) in enumerate(zip(contents, made["credentials"], strict=True)):
            url = credential["url"].replace(first.url, (first, second)[number % 2].url)
            sent = http.put(url, data=content, timeout=60)
            assert sent.status_code == 200, sent.text
            parts.append({"part_number": number + 1, "etag": sent.headers["ETag"]})
        done = http.post(
            f"{second.url}{api}mpu/complete/0/{run}/artifacts",
            json={"path": "big.bin", "upload_id": made["upload_id"], "parts": parts},
            timeout=60,
        )
        assert (done.status_code, done.json()) == (200, {})
        stored = http.get(f"{first.url}{api}artifacts/0/{run}/artifacts/big.bin", timeout=60)
        assert stored.content == b"".join(contents)


def test_pages_of_one_search_come_from_any_replica(pair: Site) -> None:
    with requests.Session() as http:
        experiment = post(http, pair.running[0], "experiments/create", {"name": "pages"})["experiment_id"]
        made = [
            post(http, pair.running[0], "runs/create", {"experiment_id": experiment, "start_time": EPOCH})
            for _ in range(7)
        ]
        found: list[str] = []
        token, number = "", 0
        while number == 0 or token:
            body = {"experiment_ids": [experiment], "max_results": 2, "page_token": token}
            page = post(http, pair.running[number % 2], "runs/search", body)
            found += [run["info"]["run_id"] for run in page["runs"]]
            token, number = page.get("next_page_token", ""), number + 1
    assert sorted(found) == sorted(reply["run"]["info"]["run_id"] for reply in made)
    assert number == 4


def test_chores_of_several_at_once_do_each_thing_once(pair: Site, tmp_path: Path) -> None:
    """Two commands empty one trash while both replicas serve: what is in it goes, all else stays."""
    with requests.Session() as http:
        kept, gone = ([create_run(http, pair.balanced) for _ in range(20)] for _ in range(2))
        for run in (*kept, *gone):
            put(http, pair.balanced, run, b"x")
        for run in gone:
            post(http, pair.balanced, "runs/delete", {"run_id": run})
        command = [sys.executable, "-m", "jupyter_tracking_server", "gc"]
        command += ["--backend-store-uri", pair.backend]
        command += ["--artifacts-destination", f"s3://{pair.bucket}/kept"]
        environment = {**jupyter_environment(tmp_path), **pair.store.environment}
        both = [subprocess.Popen(command, env=environment, stderr=subprocess.PIPE) for _ in range(2)]
        said = [process.communicate(timeout=120)[1].decode() for process in both]
        assert [process.returncode for process in both] == [0, 0], said
        for run in kept:
            assert get(http, pair.balanced, "runs/get", run_id=run)["run"]["info"]["run_id"] == run
            assert http.get(artifact(pair.balanced, run), timeout=60).content == b"x"
        for run in gone:
            with pytest.raises(requests.HTTPError, match="404"):
                get(http, pair.balanced, "runs/get", run_id=run)
    client = pair.store.client()
    keys = [item["Key"] for item in client.list_objects_v2(Bucket=pair.bucket).get("Contents", [])]
    client.close()
    assert not [key for key in keys if any(run in key for run in gone)]


def artifact(server: Server, run: str) -> str:
    return f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.bin"


def put(http: requests.Session, server: Server, run: str, body: bytes) -> None:
    reply = http.put(artifact(server, run), data=body, timeout=60)
    assert reply.status_code == 200, reply.text


_barrier: Any = None


def arrive(barrier: Any) -> None:
    """In a new process: keep what it meets the other one at."""
    global _barrier  # noqa: PLW0603  # how multiprocessing hands on what cannot be pickled
    _barrier = barrier


def open_fresh(uri: str, folder: str) -> bool:
    """Open the server on an empty database at the same moment as the other process does."""
    _barrier.wait(60)
    server = Composition(Settings(backend_store_uri=uri, artifacts_destination=folder, auth="none"))
    server._writer.stop()
    server._readers.stop()
    server._database.close()
    return True


def test_replicas_that_start_at_once_on_an_empty_database_all_start(
    database: Postgres, tmp_path: Path
) -> None:
    context = get_context("spawn")
    with Pool(2, arrive, (context.Barrier(2),), context=context) as processes:
        for number in range(FRESH_STARTS):
            uri = database.create_database()
            folder = str(tmp_path / f"a{number}")
            assert processes.starmap(open_fresh, [(uri, folder)] * 2, chunksize=1) == [True, True]
