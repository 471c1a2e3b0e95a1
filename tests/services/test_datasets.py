"""Run inputs: datasets and models."""

from __future__ import annotations

import pytest

from .conftest import Api, Refused

DATASET = {
    "name": "iris",
    "digest": "abc",
    "source_type": "local",
    "source": "{}",
    "schema": "[]",
    "profile": "{}",
}
CONTEXT = {"key": "mlflow.data.context", "value": "train"}


def test_a_dataset_is_joined_to_its_run(api: Api, run: str) -> None:
    sent = {"dataset": DATASET, "tags": [CONTEXT]}
    for _ in range(2):
        assert api.post("runs/log-inputs", run_id=run, datasets=[sent], models=[{"model_id": "m-1"}]) == {}
    assert api.read(run)["inputs"] == {"dataset_inputs": [sent], "model_inputs": [{"model_id": "m-1"}]}


def test_the_first_dataset_of_a_name_and_digest_stays(api: Api, experiment: str) -> None:
    first, second = api.run(experiment), api.run(experiment)
    api.post("runs/log-inputs", run_id=first, datasets=[{"dataset": DATASET}])
    api.post("runs/log-inputs", run_id=second, datasets=[{"dataset": {**DATASET, "source": "other"}}])
    assert api.read(second)["inputs"]["dataset_inputs"][0]["dataset"] == DATASET


def test_the_datasets_of_an_experiment_are_listed(api: Api, experiment: str) -> None:
    run_id = api.run(experiment)
    api.post("runs/log-inputs", run_id=run_id, datasets=[{"dataset": DATASET, "tags": [CONTEXT]}])
    found = api.post("experiments/search-datasets", experiment_ids=[experiment])["dataset_summaries"]
    assert found == [{"experiment_id": experiment, "name": "iris", "digest": "abc", "context": "train"}]


@pytest.mark.parametrize(
    "fields", [{"name": ""}, {"digest": "d" * 37}, {"source": "s" * 65_536}, {"name": None}]
)
def test_a_malformed_dataset_is_refused(api: Api, run: str, fields: dict[str, object]) -> None:
    with pytest.raises(Refused, match=f"{next(iter(fields))}'") as caught:
        api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {**DATASET, **fields}}])
    assert caught.value.verdict == (400, "INVALID_PARAMETER_VALUE")
    assert api.read(run)["inputs"] == {}


def test_a_large_profile_is_kept(api: Api, run: str) -> None:
    profile = "x" * 8_000_000
    api.post("runs/log-inputs", run_id=run, datasets=[{"dataset": {**DATASET, "profile": profile}}])
    assert api.read(run)["inputs"]["dataset_inputs"][0]["dataset"]["profile"] == profile
