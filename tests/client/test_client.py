"""The client against our own server: calls and replies, and errors by their meaning."""

from __future__ import annotations

import math

import pytest

from jupyter_tracking.client.client import TrackingClient
from jupyter_tracking.client.credentials import Credentials, bearer
from jupyter_tracking.client.transport import RequestsTransport
from jupyter_tracking.protocol import experiments, logged_models, metrics, runs
from jupyter_tracking.protocol.errors import (
    EndpointNotFound,
    InternalError,
    InvalidParameterValue,
    ResourceAlreadyExists,
    ResourceDoesNotExist,
    Unauthenticated,
)
from jupyter_tracking.protocol.metrics import MetricEntry
from jupyter_tracking.protocol.params import ParamEntry
from jupyter_tracking.protocol.tags import TagEntry
from tests.client.scripted import Answer, scripted
from tests.servers import Server


@pytest.fixture
def client(tracking_server: Server) -> TrackingClient:
    assert tracking_server.token is not None
    return TrackingClient(RequestsTransport(tracking_server.url, bearer(tracking_server.token)))


@pytest.fixture
def experiment(client: TrackingClient, request: pytest.FixtureRequest) -> str:
    made = experiments.CreateExperiment(name=f"client {request.node.name}")
    return client.send(experiments.create_experiment, made).experiment_id


def start(client: TrackingClient, experiment: str, name: str = "") -> str:
    request = runs.CreateRun(experiment_id=experiment, run_name=name, start_time=1)
    return client.send(runs.create_run, request).run.info.run_id


def test_experiments_by_name_and_id(client: TrackingClient, experiment: str) -> None:
    found = client.experiment(experiment)
    assert client.experiment_by_name(found.name) == found
    assert client.experiment_by_name("there is none") is None
    assert found in list(client.all_experiments())


def test_a_batch_over_the_limits_is_sent_in_parts(client: TrackingClient, experiment: str) -> None:
    run_id = start(client, experiment)
    points = [MetricEntry("m", float(step), 5, step) for step in range(2500)]
    params = [ParamEntry(f"p{index}", str(index)) for index in range(250)]
    tags = [TagEntry(f"t{index}", str(index)) for index in range(120)]
    client.log_batch(run_id, points, params, tags)
    data = client.run(run_id).data
    assert len(data.params) == 250
    assert sum(tag.key.startswith("t") for tag in data.tags) == 120
    history = client.metric_history(run_id, "m")
    assert [point.step for point in history] == list(range(2500))


def test_numbers_that_are_not_finite(client: TrackingClient, experiment: str) -> None:
    run_id = start(client, experiment)
    for step, value in enumerate(("NaN", "Infinity", "-Infinity", 1.5)):
        client.send(metrics.log_metric, metrics.LogMetric(run_id, "m", value, 1, step))  # type: ignore[arg-type]  # mypy takes the tuple's items for str and float
    values = [point.value for point in client.metric_history(run_id, "m")]
    assert sorted(map(str, values)) == ["-Infinity", "1.5", "Infinity", "NaN"]
    assert not any(isinstance(value, float) and math.isnan(value) for value in values)


def test_search_goes_on_over_pages_and_stops_at_the_limit(client: TrackingClient, experiment: str) -> None:
    made = {start(client, experiment, f"r{index}") for index in range(5)}
    found = list(client.search_runs([experiment], limit=100))
    assert {run.info.run_id for run in found} == made
    assert len(list(client.search_runs([experiment], limit=3))) == 3
    named = client.search_runs([experiment], "attributes.run_name = 'r3'", limit=10)
    assert [run.info.run_name for run in named] == ["r3"]


def test_a_call_with_a_field_in_its_path(client: TrackingClient, experiment: str) -> None:
    made = client.send(
        logged_models.create_logged_model,
        logged_models.CreateLoggedModel(experiment_id=experiment, name="m"),
    ).model.info.model_id
    found = client.send(logged_models.get_logged_model, logged_models.GetLoggedModel(model_id=made))
    assert found.model.info.name == "m"


def test_errors_have_their_classes(client: TrackingClient, experiment: str) -> None:
    with pytest.raises(ResourceDoesNotExist, match="none"):
        client.run("none")
    name = client.experiment(experiment).name
    with pytest.raises(ResourceAlreadyExists):
        client.send(experiments.create_experiment, experiments.CreateExperiment(name=name))
    with pytest.raises(InvalidParameterValue):
        list(client.search_runs([experiment], "metrics. <", limit=1))


def test_without_the_token_nothing(tracking_server: Server) -> None:
    nobody = TrackingClient(RequestsTransport(tracking_server.url, Credentials()))
    with pytest.raises(Unauthenticated):
        nobody.run("any")


@pytest.mark.parametrize(
    ("answer", "error", "text"),
    [
        (Answer(200, b"<html>log in</html>"), InternalError, "not a tracking server"),
        (Answer(200, b'{"run": 3}'), InternalError, "answered get_run in a way not understood"),
        (Answer(404, b"<html>nginx</html>"), EndpointNotFound, "check MLFLOW_TRACKING_URI"),
        (Answer(401, b"[]"), Unauthenticated, "set MLFLOW_TRACKING_TOKEN"),
        (Answer(418, b""), InternalError, "answered 418"),
    ],
)
def test_answers_of_something_else(answer: Answer, error: type[Exception], text: str) -> None:
    with scripted(answer) as server:
        client = TrackingClient(RequestsTransport(server.url, Credentials()))
        with pytest.raises(error, match=text):
            client.run("any")


def test_a_base_url_is_kept() -> None:
    with scripted(Answer(body=b'{"runs": []}')) as server:
        client = TrackingClient(RequestsTransport(f"{server.url}/user/jane%40x/tracking/", Credentials()))
        assert list(client.search_runs(["0"], limit=1)) == []
        assert server.asked[0].path == "/user/jane%40x/tracking/api/2.0/mlflow/runs/search"
        assert server.asked[0].headers["X-MLflow-Client-Version"]
