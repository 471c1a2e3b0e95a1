"""The run that a notebook logs to."""

from __future__ import annotations

from collections.abc import Callable
from types import TracebackType

from . import notebook
from .protocol.enums import RunStatus
from .protocol.runs import RunInfo


class ActiveRun:
    """A run under way; as a context manager it ends the run, as FAILED if the block raises.

    Attributes:
        info: what the server said of the run when it started.
        url: its page.
        params: what was logged through this object, by key: the same again needs no request.
        shared: whether ``mlflow`` knows it as active too.
        ended: whether it has been ended here.
        announced_in: the number of the cell that has said that it started.
    """

    def __init__(self, info: RunInfo, tracking_url: str, end: Callable[[ActiveRun, RunStatus], None]) -> None:
        self.info = info
        self.url = f"{tracking_url}/#/experiments/{info.experiment_id}/runs/{info.run_id}"
        self.params: dict[str, str] = {}
        self.shared = False
        self.ended = False
        self.announced_in: int | None = None
        self._end = end

    @property
    def run_id(self) -> str:
        """The run's id."""
        return self.info.run_id

    @property
    def name(self) -> str:
        """The run's name."""
        return self.info.run_name

    @property
    def experiment_id(self) -> str:
        """The id of the run's experiment."""
        return self.info.experiment_id

    def end(self, status: str = "FINISHED") -> None:
        """End this run, and those that were started inside it."""
        self._end(self, RunStatus(status))

    def __enter__(self) -> ActiveRun:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.end(status_after(error).value)

    def __repr__(self) -> str:
        return f"run {self.name} · {self.url}"

    def _ipython_display_(self) -> None:
        place = notebook.place()
        # A terminal has written "Out[n]:" by now, and something must follow.
        if not place.is_notebook or self.announced_in != place.execution_count:
            print(self)  # noqa: T201 - what IPython asks for


def status_after(error: BaseException | None) -> RunStatus:
    """How a run ends that was left with this exception."""
    if error is None or (isinstance(error, SystemExit) and error.code in (None, 0)):
        return RunStatus.FINISHED
    return RunStatus.KILLED if isinstance(error, KeyboardInterrupt) else RunStatus.FAILED
