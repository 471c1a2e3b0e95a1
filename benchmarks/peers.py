"""The servers that are compared: ours at each durability, stock mlflow and FastTrackML.

Durability on SQLite: stock mlflow keeps SQLite's defaults (rollback journal, synchronous FULL: a commit
survives power loss). FastTrackML uses WAL with synchronous NORMAL (a commit survives the death of the
process, the last ones may be lost with the power): its database file says WAL, and under strace it made 5
fsync calls, all of checkpoints, in 100 acknowledged log-metric calls. Ours is `full` by default and
`normal` by option: `ours` is compared with stock at stock's durability, `ours-normal` with FastTrackML at
FastTrackML's. On PostgreSQL all wait for its log to reach the disk.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.compat.environments import program
from tests.servers import Server, start_fasttrackml, start_standalone, start_stock_mlflow


@dataclass(frozen=True)
class Peer:
    """A way to start one of the servers.

    Attributes:
        start: takes a folder and a backend store's URI (None: SQLite in the folder).
        prepare: installs what it needs, if that is missing, before anything is timed.
    """

    name: str
    start: Callable[[Path, str | None], Server]
    prepare: Callable[[], object]


def _ours(folder: Path, backend: str | None) -> Server:
    return start_standalone(folder, backend=backend, auth="none")


def _ours_normal(folder: Path, backend: str | None) -> Server:
    return start_standalone(folder, backend=backend, auth="none", options=["--durability", "normal"])


def _stock(folder: Path, backend: str | None) -> Server:
    return start_stock_mlflow(_mlflow(), folder, backend=backend)


def _fasttrackml(folder: Path, backend: str | None) -> Server:
    return start_fasttrackml(_fml(), folder, backend=backend)


def _mlflow() -> Path:
    return program("mlflow3", "mlflow")


def _fml() -> Path:
    return program("ftml", "fml")


def _nothing() -> None:
    """Ours runs from the environment that runs the benchmark."""


PEERS = {
    peer.name: peer
    for peer in (
        Peer("ours", _ours, _nothing),
        Peer("ours-normal", _ours_normal, _nothing),
        Peer("stock", _stock, _mlflow),
        Peer("fasttrackml", _fasttrackml, _fml),
    )
}
