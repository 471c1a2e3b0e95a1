"""Runs in the environment of a stock client: logs until a file appears, then checks it.

Prints a line for each step. Any call that fails after the client's own retries ends it with a traceback.
"""

from __future__ import annotations

import sys
from pathlib import Path

import mlflow

stop, step = Path(sys.argv[1]), 0
mlflow.set_experiment("stock")
with mlflow.start_run() as run:
    while not stop.exists():
        mlflow.log_metric("m", step / 7, step=step)
        mlflow.log_param(f"p{step}", step)
        if step % 10 == 0:
            mlflow.log_text(f"text {step}", f"texts/{step}.txt")
        step += 1
        print(step, flush=True)
client = mlflow.MlflowClient()
found = client.get_run(run.info.run_id)
assert [point.step for point in client.get_metric_history(run.info.run_id, "m")] == list(range(step))
assert found.data.params == {f"p{number}": str(number) for number in range(step)}
assert found.info.status == "FINISHED"
names = {item.path for item in client.list_artifacts(run.info.run_id, "texts")}
assert names == {f"texts/{number}.txt" for number in range(0, step, 10)}
print("sound", flush=True)
