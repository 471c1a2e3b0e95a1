"""Real object stores for tests and benchmarks: SeaweedFS, which speaks S3, and moto, which speaks STS.

Like the servers in ``servers.py``, each is a process of its own on free loopback ports, in a session of its
own, and is ended by its own process group. Nothing here knows pytest.
"""

from __future__ import annotations

import contextlib
import json
import os
import secrets
import shutil
import signal
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final

from tests.servers import START_TIMEOUT, ServerDiedError, free_port, log_tail

if TYPE_CHECKING:
    from types_boto3_s3.client import S3Client

REGION: Final = "eu-central-1"


@dataclass(frozen=True)
class S3Server:
    """An S3 store.

    Attributes:
        endpoint: where it listens, ``http://127.0.0.1:port``.
        access_key, secret_key: the one account, which may do everything; SeaweedFS lets nobody else in.
        pid: of the process; it is also its group and session.
    """

    endpoint: str
    access_key: str
    secret_key: str
    pid: int
    log: Path

    @property
    def environment(self) -> dict[str, str]:
        """The variables by which a server or boto3 reaches it."""
        return {
            "AWS_ACCESS_KEY_ID": self.access_key,
            "AWS_SECRET_ACCESS_KEY": self.secret_key,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_EC2_METADATA_DISABLED": "true",
            "MLFLOW_S3_ENDPOINT_URL": self.endpoint,
        }

    def client(self) -> S3Client:
        """A boto3 client with the account's keys."""
        import boto3
        from botocore.config import Config

        return boto3.client(
            "s3",
            endpoint_url=self.endpoint,
            aws_access_key_id=self.access_key,
            aws_secret_access_key=self.secret_key,
            region_name=REGION,
            config=Config(s3={"addressing_style": "path"}, retries={"total_max_attempts": 3}),
        )

    def create_bucket(self) -> str:
        """Make an empty bucket and return its name."""
        name = f"t{secrets.token_hex(8)}"
        client = self.client()
        client.create_bucket(Bucket=name, CreateBucketConfiguration={"LocationConstraint": REGION})
        client.close()
        return name


@contextlib.contextmanager
def seaweedfs() -> Iterator[S3Server]:
    """A SeaweedFS with an account of its own, for the length of a ``with`` block."""
    access_key, secret_key = secrets.token_hex(10).upper(), secrets.token_hex(20)
    with tempfile.TemporaryDirectory(prefix="jt-s3-", ignore_cleanup_errors=True) as name:
        folder, port = Path(name), free_port()
        (folder / "s3.json").write_text(json.dumps(_only_account(access_key, secret_key)))
        log = folder / "server.log"
        with running(weed_command(folder, port), log) as process:
            server = S3Server(f"http://127.0.0.1:{port}", access_key, secret_key, process.pid, log)
            wait_until(lambda: _stores_an_object(server), process, log)
            yield server


@contextlib.contextmanager
def moto() -> Iterator[S3Server]:
    """A moto server, for the length of a ``with`` block; its endpoint is that of every AWS service.

    It looks at no keys.
    """
    with tempfile.TemporaryDirectory(prefix="jt-moto-") as name:
        port, log = free_port(), Path(name) / "server.log"
        # Not the moto_server command: its warnings about a development server are of no use here.
        command = [sys.executable, "-m", "moto.server", "-H", "127.0.0.1", "-p", str(port)]
        with running(command, log) as process:
            endpoint = f"http://127.0.0.1:{port}"
            wait_until(lambda: _answers(f"{endpoint}/moto-api/data.json"), process, log)
            yield S3Server(endpoint, "AKIAMOTOMOTOMOTOMOTO", "not-a-secret", process.pid, log)


def weed_command(folder: Path, port: int) -> list[str]:
    """SeaweedFS in one process: small volumes, no preallocation, all ports free ones on loopback."""
    program = shutil.which("weed", path=str(Path(sys.executable).parent)) or "weed"
    ports = {
        name: free_port()
        for name in ("master.port", "volume.port", "filer.port", "master.port.grpc", "volume.port.grpc")
    }
    ports |= {"filer.port.grpc": free_port(), "s3.port.grpc": free_port(), "s3.port": port}
    command = [program, "-logtostderr", "server", f"-dir={folder}", "-ip=127.0.0.1", "-ip.bind=127.0.0.1"]
    command += [f"-{name}={number}" for name, number in ports.items()]
    command += ["-filer", "-s3", f"-s3.config={folder / 's3.json'}", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    command += [
        "-master.telemetry=false",
        "-master.volumeSizeLimitMB=256",
        "-volume.max=400",
        "-volume.minFreeSpacePercent=0",
    ]
    return [
        *command,
        "-master.electionTimeout=1s",
        "-volume.preStopSeconds=0",
        "-s3.iam=false",
        "-s3.allowEmptyFolder=false",
    ]


def _only_account(access_key: str, secret_key: str) -> dict[str, object]:
    keys = [{"accessKey": access_key, "secretKey": secret_key}]
    actions = ["Admin", "Read", "Write", "List", "Tagging"]
    return {"identities": [{"name": "server", "credentials": keys, "actions": actions}]}


def _stores_an_object(server: S3Server) -> bool:
    """Whether it takes an object: it answers requests some time before it can."""
    from botocore.exceptions import BotoCoreError, ClientError

    with contextlib.closing(server.client()) as client:
        try:
            client.create_bucket(Bucket="probe")
        except client.exceptions.BucketAlreadyOwnedByYou:
            pass
        except (BotoCoreError, ClientError):
            return False
        try:
            client.put_object(Bucket="probe", Key="probe", Body=b"x")
        except (BotoCoreError, ClientError):
            return False
    return True


def _answers(url: str) -> bool:
    try:
        with urllib.request.urlopen(url, timeout=5):
            return True
    except OSError:
        return False


@contextlib.contextmanager
def running(
    command: Sequence[str], log: Path, environment: Mapping[str, str] | None = None
) -> Iterator[subprocess.Popen[bytes]]:
    """A program for the length of a ``with`` block; then it is killed: what it holds is thrown away."""
    with log.open("ab") as output:
        process = subprocess.Popen(
            command,
            cwd=log.parent,
            env=environment,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,
        )
    try:
        yield process
    finally:
        # The whole group: some commands are wrappers, which would leave the program itself behind.
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(ready: Callable[[], bool], process: subprocess.Popen[bytes], log: Path) -> None:
    deadline = time.monotonic() + START_TIMEOUT
    while not ready():
        if process.poll() is not None:
            raise ServerDiedError(f"exit code {process.returncode}\n{log_tail(log)}")
        if time.monotonic() > deadline:
            raise ServerDiedError(f"not ready in {START_TIMEOUT} s\n{log_tail(log)}")
        time.sleep(0.05)
