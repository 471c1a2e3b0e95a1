"""What the relay of a Jupyter Server costs: a service of ours, asked directly and through it, side by side.

    python -m benchmarks.relay [--mib 1024] [--rounds 3]

The service is standalone with a file store, the relay a real Jupyter Server before it, the client one thread
with plain sockets and one buffer. Within a round both ways are visited in an order that rotates. Memory is
what the relay's process allocated at most above what it had at rest, and CPU its seconds, for the large file
both ways. Small calls are log-metric by 16 connections.
"""

from __future__ import annotations

import argparse
import itertools
import json
import os
import socket
import statistics
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

import requests

from benchmarks import load
from benchmarks.watch import Watch
from tests.relays import start_relay
from tests.reliability.ledger import create_run
from tests.servers import Server, session_memory, start_standalone

MIB = 2**20
CONNECTIONS, SECONDS = 16, 5.0
ROWS = {
    "up": "large file up, MB/s",
    "down": "large file down, MB/s",
    "calls": "log-metric, calls/s",
    "latency": "log-metric, median ms",
}


@dataclass
class Way:
    """A way to the service, and its figures of each round by row."""

    name: str
    server: Server
    figures: dict[str, list[float]] = field(default_factory=dict)

    def note(self, row: str, figure: float) -> None:
        """Add a round's figure."""
        self.figures.setdefault(row, []).append(figure)

    def median(self, row: str) -> float:
        """Of all rounds."""
        return statistics.median(self.figures[row])


class Allocated:
    """Watches what one process allocates during a `with` block.

    Shares of memory, which ``Watch`` adds up, grow also when other processes end.

    Attributes:
        most: bytes by which it exceeded what it had before.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._sample, daemon=True)
        self.most = 0

    def __enter__(self) -> Allocated:
        self._rest = session_memory(self._pid, "Anonymous")
        self._thread.start()
        return self

    def __exit__(self, *_error: object) -> None:
        self._done.set()
        self._thread.join()

    def _sample(self) -> None:
        while not self._done.wait(0.1):
            self.most = max(self.most, session_memory(self._pid, "Anonymous") - self._rest)


def main() -> None:
    """Measure and print the table."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--mib", type=int, default=1024, help="size of the large file")
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="jt-bench-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        with (
            start_standalone(folder / "service") as service,
            start_relay(
                folder / "jupyter", service.url, variables={"MLFLOW_TRACKING_TOKEN": service.token or ""}
            ) as relay,
        ):
            ways = [Way("direct", service), Way("relay", relay)]
            memory, cpu = _measure(ways, given.mib * MIB, given.rounds)
    direct, relayed = ways
    print(f"\nLarge file: {given.mib} MiB; {given.rounds} rounds\n")
    print("| | direct | relay | ratio |\n|---|---|---|---|")
    for row, title in ROWS.items():
        ratio = relayed.median(row) / direct.median(row)
        print(f"| {title} | {direct.median(row):,.4g} | {relayed.median(row):,.4g} | {ratio:.2f} |")
    print(f"| relay: peak memory over rest, MiB | | {max(memory):.2f} | |")
    print(f"| relay: CPU for the large file up and down, s | | {statistics.median(cpu):.2f} | |")


def _measure(ways: list[Way], size: int, rounds: int) -> tuple[list[float], list[float]]:
    """All rounds; with the relay's memory and CPU in each."""
    memory, cpu = [], []
    with requests.Session() as session:
        run = create_run(session, ways[0].server)
    for way in ways:
        _visit(Way("", way.server), run, 2 * MIB)
    for number in range(rounds):
        for way in ways if number % 2 else ways[::-1]:
            pid, folder = way.server.pid, way.server.log.parent
            with Watch(pid, folder) as watch, Allocated(pid) as allocated:
                _visit(way, run, size)
            if way.name == "relay":
                memory.append(allocated.most / MIB)
                cpu.append(watch.cpu)
            calls = load.run(
                way.server.url,
                itertools.repeat(_log_metric(way.server, run)),
                connections=CONNECTIONS,
                seconds=SECONDS,
            )
            if calls.errors:
                raise AssertionError(calls.first_error)
            way.note("calls", calls.rate)
            way.note("latency", calls.percentile(0.5))
    return memory, cpu


def _visit(way: Way, run: str, size: int) -> None:
    """The large file up and down again."""
    path = f"/api/2.0/mlflow-artifacts/artifacts/0/{run}/artifacts/large.bin"
    buffer = memoryview(bytearray(os.urandom(MIB)))
    with _connected(way.server) as connection:
        began = time.perf_counter()
        connection.sendall(_head(way.server, "PUT", path, size))
        for _ in range(size // MIB):
            connection.sendall(buffer)
        received = connection.recv_into(buffer)
        way.note("up", size / (time.perf_counter() - began) / 1e6)
        if not bytes(buffer[:received]).startswith(b"HTTP/1.1 200"):
            raise AssertionError(bytes(buffer[:received]))
    with _connected(way.server) as connection:
        began = time.perf_counter()
        connection.sendall(_head(way.server, "GET", path))
        received = connection.recv_into(buffer)
        head, _, body = bytes(buffer[:received]).partition(b"\r\n\r\n")
        if not head.startswith(b"HTTP/1.1 200"):
            raise AssertionError(head)
        left = size - len(body)
        while left > 0 and (received := connection.recv_into(buffer)):
            left -= received
        way.note("down", size / (time.perf_counter() - began) / 1e6)
        if left:
            raise AssertionError(f"{left} bytes are missing")


def _connected(server: Server) -> socket.socket:
    place = urlsplit(server.url)
    return socket.create_connection((place.hostname or "", place.port or 0), 120)


def _head(server: Server, verb: str, path: str, length: int | None = None) -> bytes:
    place = urlsplit(server.url)
    lines = [f"{verb} {place.path}{path} HTTP/1.1", f"Host: {place.netloc}"]
    lines += [f"{name}: {value}" for name, value in server.headers.items()]
    lines += [] if length is None else ["Content-Type: application/json", f"Content-Length: {length}"]
    return "\r\n".join([*lines, "", ""]).encode()


def _log_metric(server: Server, run: str) -> bytes:
    body = json.dumps({"run_id": run, "key": "m", "value": 1.0, "timestamp": 1, "step": 1}).encode()
    return _head(server, "POST", "/api/2.0/mlflow/runs/log-metric", len(body)) + body


if __name__ == "__main__":
    main()
