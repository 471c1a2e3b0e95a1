"""A stock client's script that logs a metric again and again until a file appears, and prints how often."""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow


def main(stop: Path) -> None:
    """Log until ``stop`` is there."""
    count = 0
    with mlflow.start_run() as active:
        print(active.info.run_id, flush=True)
        while not stop.exists():
            mlflow.log_metric("m", count, step=count)
            count += 1
    print(count, flush=True)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
