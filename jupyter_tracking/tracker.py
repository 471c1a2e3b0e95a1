"""The state behind the fluent functions: the server, the experiment, and the stack of active runs.

Each thread has a stack of its own. A thread without one logs to the runs of the main thread, which in a
notebook runs the cells: a callback in a worker thread then meets the notebook's run and makes no stray one.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import threading
import time
from collections.abc import Mapping

from . import mlflow_bridge, notebook
from .client.artifacts import Artifacts
from .client.client import TrackingClient
from .client.progress import Watcher
from .client.retries import hurried
from .client.session import Server, connect
from .current_run import ActiveRun
from .protocol import experiments, runs
from .protocol.enums import LifecycleStage, RunStatus
from .protocol.errors import InvalidParameterValue, InvalidState, ResourceAlreadyExists, TrackingError
from .protocol.tags import TagEntry

PARENT_TAG = "mlflow.parentRunId"
CELL_TAG = "jupyter.cell_id"


class Tracker:
    """One for each process; connects when it is first used.

    Attributes:
        last: the run that ended last.
    """

    def __init__(self) -> None:
        self.last: ActiveRun | None = None
        self._lock = threading.RLock()
        self._url: str | None = None
        self._connection: tuple[Server, TrackingClient] | None = None
        self._experiment_id: str | None = None
        self._main_runs: list[ActiveRun] = []
        self._of_thread = threading.local()
        self._owner = self._pid = os.getpid()

    def use(self, url: str | None) -> None:
        """Log to another server from now on; None looks for one again. What is active ends as FINISHED."""
        self.end_all()
        with self._lock:
            self._url, self._connection, self._experiment_id = url, None, None

    @property
    def server(self) -> Server:
        """The server in use."""
        return self._connected()[0]

    @property
    def client(self) -> TrackingClient:
        """The client of the server in use."""
        return self._connected()[1]

    def experiment_id(self) -> str:
        """The experiment in which runs start: chosen here or in mlflow, named in the environment, or "0"."""
        partner = self._partner()
        chosen = (partner.experiment_id() if partner else None) or self._experiment_id
        if chosen:
            return chosen
        if name := os.environ.get("MLFLOW_EXPERIMENT_NAME"):
            return self._experiment_named(name).experiment_id
        return os.environ.get("MLFLOW_EXPERIMENT_ID") or "0"

    def set_experiment(self, name: str | None, experiment_id: str | None) -> experiments.Experiment:
        """Choose the experiment for new runs; one that is named and not there is made."""
        if name is None and experiment_id is None:
            raise InvalidParameterValue("Give the experiment's name or its id.")
        found = self.client.experiment(experiment_id) if experiment_id else self._experiment_named(str(name))
        if found.lifecycle_stage is LifecycleStage.DELETED:
            raise InvalidState(f"Experiment {found.name!r} is deleted; restore it or choose another name.")
        self._experiment_id = found.experiment_id
        if partner := self._partner():
            partner.set_experiment(found.experiment_id)
        else:
            mlflow_bridge.watch(self._meet_mlflow)
        return found

    def active(self, *, here: bool = False) -> ActiveRun | None:
        """The innermost active run of this thread or, unless ``here`` is said, of the main one."""
        with self._lock:
            mine = self._runs() or ([] if here else self._main_runs)
            return mine[-1] if mine else None

    def start(
        self, *, experiment_id: str | None, name: str | None, nested: bool, tags: Mapping[str, object]
    ) -> ActiveRun:
        """Make a run and make it the active one; ``nested`` inside the one that is active."""
        active = self.active()
        own = {**_source_tags(), **({PARENT_TAG: active.run_id} if nested and active else {})}
        request = runs.CreateRun(
            experiment_id=experiment_id or self.experiment_id(),
            user_id=notebook.user(),
            run_name=name or "",
            start_time=now(),
            tags=[TagEntry(key, str(value)) for key, value in {**own, **tags}.items()],
        )
        return self._push(self.client.send(runs.create_run, request).run.info)

    def resume(self, run_id: str) -> ActiveRun:
        """Make an older run the active one, RUNNING again."""
        request = runs.UpdateRun(run_id=run_id, status=RunStatus.RUNNING)
        return self._push(self.client.send(runs.update_run, request).run_info)

    def end(self, run: ActiveRun, status: RunStatus) -> None:
        """End a run and those above it; it is no longer active even if the server can't be told."""
        with self._lock:
            mine = self._runs()
            if run.ended or (run.shared and run not in mine):  # in the latter case mlflow has ended it
                return
            stack = mine if run in mine else self._main_runs
            above = stack[stack.index(run) :] if run in stack else [run]
            stack[:] = [each for each in stack if each not in above]
            partner = self._partner()
            for each in above:
                each.ended, self.last = True, run
                if partner is not None:
                    partner.remove(each.run_id)
        for each in reversed(above):
            request = runs.UpdateRun(run_id=each.run_id, status=status, end_time=now())
            self.client.send(runs.update_run, request)

    def end_all(self) -> None:
        """End what is still active as FINISHED; not in a process that was forked from the run's own."""
        if os.getpid() == self._owner and self._main_runs:
            with hurried(), contextlib.suppress(TrackingError):
                self.end(self._main_runs[0], RunStatus.FINISHED)

    def artifacts(self, run_id: str, watcher: Watcher | None = None) -> Artifacts:
        """The artifacts of a run."""
        active = self.active()
        known = active is not None and active.run_id == run_id
        location = active.info.artifact_uri if active and known else self.client.run(run_id).info.artifact_uri
        return Artifacts(self.client, run_id, location, watcher)

    def _connected(self) -> tuple[Server, TrackingClient]:
        with self._lock:
            if self._pid != os.getpid():  # sockets must not be shared with the process that forked this one
                self._pid, self._connection = os.getpid(), None
            if self._connection is None:
                self._connection = connect(self._url)
            return self._connection

    def _experiment_named(self, name: str) -> experiments.Experiment:
        found = self.client.experiment_by_name(name)
        if found is not None:
            return found
        try:
            request = experiments.CreateExperiment(name=name)
            made = self.client.send(experiments.create_experiment, request).experiment_id
        except ResourceAlreadyExists:  # another notebook was faster
            return self._experiment_named(name)
        return self.client.experiment(made)

    def _partner(self) -> mlflow_bridge.MlflowStack | None:
        return mlflow_bridge.stack(self.client.url) if mlflow_bridge.is_loaded() else None

    def _runs(self) -> list[ActiveRun]:
        """The stack of this thread, brought in line with that of mlflow."""
        if threading.current_thread() is threading.main_thread():
            mine = self._main_runs
        else:
            mine = self._of_thread.__dict__.setdefault("runs", [])
        partner = self._partner()
        if partner is not None:
            for run in mine:
                run.shared = run.shared or partner.push(run.run_id)
            known = {run.run_id: run for run in mine}
            own = [run for run in mine if not run.shared]
            mine[:] = [known.get(run_id) or self._adopted(run_id) for run_id in partner.ids()] + own
        return mine

    def _adopted(self, run_id: str) -> ActiveRun:
        run = ActiveRun(self.client.run(run_id).info, self.client.url, self.end)
        run.shared = True
        return run

    def _push(self, info: runs.RunInfo) -> ActiveRun:
        run = ActiveRun(info, self.client.url, self.end)
        with self._lock:
            self._runs().append(run)
            self._runs()
            if not run.shared:
                mlflow_bridge.watch(self._meet_mlflow)
        return run

    def _meet_mlflow(self) -> None:
        """Called when mlflow has been imported: it shall know our experiment and runs. Never raises there."""
        try:
            partner = self._partner()
            if partner is not None and self._experiment_id:
                partner.set_experiment(self._experiment_id)
            self._runs()
        except Exception as error:
            mlflow_bridge.logger.warning("mlflow does not share the active run: %s", error)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def _source_tags() -> dict[str, str]:
    place = notebook.place()
    tags = {
        "mlflow.user": notebook.user(),
        "mlflow.source.type": "NOTEBOOK" if place.is_notebook else "LOCAL",
    }
    if place.path:
        tags["mlflow.source.name"] = place.path
    if place.cell_id:
        tags[CELL_TAG] = place.cell_id
    return tags


tracker = Tracker()
atexit.register(tracker.end_all)
