"""Steps of the client script: scikit-learn autologging, and models up and down."""

from __future__ import annotations

import json
import math
from typing import Any

import mlflow

from tests.compat.scene import MLFLOW_3, Scene, same


def autolog(scene: Scene) -> None:
    """`sklearn.autolog` with no other call: params, metrics, tags, dataset and the model itself."""
    from sklearn.linear_model import LogisticRegression  # type: ignore[import-untyped]  # sklearn has no stubs

    features, labels = _data()
    mlflow.sklearn.autolog(log_input_examples=False)
    try:
        fitted = LogisticRegression(C=0.5, max_iter=200).fit(features, labels)
    finally:
        mlflow.sklearn.autolog(disable=True)
    (run,) = scene.client.search_runs([scene.experiment_id])
    run = scene.client.get_run(run.info.run_id)
    same((run.info.status, run.data.params["C"], run.data.params["max_iter"]), ("FINISHED", "0.5", "200"))
    same(run.data.tags["estimator_name"], "LogisticRegression")
    same(math.isclose(run.data.metrics["training_accuracy_score"], fitted.score(features, labels)), True)
    same([entry.dataset.name for entry in run.inputs.dataset_inputs], ["dataset"])
    if MLFLOW_3:
        (output,) = run.outputs.model_outputs
        model_uri = f"models:/{output.model_id}"
    else:
        model_uri = f"runs:/{run.info.run_id}/model"
    same(mlflow.sklearn.load_model(model_uri).predict(features).tolist(), fitted.predict(features).tolist())


def log_and_load_model(scene: Scene) -> None:
    """`log_model` and `load_model`, as scikit-learn's own object and as a generic function."""
    features, _ = _data()
    fitted = _fitted()
    name: dict[str, Any] = {"name": "iris"} if MLFLOW_3 else {"artifact_path": "iris"}
    with mlflow.start_run() as active:
        logged = mlflow.sklearn.log_model(fitted, **name, pip_requirements=["scikit-learn"])
    run_id = active.info.run_id
    wanted = fitted.predict(features).tolist()
    for uri in (logged.model_uri, f"runs:/{run_id}/iris"):
        same(mlflow.sklearn.load_model(uri).predict(features).tolist(), wanted)
        same(list(mlflow.pyfunc.load_model(uri).predict(features)), wanted)
    if MLFLOW_3:
        _check_logged_model(scene, run_id, logged.model_id)
    else:
        (entry,) = json.loads(scene.client.get_run(run_id).data.tags["mlflow.log-model.history"])
        same((entry["run_id"], entry["artifact_path"]), (run_id, "iris"))
        same("sklearn" in entry["flavors"], True)


def _check_logged_model(scene: Scene, run_id: str, model_id: str) -> None:
    """The logged model of an mlflow 3 client: state, tags, params, metrics, search, deletion."""
    client = scene.client
    model = client.get_logged_model(model_id)
    same((model.name, str(model.status), model.source_run_id), ("iris", "READY", run_id))
    same([output.model_id for output in client.get_run(run_id).outputs.model_outputs], [model_id])
    client.set_logged_model_tags(model_id, {"stage": "ß", "extra": "1"})
    client.delete_logged_model_tag(model_id, "extra")
    client.log_model_params(model_id, {"depth": "3"})
    client.log_metric(run_id, "auc", 0.875, step=2, model_id=model_id)
    model = client.get_logged_model(model_id)
    same({key: value for key, value in model.tags.items() if not key.startswith("mlflow.")}, {"stage": "ß"})
    same(model.params["depth"], "3")
    same([(m.key, m.value, m.step, m.run_id) for m in model.metrics], [("auc", 0.875, 2, run_id)])
    same(client.get_run(run_id).data.metrics["auc"], 0.875)

    second = client.create_logged_model(scene.experiment_id, name="other", params={"depth": "4"})
    same(str(second.status), "PENDING")
    client.finalize_logged_model(second.model_id, "FAILED")
    same(str(client.get_logged_model(second.model_id).status), "FAILED")
    for text, expected in (
        ("metrics.auc > 0.8", [model_id]),
        ("params.depth = '4'", [second.model_id]),
        ("tags.stage = 'ß' AND name LIKE 'ir%'", [model_id]),
        ("metrics.auc > 0.9", []),
    ):
        found = client.search_logged_models([scene.experiment_id], filter_string=text)
        same((text, [model.model_id for model in found]), (text, expected))
    client.delete_logged_model(second.model_id)
    same([model.model_id for model in client.search_logged_models([scene.experiment_id])], [model_id])


def _data() -> tuple[Any, Any]:
    from sklearn.datasets import load_iris  # type: ignore[import-untyped]  # sklearn has no stubs

    iris = load_iris()
    return iris.data, iris.target


def _fitted() -> Any:
    from sklearn.linear_model import LogisticRegression

    return LogisticRegression(C=2.0, max_iter=200).fit(*_data())


STEPS = [autolog, log_and_load_model]
