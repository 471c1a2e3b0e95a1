"""A server whose store fails: no half artifact, no status 500, and everybody else is served as ever."""

from __future__ import annotations

import asyncio
import io
import random
import time
import zipfile
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from functools import partial

import pytest
import requests

from jupyter_tracking_server.artifact_stores.registry import open_store
from tests.artifact_stores.transfers import MEBIBYTE, noise
from tests.reliability.fault_proxy import Fault
from tests.reliability.faulty_site import OLD, FaultySite, PartUpload, artifact_name, refused

NEW = noise(2, 12 * MEBIBYTE)
SMALL = NEW[:1_000_000]
LARGE = 200_000
VERBS = ("GET", "HEAD", "PUT", "POST", "DELETE")
ALWAYS = 10**6
PATIENCE = 2.0
"""Seconds in which a server answers whoever has nothing to do with the fault."""
AT_ONCE = 20
RANGE, RANGES = {"Range": "bytes=1000000-"}, {"Range": "bytes=0-9,1000000-"}
ANSWERS = {"500": (500, "InternalError"), "SlowDown": (503, "SlowDown")}
BROKEN = (requests.exceptions.ChunkedEncodingError, requests.exceptions.ConnectionError)

pytestmark = pytest.mark.slow
Ask = Callable[[], requests.Response]


def seeded(*what: object) -> random.Random:
    return random.Random(repr(what))


WRITES: dict[str, Callable[[FaultySite, str], requests.Response]] = {
    "one request": lambda site, name: site.file("PUT", name, data=SMALL),
    "in parts": lambda site, name: site.file("PUT", name, data=NEW),
    "a client's part": lambda site, name: site.send_in_a_part(name, SMALL),
}
CONTENTS = {"one request": SMALL, "in parts": NEW, "a client's part": SMALL}


def calls(site: FaultySite, name: str, upload: PartUpload, etag: str) -> dict[str, Ask]:
    """Everything that needs the store."""
    listing = f"mlflow-artifacts/artifacts?path={site.root}"
    archive = f"mlflow-artifacts/artifacts/{site.root}?format=zip"
    return {
        "up": lambda: site.file("PUT", name, data=SMALL),
        "up in parts": lambda: site.file("PUT", name, data=NEW),
        "down": lambda: site.file("GET", name),
        "a range": lambda: site.file("GET", name, headers={"Range": "bytes=5-9"}),
        "two ranges": lambda: site.file("GET", name, headers={"Range": "bytes=5-9,20-30"}),
        "head": lambda: site.file("HEAD", name),
        "list": lambda: site.ask("GET", listing),
        "list a run": lambda: site.ask("GET", f"mlflow/artifacts/list?run_id={site.run}"),
        "archive": lambda: site.ask("GET", archive),
        "delete": lambda: site.file("DELETE", name),
        "begin": lambda: site.upload_parts("create", PartUpload(name, "", []), num_parts=1),
        "part": lambda: site.send_part(upload, SMALL),
        "large part": lambda: site.send_part(upload, NEW),
        "complete": lambda: site.complete(upload, etag),
        "abort": lambda: site.upload_parts("abort", upload),
    }


@pytest.mark.parametrize("answer", list(ANSWERS))
def test_a_store_that_refuses_for_good_is_said_to_be_unavailable(
    site: FaultySite, name: str, answer: str
) -> None:
    upload = site.begin(name)
    etag = site.send_part(upload, SMALL).headers["ETag"]
    status, code = ANSWERS[answer]
    site.proxy.faults = [Fault("status", verb, ALWAYS, status=status, code=code) for verb in VERBS]
    asked = calls(site, name, upload, etag)
    with ThreadPoolExecutor(len(asked)) as pool:
        for what, reply in zip(asked, pool.map(lambda ask: ask(), asked.values()), strict=True):
            assert reply.status_code == 503, f"{what}: {reply.status_code} {reply.text}"
            refused(reply)
    site.proxy.faults = []
    assert site.file("GET", name).content == OLD
    assert site.complete(upload, etag).status_code == 200
    assert site.stored(name) == SMALL


@pytest.mark.parametrize("answer", list(ANSWERS))
@pytest.mark.parametrize("way", ["one request", "in parts"])
def test_nobody_notices_a_few_refusals(site: FaultySite, name: str, way: str, answer: str) -> None:
    status, code = ANSWERS[answer]
    matches = {"PUT": "", "POST": "uploadId=", "GET": "", "HEAD": ""}
    site.proxy.faults = [
        Fault("status", verb, 2, match=match, status=status, code=code) for verb, match in matches.items()
    ]
    assert WRITES[way](site, name).status_code == 200
    assert site.file("GET", name).content == CONTENTS[way]
    assert site.file("HEAD", name).status_code == 200


@pytest.mark.parametrize("way", ["in parts", "a client's part"])
def test_an_answer_of_200_that_holds_an_error_is_none(site: FaultySite, name: str, way: str) -> None:
    """So S3 ends an upload in parts that took it too long to put together."""
    site.proxy.faults = [Fault("status", "POST", 1, match="uploadId=", status=200)]
    reply = WRITES[way](site, name)
    if not reply.ok:
        refused(reply)
    assert site.proxy.faults[0].hits == 1
    assert site.stored(name) == (CONTENTS[way] if reply.ok else OLD)


def test_a_part_that_was_refused_can_be_sent_again(site: FaultySite, name: str) -> None:
    upload = site.begin(name)
    site.proxy.faults = [Fault("status", "PUT", 1, status=503, code="SlowDown")]
    refused(site.send_part(upload, NEW))
    etag = site.send_part(upload, NEW).headers["ETag"]
    assert site.stored(name) == OLD
    assert site.complete(upload, etag).status_code == 200
    assert site.stored(name) == NEW


@pytest.mark.parametrize("way", list(WRITES))
def test_an_upload_that_is_cut_again_and_again_leaves_the_old(site: FaultySite, name: str, way: str) -> None:
    byte = seeded("up", way).randrange(LARGE)
    site.proxy.faults = [Fault("cut up", "PUT", ALWAYS, byte=byte, least=LARGE)]
    refused(WRITES[way](site, name))
    assert site.stored(name) == OLD


@pytest.mark.parametrize("way", ["one request", "in parts"])
def test_an_upload_goes_on_after_a_cut(site: FaultySite, name: str, way: str) -> None:
    byte = seeded("up once", way).randrange(LARGE)
    site.proxy.faults = [Fault("cut up", "PUT", 2, byte=byte, least=LARGE)]
    assert WRITES[way](site, name).status_code == 200
    assert site.stored(name) == CONTENTS[way]


@pytest.mark.parametrize("way", list(WRITES))
def test_an_upload_whose_acknowledgement_is_lost_is_whole_or_not_there(
    site: FaultySite, name: str, way: str
) -> None:
    match = "" if way == "one request" else "uploadId="
    site.proxy.faults = [Fault("cut head", "PUT" if way == "one request" else "POST", 1, match=match)]
    reply = WRITES[way](site, name)
    assert site.proxy.faults[0].hits == 1
    assert site.stored(name) == (CONTENTS[way] if reply.ok else OLD)


@pytest.mark.parametrize("part", [{}, RANGE], ids=["whole", "range"])
def test_a_download_goes_on_after_a_cut(site: FaultySite, name: str, part: dict[str, str]) -> None:
    byte = seeded("down", part).randrange(2 * MEBIBYTE)
    site.proxy.faults = [Fault("cut down", "GET", 2, byte=byte, match=name)]
    assert site.file("GET", name, headers=part).content == (OLD[1_000_000:] if part else OLD)
    assert site.proxy.faults[0].hits == 2


@pytest.mark.parametrize("part", [{}, RANGE, RANGES], ids=["whole", "range", "ranges"])
def test_a_download_that_cannot_go_on_is_visibly_broken(
    site: FaultySite, name: str, part: dict[str, str]
) -> None:
    byte = seeded("down for good", part).randrange(LARGE)
    site.proxy.faults = [Fault("cut down", "GET", ALWAYS, byte=byte, match=name)]
    with pytest.raises(BROKEN):
        _ = site.file("GET", name, headers=part).content


def test_a_folder_that_cannot_be_read_on_is_visibly_broken(site: FaultySite) -> None:
    folder, names = artifact_name(), ["a.bin", "b.bin", "c.bin"]
    for each in names:
        site.keep(f"{folder}/{each}", OLD)
    where = f"mlflow-artifacts/artifacts/{site.root}/{folder}?format=zip"
    site.proxy.faults = [Fault("cut down", "GET", ALWAYS, byte=LARGE, match=names[1])]
    with pytest.raises(BROKEN):
        _ = site.ask("GET", where).content
    site.proxy.faults = [Fault("cut down", "GET", 1, byte=LARGE, match=names[1])]
    with zipfile.ZipFile(io.BytesIO(site.ask("GET", where).content)) as archive:
        assert [archive.read(each) for each in sorted(archive.namelist())] == [OLD] * 3


class Bystander:
    """Who has nothing to do with the fault, and looks how long answers take.

    Attributes:
        slowest: what took longest, and seconds.
    """

    def __init__(self, site: FaultySite, name: str) -> None:
        self.slowest = ("", 0.0)
        run = {"run_id": site.run}
        metric = {**run, "key": "loss", "value": 1.0, "timestamp": 1, "step": 1}
        self._asked: dict[str, Ask] = {
            "health": lambda: requests.get(f"{site.server.url}/health", timeout=60),
            "run": lambda: site.ask("GET", "mlflow/runs/get", params=run),
            "metric": lambda: site.ask("POST", "mlflow/runs/log-metric", json=metric),
            "up": lambda: site.file("PUT", name, data=SMALL),
            "down": lambda: site.file("GET", name),
        }

    def watch(self, running: list[Future[int]]) -> None:
        """Ask for one thing after another until all are done."""
        while not all(task.done() for task in running):
            for what, ask in self._asked.items():
                began = time.monotonic()
                assert ask().status_code == 200, what
                self.slowest = max(self.slowest, (what, time.monotonic() - began), key=lambda each: each[1])


def status(ask: Ask) -> int:
    """Of the reply; 0 if the connection broke."""
    try:
        reply = ask()
    except BROKEN:
        return 0
    if reply.status_code != 200:
        refused(reply)
    return reply.status_code


STALLS: dict[str, tuple[list[Fault], Callable[[FaultySite, str], list[Ask]], set[int]]] = {
    "transfers": (
        [
            Fault("stall up", "PUT", ALWAYS, byte=LARGE, least=LARGE, match="stalled"),
            Fault("stall down", "GET", ALWAYS, byte=LARGE, match="stalled"),
        ],
        lambda site, name: [
            *[lambda: site.file("PUT", f"{name}.stalled", data=SMALL)] * (AT_ONCE // 2),
            *[lambda: site.file("PUT", f"{name}.stalled", data=NEW)] * (AT_ONCE // 2),
            *[partial(site.send_part, site.begin(f"{name}.stalled"), SMALL)] * (AT_ONCE // 4),
            *[lambda: site.file("GET", "stalled.bin")] * (AT_ONCE // 2),
            *[lambda: site.file("GET", "stalled.bin", headers=RANGE)] * (AT_ONCE // 4),
            *[lambda: site.file("GET", "stalled.bin", headers=RANGES)] * (AT_ONCE // 4),
        ],
        {0, 503},
    ),
    "a store that says nothing": (
        [Fault("silence", verb, ALWAYS, match="stalled") for verb in VERBS],
        lambda site, name: [
            *[lambda: site.file("PUT", f"{name}.stalled", data=SMALL)] * (AT_ONCE // 2),
            *[lambda: site.file("GET", f"{name}.stalled")] * (AT_ONCE // 2),
            *[lambda: site.file("DELETE", f"{name}.stalled")] * (AT_ONCE // 2),
            *[lambda: site.ask("GET", f"mlflow-artifacts/artifacts?path={site.root}/stalled")]
            * (AT_ONCE // 2),
        ],
        {503},
    ),
}


@pytest.mark.parametrize("stall", list(STALLS))
def test_stalls_end_and_hold_up_nobody_else(site: FaultySite, name: str, stall: str) -> None:
    site.keep("stalled.bin", OLD)
    faults, stalled, expected = STALLS[stall]
    asked = stalled(site, name)
    site.proxy.faults = faults
    bystander = Bystander(site, name)
    with ThreadPoolExecutor(len(asked)) as pool:
        running = [pool.submit(status, ask) for ask in asked]
        bystander.watch(running)
    assert sum(fault.hits for fault in faults) >= len(asked)
    assert {task.result() for task in running} == expected
    print(f"{stall}: the slowest other call was {bystander.slowest[0]}, {bystander.slowest[1]:.2f} s")
    assert bystander.slowest[1] < PATIENCE
    assert site.stored(f"{name}.stalled") is None
    assert site.stored("stalled.bin") == OLD


def test_what_faults_left_in_the_store_is_swept_and_what_is_young_is_not(
    site: FaultySite, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    site.proxy.faults = [
        Fault("status", "POST", ALWAYS, match="uploadId="),
        Fault("status", "DELETE", ALWAYS, match="uploadId="),
    ]
    refused(WRITES["in parts"](site, name))
    site.proxy.faults = []
    young = site.begin(name)
    left = site.unfinished()
    assert len(site.unfinished(name)) == 2
    for variable, value in site.store.environment.items():
        monkeypatch.setenv(variable, value)

    async def sweep(age: float) -> int:
        store = open_store(f"s3://{site.bucket}/kept")
        try:
            return await store.sweep(age)
        finally:
            await store.close()

    assert asyncio.run(sweep(3600)) == 0
    assert sorted(site.unfinished()) == sorted(left)
    assert asyncio.run(sweep(0)) == len(left)
    assert site.unfinished() == []
    assert site.send_part(young, SMALL).status_code == 404
    assert site.stored(name) == OLD
