"""Run by a test: folds a small slice of a run for each line of input and says so, until killed or done."""

from __future__ import annotations

import sys

from jupyter_tracking_server.store import fold
from jupyter_tracking_server.store.database import Database


def main(uri: str, run_id: str) -> None:
    database = Database(uri)
    with database.read() as tx:
        ((rid,),) = tx.driver("SELECT rid FROM runs WHERE run_id = ?", [run_id])
    moved = 1
    while moved and sys.stdin.readline():
        with database.write() as tx:
            moved = fold.fold(tx, rid, 100)
        print(moved, flush=True)
    database.close()


if __name__ == "__main__":
    main(*sys.argv[1:])
