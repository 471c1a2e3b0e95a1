"""The credentials of the object store stay in the server: looked for in all that comes out of it."""

from __future__ import annotations

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from tests.object_servers import S3Server, seaweedfs
from tests.reliability.ledger import create_run
from tests.servers import Server, session_processes, start_embedded, start_standalone

EVERYTHING = "import logging\nlogging.basicConfig(level=logging.DEBUG)\n"
"""A `sitecustomize.py` that makes every library log all that it can."""


@pytest.fixture
def mortal() -> Iterator[S3Server]:
    """An S3 store that the test may kill."""
    with seaweedfs() as store:
        yield store


@pytest.fixture
def talkative(mortal: S3Server, tmp_path: Path) -> Iterator[Server]:
    """A server on S3 that logs at every level."""
    (tmp_path / "site").mkdir()
    (tmp_path / "site" / "sitecustomize.py").write_text(EVERYTHING)
    options = [f"--artifacts-destination=s3://{mortal.create_bucket()}/kept", "--presigned-urls"]
    options += [f"--access-log={tmp_path / 'access.jsonl'}", f"--audit-log={tmp_path / 'audit.jsonl'}"]
    variables = {**mortal.environment, "PYTHONPATH": str(tmp_path / "site")}
    with start_standalone(tmp_path / "server", options=options, variables=variables) as server:
        yield server


def test_nothing_that_comes_out_holds_the_secret_key(
    talkative: Server, mortal: S3Server, tmp_path: Path
) -> None:
    """Replies and their headers, logs at every level, arguments; with a store that works, and without."""
    said: list[str] = []
    with requests.Session() as http:
        http.headers.update(talkative.headers)
        http.hooks["response"].append(lambda reply, **_: said.append(f"{reply.headers} {reply.text}"))
        exercise(http, talkative)
        os.killpg(mortal.pid, signal.SIGKILL)
        exercise(http, talkative)
    assert any("503" in text or "cannot be reached" in text for text in said), "the store never failed"
    log = talkative.log.read_text()
    assert "DEBUG" in log
    arguments = Path(f"/proc/{talkative.pid}/cmdline").read_text()
    journals = (tmp_path / "access.jsonl").read_text() + (tmp_path / "audit.jsonl").read_text()
    for name, text in {
        "replies": "\n".join(said),
        "log": log,
        "arguments": arguments,
        "journals": journals,
    }.items():
        assert mortal.secret_key not in text, name
    # A presigned address names the account, that is how S3 has it; nothing else does.
    for name, text in {"log": log, "arguments": arguments, "journals": journals}.items():
        assert mortal.access_key not in text, name


def exercise(http: requests.Session, server: Server) -> None:
    """Every way to an artifact; what it answers is not asked."""
    run = create_run(http, server)
    api = f"{server.url}/api/2.0/mlflow-artifacts"
    file = f"{api}/artifacts/0/{run}/artifacts/folder/file.bin"
    http.put(file, data=bytes(100_000))
    http.get(file)
    http.head(file)
    http.get(file, headers={"Range": "bytes=1-2"})
    http.get(f"{api}/artifacts", params={"path": f"0/{run}/artifacts"})
    http.get(f"{server.url}/api/2.0/mlflow/artifacts/list", params={"run_id": run})
    http.get(f"{server.url}/get-artifact", params={"run_id": run, "path": "folder", "format": "zip"})
    http.get(f"{api}/presigned/0/{run}/artifacts/folder/file.bin")
    created = http.post(f"{api}/mpu/create/0/{run}/artifacts", json={"path": "big.bin", "num_parts": 2})
    if created.ok:
        body = {"path": "big.bin", "upload_id": created.json()["upload_id"]}
        http.post(f"{api}/mpu/complete/0/{run}/artifacts", json={**body, "parts": []})
        http.post(f"{api}/mpu/abort/0/{run}/artifacts", json=body)
    http.delete(f"{api}/artifacts/0/{run}/artifacts/folder")
    http.get(f"{server.url}/metrics")


def test_kernels_do_not_inherit_the_keys(s3_server: S3Server, s3_bucket: str, tmp_path: Path) -> None:
    """A kernel of an embedded server stores artifacts, and finds no key in its environment."""
    options = [f"--TrackingExtension.artifacts_destination=s3://{s3_bucket}/kept"]
    with start_embedded(tmp_path / "jupyter", options=options, variables=s3_server.environment) as server:
        jupyter = server.url.removesuffix("/tracking")
        requests.post(f"{jupyter}/api/kernels", headers=server.headers).raise_for_status()
        requests.post(f"{jupyter}/api/terminals", headers=server.headers).raise_for_status()
        environments = [
            Path(f"/proc/{pid}/environ").read_text()
            for pid in session_processes(server.pid)
            if pid != server.pid
        ] + children(server.pid)
        assert any("MLFLOW_TRACKING_TOKEN" in text for text in environments)
        for text in environments:
            assert s3_server.secret_key not in text
            assert s3_server.access_key not in text
        with requests.Session() as http:
            http.headers.update(server.headers)
            run = create_run(http, server)
            url = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/a.txt"
            http.put(url, data=b"kept").raise_for_status()
            assert http.get(url).content == b"kept"
        log = server.log.read_text()
        assert "Kernels do not get AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY" in log
        assert s3_server.secret_key not in log


def children(parent: int) -> list[str]:
    """The environments of a process's descendants in other sessions: kernels lead one of their own."""
    found: list[str] = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                fields = (entry / "stat").read_text().rpartition(")")[2].split()
                if int(fields[1]) == parent:
                    found += [(entry / "environ").read_text(), *children(int(entry.name))]
            except (OSError, ValueError):
                continue
    return found
