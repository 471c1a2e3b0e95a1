"""Artifacts on one S3 server: direct by boto3, through this proxy, and through stock MLflow's, side by side.

    python -m benchmarks.artifacts [--mib 1024] [--files 1000] [--rounds 2]

All go to one SeaweedFS. Within a round each way is visited in turn, in an order that rotates. `direct` is
boto3 in the client, with its own parallel parts; `ours` and `stock` are one streamed PUT or GET through the
server, `ours, parts` is this project's client, which sends parts in parallel. Small files go by eight threads
with a connection each. A server's memory is the highest sum of its processes' proportional shares above
what they had at rest, its temporary disk the most that all files below its folder and all deleted files that
it held open grew by, its CPU the seconds of all its processes for the whole row.
"""

from __future__ import annotations

import argparse
import contextlib
import hashlib
import os
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

import requests

from benchmarks.watch import Watch
from jupyter_tracking.client.artifacts import Artifacts
from jupyter_tracking.client.session import connect
from tests.compat.environments import program
from tests.object_servers import S3Server, seaweedfs
from tests.reliability.ledger import create_run
from tests.servers import Server, start_standalone, start_stock_mlflow

MIB = 2**20
SMALL = 10 * 2**10
THREADS = 8
ROWS = {
    "put": "large file up, MB/s",
    "get": "large file down, MB/s",
    "first byte": "first byte of the large file, ms",
    "put files": "small files up, files/s",
    "get files": "small files down, files/s",
    "memory": "server: peak memory over rest, MiB",
    "disk": "server: peak temporary disk, MiB",
    "cpu": "server: CPU for all of it, s",
}


@dataclass
class Way:
    """A way to the store.

    Attributes:
        figures: of each round, by row.
    """

    name: str
    server: Server | None
    put: Callable[[Path, str], None]
    get: Callable[[str], tuple[float, str]]
    put_small: Callable[[bytes, str], None]
    get_small: Callable[[str], bytes]
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, row: str, figure: float) -> None:
        """Add a round's figure."""
        self.figures.setdefault(row, []).append(figure)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--files", type=int, default=1000, help="number of small files, 10 KiB each")
    parser.add_argument("--rounds", type=int, default=2)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jt-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        source = folder / "large.bin"
        with source.open("wb") as file:
            for _ in range(given.mib):
                file.write(os.urandom(MIB))
        with seaweedfs() as store, ways(folder, store) as contenders:
            for number in range(given.rounds):
                shift = number % len(contenders)
                for way in [*contenders[shift:], *contenders[:shift]]:
                    say(f"round {number + 1}: {way.name}")
                    visit(way, source, given.files, f"round{number}")
            print_table(contenders, given.mib, given.files)


def visit(way: Way, source: Path, files: int, prefix: str) -> None:
    """One round of one way."""
    size = source.stat().st_size
    digest = _digest(source)
    with Watch(way.server.pid, way.server.log.parent) if way.server else contextlib.nullcontext() as watch:
        began = time.perf_counter()
        way.put(source, f"{prefix}/{way.name}/large.bin")
        way.note("put", size / (time.perf_counter() - began) / 1e6)
        began = time.perf_counter()
        first, received = way.get(f"{prefix}/{way.name}/large.bin")
        way.note("get", size / (time.perf_counter() - began) / 1e6)
        way.note("first byte", first * 1000)
        if received != digest:
            raise AssertionError(f"{way.name}: the bytes that came back are others")
        names = [f"{prefix}/{way.name}/small/{number:05}.bin" for number in range(files)]
        contents = [os.urandom(SMALL) for _ in names]
        with ThreadPoolExecutor(THREADS) as pool:
            began = time.perf_counter()
            list(pool.map(way.put_small, contents, names))
            way.note("put files", files / (time.perf_counter() - began))
            began = time.perf_counter()
            back = list(pool.map(way.get_small, names))
            way.note("get files", files / (time.perf_counter() - began))
        if back != contents:
            raise AssertionError(f"{way.name}: small files came back as others")
    if watch is not None:
        way.note("memory", watch.memory / MIB)
        way.note("disk", watch.disk / MIB)
        way.note("cpu", watch.cpu)


@contextlib.contextmanager
def ways(folder: Path, store: S3Server) -> Iterator[list[Way]]:
    """All ways, their servers running."""
    bucket = store.create_bucket()
    destination = f"s3://{bucket}/proxied"
    with contextlib.ExitStack() as stack:
        ours = stack.enter_context(
            start_standalone(
                folder / "ours",
                auth="none",
                options=["--artifacts-destination", destination],
                variables=store.environment,
            )
        )
        stock = stack.enter_context(
            start_stock_mlflow(
                program("mlflow3", "mlflow"),
                folder / "stock",
                options=["--artifacts-destination", destination + "-stock"],
                variables=store.environment,
            )
        )
        yield [
            _direct(store, bucket),
            _proxied("ours", ours),
            _by_client("ours, parts", ours),
            _proxied("stock", stock),
        ]


def _direct(store: S3Server, bucket: str) -> Way:
    client = store.client()

    def get(key: str) -> tuple[float, str]:
        began = time.perf_counter()
        client.get_object(Bucket=bucket, Key=key)["Body"].read(1)
        first = time.perf_counter() - began
        with tempfile.NamedTemporaryFile() as file:
            client.download_file(bucket, key, file.name)
            return first, _digest(Path(file.name))

    def put_small(content: bytes, key: str) -> None:
        client.put_object(Bucket=bucket, Key=key, Body=content)

    return Way(
        "direct",
        None,
        lambda source, key: client.upload_file(str(source), bucket, key),
        get,
        put_small,
        lambda key: client.get_object(Bucket=bucket, Key=key)["Body"].read(),
    )


def _proxied(name: str, server: Server) -> Way:
    with requests.Session() as first:
        run = create_run(first, server)
    root = f"{server.url}/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts"
    sessions = threading.local()

    def session() -> requests.Session:
        if not hasattr(sessions, "own"):
            sessions.own = requests.Session()
        own: requests.Session = sessions.own
        return own

    def put(source: Path, key: str) -> None:
        with source.open("rb") as file:
            session().put(f"{root}/{key}", data=file, timeout=600).raise_for_status()

    def get(key: str) -> tuple[float, str]:
        began, first, found = time.perf_counter(), 0.0, hashlib.sha256()
        with session().get(f"{root}/{key}", stream=True, timeout=600) as reply:
            reply.raise_for_status()
            for chunk in reply.iter_content(MIB):
                first = first or time.perf_counter() - began
                found.update(chunk)
        return first, found.hexdigest()

    def put_small(content: bytes, key: str) -> None:
        session().put(f"{root}/{key}", data=content, timeout=60).raise_for_status()

    def get_small(key: str) -> bytes:
        reply = session().get(f"{root}/{key}", timeout=60)
        reply.raise_for_status()
        return reply.content

    return Way(name, server, put, get, put_small, get_small)


def _by_client(name: str, server: Server) -> Way:
    plain = _proxied(name, server)
    with requests.Session() as first:
        run = create_run(first, server)
    artifacts = Artifacts(connect(server.url)[1], run, f"mlflow-artifacts:/0/{run}/artifacts")

    def put(source: Path, key: str) -> None:
        folder, _, file = key.rpartition("/")
        artifacts.upload(source, folder, file)

    def get(key: str) -> tuple[float, str]:
        began = time.perf_counter()
        with artifacts.open(key, 1) as reply:
            next(iter(reply.chunks))
        first = time.perf_counter() - began
        with tempfile.TemporaryDirectory() as target:
            return first, _digest(Path(artifacts.download(key, Path(target)).path))

    def put_small(content: bytes, key: str) -> None:
        artifacts.upload_bytes(content, key)

    def get_small(key: str) -> bytes:
        with artifacts.open(key) as reply:
            return reply.read()

    return Way(name, plain.server, put, get, put_small, get_small)


def print_table(contenders: Sequence[Way], mib: int, files: int) -> None:
    """The medians, as Markdown."""
    print(f"\nLarge file: {mib} MiB; small files: {files} of 10 KiB\n")
    print("| | " + " | ".join(way.name for way in contenders) + " |")
    print("|---" * (len(contenders) + 1) + "|")
    for row, title in ROWS.items():
        cells = [
            f"{statistics.median(way.figures[row]):,.3g}" if row in way.figures else "" for way in contenders
        ]
        print(f"| {title} | " + " | ".join(cells) + " |")


def _digest(path: Path) -> str:
    with path.open("rb") as file:
        found = hashlib.sha256()
        while chunk := file.read(MIB):
            found.update(chunk)
    return found.hexdigest()


def say(text: str) -> None:
    """Tell how far it is, beside the table."""
    print(text, file=sys.stderr, flush=True)


if __name__ == "__main__":
    main()
