"""Our server with its artifacts on a real S3, and the line between the two in a test's hands."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.artifact_stores.transfers import MEBIBYTE, noise
from tests.object_servers import S3Server
from tests.reliability.fault_proxy import FaultProxy, fault_proxy
from tests.reliability.ledger import create_run
from tests.servers import Server, start_standalone

OLD = noise(1, 6 * MEBIBYTE)
STALL = 3.0
"""Seconds without a byte from the store after which the server gives an operation up."""
IN_PROGRESS = re.compile(r'(?m)^jupyter_tracking_transfers_in_progress\{direction="\w+"\} (\d+)')


@dataclass
class PartUpload:
    """An upload in parts: its file's name, its id, and where its parts go."""

    name: str
    upload_id: str
    urls: list[str]


@dataclass
class FaultySite:
    """A server on ``store``, which it reaches through ``proxy``, and one run.

    Attributes:
        statuses: of all replies so far.
    """

    server: Server
    store: S3Server
    proxy: FaultProxy
    bucket: str
    run: str = ""
    statuses: set[int] = field(default_factory=set)

    @property
    def root(self) -> str:
        """The run's folder, as the proxy routes name it."""
        return f"0/{self.run}/artifacts"

    def url(self, name: str) -> str:
        """The address of an artifact of the run."""
        return f"{self.server.url}/api/2.0/mlflow-artifacts/artifacts/{self.root}/{name}"

    def ask(self, verb: str, path: str, **more: Any) -> requests.Response:
        """A request with the credential; ``path`` is below the server's API."""
        headers = {**self.server.headers, **more.pop("headers", {})}
        url = f"{self.server.url}/api/2.0/{path}"
        reply = requests.request(verb, url, headers=headers, timeout=60, **more)
        self.statuses.add(reply.status_code)
        return reply

    def file(self, verb: str, name: str, **more: Any) -> requests.Response:
        """A request for an artifact of the run."""
        return self.ask(verb, f"mlflow-artifacts/artifacts/{self.root}/{name}", **more)

    def keep(self, name: str, content: bytes) -> None:
        """Store an artifact, and demand that it works."""
        reply = self.file("PUT", name, data=content)
        assert (reply.status_code, reply.text) == (200, "{}")

    def upload_parts(self, verb: str, upload: PartUpload, **body: object) -> requests.Response:
        """``create``, ``complete`` or ``abort`` an upload in parts."""
        body = {"path": upload.name, **({"upload_id": upload.upload_id} if upload.upload_id else {}), **body}
        return self.ask("POST", f"mlflow-artifacts/mpu/{verb}/{self.root}", json=body)

    def begin(self, name: str, parts: int = 1) -> PartUpload:
        """An upload in parts that has begun."""
        reply = self.upload_parts("create", PartUpload(name, "", []), num_parts=parts)
        assert reply.status_code == 200, reply.text
        found = reply.json()
        return PartUpload(name, found["upload_id"], [item["url"] for item in found["credentials"]])

    def send_part(
        self, upload: PartUpload, content: bytes, number: int = 1, headers: dict[str, str] | None = None
    ) -> requests.Response:
        """Send a part as clients do: without a credential."""
        reply = requests.put(upload.urls[number - 1], data=content, headers=headers, timeout=60)
        self.statuses.add(reply.status_code)
        return reply

    def complete(self, upload: PartUpload, *etags: str) -> requests.Response:
        """Have an artifact made of parts."""
        parts = [{"part_number": number, "etag": etag} for number, etag in enumerate(etags, 1)]
        return self.upload_parts("complete", upload, parts=parts)

    def send_in_a_part(self, name: str, content: bytes) -> requests.Response:
        """Store an artifact by one part; the first reply that is not 200, or the last."""
        upload = self.begin(name)
        reply = self.send_part(upload, content)
        return self.complete(upload, reply.headers["ETag"]) if reply.ok else reply

    def stored(self, name: str) -> bytes | None:
        """What the store has at an artifact's place, asked past the proxy; None for nothing."""
        client = self.store.client()
        with contextlib.closing(client):
            try:
                found = client.get_object(Bucket=self.bucket, Key=f"kept/{self.root}/{name}")
            except client.exceptions.NoSuchKey:
                return None
            return found["Body"].read()

    def names(self) -> set[str]:
        """All artifacts of the run that the store has, asked past the proxy."""
        with contextlib.closing(self.store.client()) as client:
            folder = f"kept/{self.root}/"
            found = client.list_objects_v2(Bucket=self.bucket, Prefix=folder).get("Contents", [])
            return {line["Key"].removeprefix(folder) for line in found if not line["Key"].endswith("/")}

    def unfinished(self, name: str = "") -> list[str]:
        """Ids of the uploads in parts that the store holds, of one artifact or all."""
        with contextlib.closing(self.store.client()) as client:
            found = client.list_multipart_uploads(Bucket=self.bucket).get("Uploads", [])
            return [line["UploadId"] for line in found if line["Key"].endswith(f"/{name}" if name else "")]

    def in_progress(self) -> int:
        """How many artifacts are on their way, as the server counts them."""
        reply = requests.get(f"{self.server.url}/metrics", headers=self.server.headers, timeout=60)
        return sum(int(count) for count in IN_PROGRESS.findall(reply.text))


def wait_until(condition: Callable[[], bool], seconds: float = 30.0) -> None:
    """Wait for a condition.

    Raises:
        AssertionError: it did not come true in time.
    """
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "it never came true"
        time.sleep(0.02)


def artifact_name() -> str:
    """A name that no other test uses."""
    return f"{secrets.token_hex(4)}.bin"


@contextlib.contextmanager
def faulty_site(store: S3Server, folder: Path) -> Iterator[FaultySite]:
    """A site for the length of a ``with`` block."""
    bucket = store.create_bucket()
    with fault_proxy(store.endpoint) as proxy:
        variables = {
            **store.environment,
            "MLFLOW_S3_ENDPOINT_URL": proxy.endpoint,
            "JUPYTER_TRACKING_STORE_STALL": str(STALL),
        }
        options = ["--artifacts-destination", f"s3://{bucket}/kept"]
        with start_standalone(folder, options=options, variables=variables) as server:
            site = FaultySite(server, store, proxy, bucket)
            with requests.Session() as http:
                http.headers.update(server.headers)
                site.run = create_run(http, server)
            yield site


def refused(reply: requests.Response) -> None:
    """Demand an answer that makes a client try again later."""
    assert reply.status_code == 503, reply.text
    assert int(reply.headers["Retry-After"]) > 0
    if reply.request.method != "HEAD":
        assert reply.json()["error_code"] == "TEMPORARILY_UNAVAILABLE"
