"""Search of experiments."""

from __future__ import annotations

import uuid

import pytest

from jupyter_tracking.protocol.enums import LifecycleStage, ViewType
from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking.protocol.experiments import ExperimentTag, SearchExperiments
from jupyter_tracking_server.store import experiment_search, experiments
from jupyter_tracking_server.store.database import Database


class Group:
    """Experiments that a tag keeps apart from those of other tests."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.mark = uuid.uuid4().hex
        self.numbers: dict[str, int] = {}

    def add(self, name: str, created: int = 1, **tags: str) -> None:
        held = [ExperimentTag(key, value) for key, value in {**tags, "mark": self.mark}.items()]
        with self.database.write() as tx:
            new = experiments.NewExperiment(f"{name}-{self.mark}", "mlflow-artifacts:", created, tags=held)
            self.numbers[name] = experiments.create(tx, new)

    def find(
        self, text: str = "", *order: str, view: ViewType = ViewType.ACTIVE_ONLY, size: int = 100
    ) -> list[str]:
        """The names found, over as many pages as it takes."""
        whole = f"tags.mark = '{self.mark}'" + (f" AND {text}" if text else "")
        names: list[str] = []
        token: str | None = None
        while True:
            with self.database.read() as tx:
                request = SearchExperiments(size, token, whole, list(order), view)
                page = experiment_search.search(tx, request)
            names += [found.name.removesuffix(f"-{self.mark}") for found in page.experiments]
            token = page.next_page_token
            if token is None:
                return names


@pytest.fixture
def group(database: Database) -> Group:
    group = Group(database)
    for name, created in {"b": 1, "A": 2, "a": 2, "c": 3}.items():
        group.add(name, created, team="x" if name == "A" else "y")
    return group


@pytest.mark.parametrize("size", [1, 2, 3, 100])
@pytest.mark.parametrize(
    ("order", "names"),
    [
        ([], "cAab"),
        (["name"], "Aabc"),
        (["attribute.name DESC"], "cbaA"),
        (["creation_time"], "baAc"),
        (["last_update_time DESC", "name"], "cAab"),
        (["experiment_id DESC"], "caAb"),
    ],
)
def test_orders(group: Group, order: list[str], names: str, size: int) -> None:
    assert group.find("", *order, size=size) == list(names)


@pytest.mark.parametrize(
    ("text", "names"),
    [
        ("name LIKE 'a%'", "a"),
        ("name ilike 'A%'", "Aa"),
        ("attribute.name != 'a'", "cAab"),
        ("creation_time >= 2", "cAa"),
        ("last_update_time < 1.5", "b"),
        ("tag.team = 'x'", "A"),
        ("tags.team != 'x'", "cab"),
        ("tags.team LIKE 'X'", ""),
        ("tags.team IS NULL", ""),
        ("tags.none IS NULL AND tags.team IS NOT NULL", "cAab"),
        ("tags.none != 'x'", ""),
    ],
)
def test_filters(group: Group, text: str, names: str) -> None:
    assert group.find(text) == list(names)


def test_ids(group: Group) -> None:
    one, two = group.numbers["a"], group.numbers["b"]
    assert group.find(f"experiment_id = '{one}'") == ["a"]
    assert group.find(f"experiment_id IN ('{one}', '{two}', '123456789')") == ["a", "b"]
    assert group.find(f"experiment_id NOT IN ('{one}')") == ["c", "A", "b"]


def test_stages(group: Group) -> None:
    with group.database.write() as tx:
        experiments.set_lifecycle(tx, group.numbers["b"], LifecycleStage.DELETED, 5)
    assert group.find() == ["c", "A", "a"]
    assert group.find(view=ViewType.DELETED_ONLY) == ["b"]
    assert group.find(view=ViewType.ALL) == ["c", "A", "a", "b"]


def test_what_the_caller_may_not_see_is_not_there(group: Group) -> None:
    hidden = group.numbers["c"]
    request = SearchExperiments(filter=f"tags.mark = '{group.mark}'")
    with group.database.read() as tx:
        page = experiment_search.search(tx, request, lambda experiment: experiment != hidden)
    assert [found.experiment_id for found in page.experiments] == [str(group.numbers[n]) for n in "Aab"]


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("metrics.a > 1", "Invalid entity type 'metrics'. Valid values are ['tag', 'attribute']"),
        ("experiment_id = 'x'", "Invalid experiment ID 'x'. Experiment ID must be a valid integer."),
        ("experiment_id = 1", "Expected a quoted string value for attributes. Got value 1"),
        ("experiment_id > '1'", "Invalid comparator '>'"),
        (
            "creation_time > '1'",
            "Expected numeric value type for numeric attribute: creation_time. Found '1'",
        ),
        ("name IS NULL", "IS NULL / IS NOT NULL is only supported for tags, not for 'name'"),
    ],
)
def test_refused_filters(group: Group, text: str, message: str) -> None:
    with pytest.raises(InvalidParameterValue) as error:
        group.find(text)
    assert message in error.value.message


def test_refused_requests(group: Group) -> None:
    with pytest.raises(InvalidParameterValue, match="must be a positive integer"):
        group.find(size=0)
    with pytest.raises(InvalidParameterValue, match="Invalid order_by entity: tag"):
        group.find("", "tags.team")
