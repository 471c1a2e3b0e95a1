"""Search of logged models."""

from __future__ import annotations

import math
import uuid
from collections.abc import Sequence

import pytest

from jupyter_tracking.protocol.enums import LoggedModelStatus
from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.logged_models import (
    DatasetFilter,
    ModelOrder,
    ModelParam,
    ModelTag,
    SearchLoggedModels,
)
from jupyter_tracking_server.store import entries, experiments, logged_model_search, logged_models, runs
from jupyter_tracking_server.store.database import Database

Point = tuple[float, int, int, str | None, str | None]
"""Value, timestamp, step, dataset name and digest."""


class Group:
    """The models of an experiment; the names of their kind begin with it, as ids are unique in a store."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.mark = uuid.uuid4().hex[:8]
        with database.write() as tx:
            new = experiments.NewExperiment(f"models {self.mark}", "mlflow-artifacts:", 1)
            self.experiment = experiments.create(tx, new)
            runs.create(tx, runs.NewRun(f"run-{self.mark}", self.experiment, "n", "u", 1, "x:"))

    def model_id(self, name: str) -> str:
        return f"m-{self.mark}-{name}"

    def add(self, name: str, created: int = 1, kind: str | None = None, **fields: str) -> None:
        new = logged_models.NewLoggedModel(
            self.model_id(name),
            self.experiment,
            name,
            f"mlflow-artifacts:/{name}",
            created,
            kind,
            params=[ModelParam(key, value) for key, value in fields.items()],
            tags=[ModelTag(key, value) for key, value in fields.items()],
        )
        with self.database.write() as tx:
            logged_models.create(tx, new)

    def log(self, name: str, key: str, *points: Point) -> None:
        metrics = [
            entries.MetricPoint(key, value, timestamp, step, self.model_id(name), dataset, digest)
            for value, timestamp, step, dataset, digest in points
        ]
        with self.database.write() as tx:
            batch = [entries.Entries(f"run-{self.mark}", metrics)]
            verdicts = entries.log(tx, batch, [lambda *_: None])
        assert verdicts == [None]

    def find(
        self,
        text: str = "",
        order: Sequence[ModelOrder] = (),
        datasets: Sequence[DatasetFilter] = (),
        size: int = 0,
    ) -> str:
        """The names found, over as many pages as it takes."""
        names = ""
        token: str | None = None
        while True:
            request = SearchLoggedModels(
                [str(self.experiment)], text, list(datasets), size, list(order), token
            )
            with self.database.read() as tx:
                page = logged_model_search.search(tx, request)
            names += "".join(model.info.name for model in page.models)
            token = page.next_page_token
            if token is None:
                return names


@pytest.fixture
def group(database: Database) -> Group:
    """``a`` has metrics on two datasets, ``b`` on none, ``c`` a NaN, ``d`` nothing."""
    group = Group(database)
    group.add("a", 1, "sklearn", lr="0.1")
    group.add("b", 2, "torch", lr="0.01")
    group.add("c", 3, None, lr="0.1")
    group.add("d", 3)
    group.log("a", "acc", (0.9, 10, 0, "train", "1"), (0.2, 20, 0, "test", "1"), (0.3, 20, 1, "test", "2"))
    group.log("b", "acc", (0.5, 1, 0, None, None))
    group.log("c", "acc", (math.nan, 1, 0, None, None))
    with database.write() as tx:
        logged_models.set_status(tx, group.model_id("b"), LoggedModelStatus.READY, 9)
    return group


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("", "cdba"),
        ("name = 'a'", "a"),
        ("attributes.name != 'a'", "cdb"),
        ("name IN ('a', 'b')", "ba"),
        ("name NOT IN ('a', 'b')", "cd"),
        ("name like 'A'", ""),
        ("name ilike 'A'", "a"),
        ("model_type = 'torch'", "b"),
        ("model_type != 'torch'", "a"),
        ("status = 'READY'", "b"),
        ("status = 'LOGGED_MODEL_READY'", "b"),
        ("status = 2", "b"),
        ("status != 'READY'", "cda"),
        ("status NOT IN ('READY')", "cda"),
        ("status LIKE '%PENDING'", "cda"),
        ("creation_timestamp > 1 AND creation_time < 3", "b"),
        ("last_updated_timestamp = 9", "b"),
        ("params.lr = 0.1", "ca"),
        ("params.lr IN ('0.01')", "b"),
        ("tags.lr != '0.1'", "b"),
        ("tags.none != 'x'", ""),
        ("metrics.acc > 0.8", "a"),
        ("metrics.acc < 0.6", "ba"),
        ("metrics.acc != 0.5", "ca"),
        ("metrics.none > 0", ""),
        ("artifact_location LIKE '%/d'", "d"),
    ],
)
def test_filters(group: Group, text: str, names: str) -> None:
    assert group.find(text) == names


def test_ids(group: Group) -> None:
    assert group.find(f"model_id = '{group.model_id('a')}'") == "a"
    assert group.find(f"experiment_id = '{group.experiment}'") == "cdba"
    assert group.find(f"experiment_id != '{group.experiment}'") == ""


@pytest.mark.parametrize("size", [1, 2, 0])
@pytest.mark.parametrize(
    ("order", "names"),
    [
        (ModelOrder("name"), "abcd"),
        (ModelOrder("attributes.name", False), "dcba"),
        (ModelOrder("model_type"), "abcd"),
        (ModelOrder("model_type", False), "bacd"),
        (ModelOrder("creation_timestamp"), "abcd"),
        (ModelOrder("metrics.acc"), "abcd"),
        (ModelOrder("metrics.acc", False), "bacd"),
        (ModelOrder("metrics.`acc`", False), "bacd"),
        (ModelOrder("metrics.acc", True, "train"), "acdb"),
        (ModelOrder("metrics.acc", True, "test", "9"), "cdba"),
        (ModelOrder("metrics.none"), "cdba"),
    ],
)
def test_orders(group: Group, order: ModelOrder, names: str, size: int) -> None:
    assert group.find(order=[order], size=size) == names


def test_datasets_narrow_metrics(group: Group) -> None:
    train, test = DatasetFilter("train"), DatasetFilter("test", "1")
    assert group.find(datasets=[train]) == "a"
    assert group.find(datasets=[DatasetFilter("other")]) == ""
    assert group.find("metrics.acc > 0.8", datasets=[train]) == "a"
    assert group.find("metrics.acc > 0.8", datasets=[test]) == ""
    assert group.find("metrics.acc > 0.8", datasets=[test, train]) == "a"
    assert group.find("metrics.acc > 0.25", datasets=[DatasetFilter("test", "2")]) == "a"


def test_deleted_models_and_hidden_experiments_are_not_there(group: Group) -> None:
    with group.database.write() as tx:
        logged_models.delete(tx, group.model_id("d"), 5)
    assert group.find() == "cba"
    assert group.find("name = 'd'") == ""
    request = SearchLoggedModels([str(group.experiment)])
    with group.database.read() as tx:
        page = logged_model_search.search(tx, request, lambda number: number != group.experiment)
    assert page.models == []


def test_no_experiments_no_models(database: Database) -> None:
    with database.read() as tx:
        assert logged_model_search.search(tx, SearchLoggedModels()).models == []


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (
            "metric.acc > 1",
            "Invalid entity type 'metric'. Valid values are ['metrics', 'params', 'tags', 'attributes']",
        ),
        ("foo = 'x'", "Invalid attribute key 'foo' specified."),
        (
            "model_type IS NULL",
            "IS NULL / IS NOT NULL is not supported for 'model_type'",
        ),
        ("metrics.acc = '1'", "Expected numeric value type for metrics. Found '1'"),
        (
            "creation_timestamp > '1'",
            "Expected numeric value type for numeric attribute: creation_timestamp.",
        ),
        ("name == 'a'", "Invalid comparator '=='"),
    ],
)
def test_refused_filters(group: Group, text: str, message: str) -> None:
    with pytest.raises(InvalidParameterValue) as error:
        group.find(text)
    assert message in error.value.message


def test_refused_requests(group: Group) -> None:
    with pytest.raises(InvalidParameterValue, match="must be a positive integer"):
        group.find(size=-1)
    for name in ("params.lr", "foo", "metric.acc"):
        with pytest.raises(InvalidParameterValue, match="Invalid order by field name"):
            group.find(order=[ModelOrder(name)])
    with group.database.read() as tx:
        experiment = str(group.experiment)
        token = logged_model_search.search(
            tx, SearchLoggedModels([experiment], max_results=1)
        ).next_page_token
        other = SearchLoggedModels([experiment], "name != 'x'", max_results=1, page_token=token)
        with pytest.raises(InvalidParameterValue, match="another filter, order or scope"):
            logged_model_search.search(tx, other)
