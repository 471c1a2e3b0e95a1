"""Logged models."""

from __future__ import annotations

import math

import pytest

from jupyter_tracking.protocol.enums import LoggedModelStatus
from jupyter_tracking.protocol.errors import InvalidParameterValue, ResourceDoesNotExist
from jupyter_tracking.protocol.logged_models import LoggedModel, ModelParam, ModelTag
from jupyter_tracking_server.store import entries, experiments, logged_models, runs
from jupyter_tracking_server.store.database import Database


def create(database: Database, model_id: str = "m-1", **fields: object) -> int:
    with database.write() as tx:
        new = experiments.NewExperiment(f"of {model_id}", "mlflow-artifacts:", 1)
        number = experiments.create(tx, new)
        runs.create(tx, runs.NewRun(f"run-{model_id}", number, "n", "u", 1, "x:"))
        logged_models.create(
            tx,
            logged_models.NewLoggedModel(model_id, number, "name", "x:/m", 5, **fields),  # type: ignore[arg-type]  # any field may be meant
        )
    return number


def get(database: Database, model_id: str = "m-1", deleted: bool = False) -> LoggedModel | None:
    with database.read() as tx:
        return logged_models.get(tx, model_id, deleted)


def there(database: Database, model_id: str = "m-1") -> LoggedModel:
    found = get(database, model_id)
    assert found is not None
    return found


def test_a_new_model_comes_back(database: Database) -> None:
    number = create(
        database,
        model_type="sklearn",
        source_run_id="run-m-1",
        params=[ModelParam("z", "1"), ModelParam("a", ""), ModelParam("z", "1")],
        tags=[ModelTag("z", "old"), ModelTag("a", "é"), ModelTag("z", "new")],
    )
    model = there(database)
    assert model.info.experiment_id == str(number)
    assert (model.info.name, model.info.artifact_uri, model.info.model_type) == ("name", "x:/m", "sklearn")
    assert (model.info.source_run_id, model.info.status) == ("run-m-1", LoggedModelStatus.PENDING)
    assert (model.info.creation_timestamp_ms, model.info.last_updated_timestamp_ms) == (5, 5)
    assert model.info.tags == [ModelTag("a", "é"), ModelTag("z", "new")]
    assert model.data.params == [ModelParam("a", ""), ModelParam("z", "1")]
    assert model.data.metrics == []


def test_a_plain_model_has_no_more_than_it_was_given(database: Database) -> None:
    create(database)
    info = there(database).info
    assert (info.model_type, info.source_run_id, info.status_message) == (None, None, None)
    assert get(database, "m-2") is None


def test_status(database: Database) -> None:
    create(database)
    with database.write() as tx:
        logged_models.set_status(tx, "m-1", LoggedModelStatus.READY, 7)
    info = there(database).info
    assert (info.status, info.creation_timestamp_ms, info.last_updated_timestamp_ms) == (
        LoggedModelStatus.READY,
        5,
        7,
    )


def test_a_deleted_model_is_found_only_on_request(database: Database) -> None:
    create(database)
    for now in (6, 7):
        with database.write() as tx:
            logged_models.delete(tx, "m-1", now)
    assert get(database) is None
    found = get(database, deleted=True)
    assert found is not None
    assert found.info.last_updated_timestamp_ms == 6


def test_tags_are_replaced_and_removed(database: Database) -> None:
    create(database, tags=[ModelTag("a", "1"), ModelTag("b", "1")])
    with database.write() as tx:
        logged_models.set_tags(tx, "m-1", [ModelTag("b", "2"), ModelTag("c", "3"), ModelTag("b", "4")], 6)
        assert logged_models.delete_tag(tx, "m-1", "a", 7)
        assert not logged_models.delete_tag(tx, "m-1", "a", 8)
        assert not logged_models.delete_tag(tx, "m-1", "never used", 8)
    model = there(database)
    assert model.info.tags == [ModelTag("b", "4"), ModelTag("c", "3")]
    assert model.info.last_updated_timestamp_ms == 7


def test_a_param_never_changes(database: Database) -> None:
    create(database, params=[ModelParam("a", "1")])
    with database.write() as tx:
        logged_models.log_params(tx, "m-1", [ModelParam("a", "1"), ModelParam("b", "2")], 6)
    with pytest.raises(InvalidParameterValue) as error, database.write() as tx:
        logged_models.log_params(tx, "m-1", [ModelParam("c", "3"), ModelParam("a", "9")], 7)
    assert error.value.message == (
        "Changing param values is not allowed. Param with key='a' was already logged with value='1' for "
        "model ID='m-1'. Attempted logging new value '9'."
    )
    with pytest.raises(InvalidParameterValue, match="Changing param values"), database.write() as tx:
        logged_models.log_params(tx, "m-1", [ModelParam("d", "1"), ModelParam("d", "2")], 8)
    assert there(database).data.params == [ModelParam("a", "1"), ModelParam("b", "2")]


def test_metrics_are_the_newest_on_each_dataset(database: Database) -> None:
    create(database)
    points = [
        entries.MetricPoint("acc", 0.1, 10, 0, "m-1", "train", "1"),
        entries.MetricPoint("acc", 0.3, 20, 1, "m-1", "train", "1"),
        entries.MetricPoint("acc", 0.2, 20, 0, "m-1", "train", "1"),
        entries.MetricPoint("acc", 0.4, 5, 0, "m-1", "test", "1"),
        entries.MetricPoint("bad", math.nan, 5, 0, "m-1"),
        entries.MetricPoint("big", math.inf, 5, 0, "m-1"),
    ]
    with database.write() as tx:
        assert entries.log(tx, [entries.Entries("run-m-1", points)], [lambda *_: None]) == [None]
    metrics = there(database).data.metrics
    assert [(m.key, m.value, m.timestamp, m.step, m.dataset_name) for m in metrics] == [
        ("acc", 0.4, 5, 0, "test"),
        ("acc", 0.3, 20, 1, "train"),
        ("bad", "NaN", 5, 0, None),
        ("big", "Infinity", 5, 0, None),
    ]
    assert {(m.run_id, m.model_id) for m in metrics} == {("run-m-1", "m-1")}


def test_a_page_keeps_the_order_asked_for(database: Database) -> None:
    for model_id in ("m-1", "m-2", "m-3"):
        create(database, model_id, tags=[ModelTag("id", model_id)])
    with database.read() as tx:
        mids = dict(tx.driver("SELECT model_id, mid FROM logged_models"))
        models = logged_models.load(tx, [mids["m-3"], mids["m-1"]])
        assert logged_models.load(tx, []) == []
    assert [(model.info.model_id, model.info.tags[0].value) for model in models] == [
        ("m-3", "m-3"),
        ("m-1", "m-1"),
    ]


def test_a_model_that_is_not_there(database: Database) -> None:
    with database.write() as tx:
        for change in (
            lambda: logged_models.set_status(tx, "m-9", LoggedModelStatus.READY, 1),
            lambda: logged_models.delete(tx, "m-9", 1),
            lambda: logged_models.set_tags(tx, "m-9", [], 1),
            lambda: logged_models.delete_tag(tx, "m-9", "k", 1),
            lambda: logged_models.log_params(tx, "m-9", [], 1),
        ):
            with pytest.raises(ResourceDoesNotExist, match="Logged model with ID 'm-9' not found"):
                change()
