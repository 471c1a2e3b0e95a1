"""The client of the protocol: a call and its request in, its reply out, errors raised by their meaning."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar
from urllib.parse import quote, urlsplit

import msgspec

from .. import protocol
from ..protocol import experiments, limits, metrics, runs, wire
from ..protocol.call import Call
from ..protocol.enums import ViewType
from ..protocol.errors import (
    EndpointNotFound,
    InternalError,
    PermissionDenied,
    RequestLimitExceeded,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
    TrackingError,
    Unauthenticated,
    error_from_code,
)
from ..protocol.params import ParamEntry
from ..protocol.tags import TagEntry
from .retries import STATUSES, Retries
from .transport import HttpReply, HttpRequest, Transport, Unreachable

Request = TypeVar("Request", bound=msgspec.Struct)
Reply = TypeVar("Reply", bound=msgspec.Struct)

_PATH_FIELD = re.compile(r"\{(\w+)(\.\.\.)?\}")
_BY_STATUS: dict[int, type[TrackingError]] = {
    401: Unauthenticated,
    403: PermissionDenied,
    404: EndpointNotFound,
    429: RequestLimitExceeded,
    502: TemporarilyUnavailable,
    503: TemporarilyUnavailable,
    504: TemporarilyUnavailable,
}
_HEADERS = {
    "User-Agent": f"jupyter-tracking/{protocol.API_VERSION}",
    "X-MLflow-Client-Version": protocol.API_VERSION,
}


class TrackingClient:
    """Sends calls to one server, again and again if need be.

    Args:
        transport: how to reach the server.
        retries: how patiently; by default as the environment says.
        find: looks for the server anew when it is not where it was (one that Jupyter restarted).
    """

    def __init__(
        self,
        transport: Transport,
        retries: Retries | None = None,
        *,
        find: Callable[[], Transport] | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self.transport = transport
        self._retries = retries or Retries.from_environment()
        self._find = find
        self._sleep = sleep

    @property
    def url(self) -> str:
        """The tracking URI."""
        return self.transport.url

    def send(self, call: Call[Request, Reply], request: Request) -> Reply:
        """Make a call.

        Raises:
            TrackingError: what the server answered, by its meaning; ``Unreachable`` if it did not.
        """
        body = self.open(_http_request(call, request)).read()
        if body.strip() and not body.lstrip().startswith(b"{"):
            raise InternalError(
                f"{self.url} is not a tracking server (a log-in page perhaps); check MLFLOW_TRACKING_URI."
            )
        try:
            return wire.decode_json(call.reply, body or b"{}")
        except TrackingError as error:
            raise InternalError(f"{self.url} answered {call.name} in a way not understood: {error}") from None

    def open(self, request: HttpRequest) -> HttpReply:
        """Send a request, also again, and return the reply for its body to be read.

        Raises:
            TrackingError: the reply is an error, or none came.
        """
        retries, attempt = self._retries.now(), 0
        looked = self._find is None or bool(request.elsewhere)
        while True:
            wait_hint = None
            try:
                reply = self.transport.send(request)
                if reply.status < 400:
                    return reply
                wait_hint = reply.headers.get("Retry-After")
                again, error = reply.status in STATUSES, _error_of(reply, _asked(request, self.url))
            except Unreachable as failure:
                again, error = not failure.lasting, failure
            if not looked and isinstance(error, Unreachable | Unauthenticated):
                looked = True
                self._look_again()
                continue
            attempt += 1
            if not again or attempt > retries.total:
                raise error
            self._sleep(retries.wait(attempt, wait_hint))

    def _look_again(self) -> None:
        if self._find is not None:
            self.transport = self._find()

    def experiment_by_name(self, name: str) -> experiments.Experiment | None:
        """The experiment of that name, also a deleted one; None if there is none."""
        try:
            request = experiments.GetExperimentByName(experiment_name=name)
            return self.send(experiments.get_experiment_by_name, request).experiment
        except ResourceDoesNotExist:
            return None

    def experiment(self, experiment_id: str) -> experiments.Experiment:
        """One experiment, also a deleted one."""
        request = experiments.GetExperiment(experiment_id=experiment_id)
        return self.send(experiments.get_experiment, request).experiment

    def all_experiments(self) -> Iterator[experiments.Experiment]:
        """All active experiments, newest first."""
        token: str | None = None
        while True:
            page = self.send(experiments.search_experiments, experiments.SearchExperiments(page_token=token))
            yield from page.experiments
            token = page.next_page_token
            if not token:
                return

    def run(self, run_id: str) -> runs.Run:
        """One run, also a deleted one."""
        return self.send(runs.get_run, runs.GetRun(run_id=run_id)).run

    def log_batch(
        self,
        run_id: str,
        metrics: Sequence[metrics.MetricEntry] = (),
        params: Sequence[ParamEntry] = (),
        tags: Sequence[TagEntry] = (),
    ) -> None:
        """Log many things. One request up to the protocol's limits, which is all or nothing; else several."""
        for first in range(0, max(len(params), len(tags)), limits.BATCH_PARAMS):
            part = slice(first, first + limits.BATCH_PARAMS)
            some = 0 if first else limits.BATCH_TOTAL - len(params[part]) - len(tags[part])
            batch = runs.LogBatch(run_id, list(metrics[:some]), list(params[part]), list(tags[part]))
            self.send(runs.log_batch, batch)
            metrics = metrics[some:]
        for first in range(0, len(metrics), limits.BATCH_METRICS):
            self.send(
                runs.log_batch, runs.LogBatch(run_id, list(metrics[first : first + limits.BATCH_METRICS]))
            )

    def search_runs(
        self,
        experiment_ids: Sequence[str],
        filter_string: str = "",
        order_by: Sequence[str] = (),
        *,
        limit: int,
        view: ViewType = ViewType.ACTIVE_ONLY,
    ) -> Iterator[runs.Run]:
        """Up to ``limit`` runs of some experiments, page by page."""
        token: str | None = None
        while limit > 0:
            request = runs.SearchRuns(
                experiment_ids=list(experiment_ids),
                filter=filter_string,
                order_by=list(order_by),
                max_results=min(limit, 5000),
                run_view_type=view,
                page_token=token,
            )
            page = self.send(runs.search_runs, request)
            yield from page.runs[:limit]
            limit -= len(page.runs)
            token = page.next_page_token
            if not token:
                return

    def metric_history(self, run_id: str, key: str) -> list[metrics.Metric]:
        """All points of a metric, by timestamp, step and value."""
        found: list[metrics.Metric] = []
        token: str | None = None
        while True:
            request = metrics.GetMetricHistory(
                run_id=run_id, metric_key=key, max_results=25_000, page_token=token
            )
            page = self.send(metrics.get_metric_history, request)
            found += page.metrics
            token = page.next_page_token
            if not token:
                return found


def _http_request(call: Call[Request, Reply], request: Request) -> HttpRequest:
    in_path: set[str] = set()

    def fill(field: re.Match[str]) -> str:
        in_path.add(field[1])
        return quote(str(getattr(request, field[1])), safe="/" if field[2] else "")

    path = _PATH_FIELD.sub(fill, call.url_path())
    if call.verbs[0] == "GET":
        query = [(name, value) for name, value in wire.encode_query(request) if name not in in_path]
        return HttpRequest("GET", path, query, headers=_HEADERS)
    headers = {**_HEADERS, "Content-Type": "application/json"}
    return HttpRequest(call.verbs[0], path, body=wire.encode(request), headers=headers)


def _asked(request: HttpRequest, url: str) -> str:
    """Who was asked, for an error's text: without the query of a signed address, which is a key."""
    return urlsplit(request.elsewhere).netloc if request.elsewhere else url


def _error_of(reply: HttpReply, url: str) -> TrackingError:
    """The error that a reply carries, or the one that its status stands for."""
    body = reply.read()
    try:
        found = json.loads(body)
        return error_from_code(found["error_code"], found["message"])
    except (ValueError, TypeError, KeyError):
        cls = _BY_STATUS.get(reply.status, InternalError)
        return cls(f"{url} answered {reply.status}{_hint(reply.status)}.")


def _hint(status: int) -> str:
    if status == 401:
        return ": it does not know you; set MLFLOW_TRACKING_TOKEN, or MLFLOW_TRACKING_USERNAME and _PASSWORD"
    if status == 403:
        return ": you may not do this"
    if status == 404:
        return ": it has no such method; check MLFLOW_TRACKING_URI"
    return ""
