"""Steps of the client script: artifacts up, down and listed, and what the fluent API makes of them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import mlflow
from mlflow.exceptions import MlflowException

from tests.compat.scene import Scene, same

NAMES = {
    "plain.txt": b"hello\n",
    "empty.bin": b"",
    "mit Leerzeichen & Zeichen+1.txt": b"space",
    "größe-数据.csv": "a;b\nß;☃".encode(),
    "deep/er/still/data.bin": bytes(range(256)) * 4096,
    "deep/er/empty": b"",
    "deep/100%.txt": b"percent",
}
"""Paths below a folder and their content: nested, empty, with spaces, beyond ASCII, larger than one chunk."""


def files(scene: Scene) -> None:
    """Upload a tree and single files, list each level, download whole, part and single, byte for byte."""
    source = scene.folder / "source"
    for name, content in NAMES.items():
        path = source / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    with mlflow.start_run() as active:
        run_id = active.info.run_id
        mlflow.log_artifacts(str(source), "tree")
        mlflow.log_artifact(str(source / "plain.txt"))
        mlflow.log_artifact(str(source / "empty.bin"), "single/empty")
        (source / "plain.txt").write_bytes(b"hello again\n")
        mlflow.log_artifact(str(source / "plain.txt"), "tree")
    expected = {**NAMES, "plain.txt": b"hello again\n"}

    same(_listed(scene, run_id, None), {"plain.txt": (False, 6), "single": (True, 0), "tree": (True, 0)})
    top = {f"tree/{name}": (False, len(content)) for name, content in expected.items() if "/" not in name}
    same(_listed(scene, run_id, "tree"), {**top, "tree/deep": (True, 0)})
    same(
        _listed(scene, run_id, "tree/deep/er"),
        {"tree/deep/er/empty": (False, 0), "tree/deep/er/still": (True, 0)},
    )
    same(_listed(scene, run_id, "nowhere"), {})

    target = scene.folder / "target"
    target.mkdir()
    whole = Path(
        mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="tree", dst_path=str(target))
    )
    same(_read_tree(whole), expected)
    single = mlflow.artifacts.download_artifacts(f"runs:/{run_id}/tree/größe-数据.csv")
    same(Path(single).read_bytes(), NAMES["größe-数据.csv"])
    part = Path(scene.client.download_artifacts(run_id, "tree/deep/er"))
    same(_read_tree(part), {"empty": b"", "still/data.bin": NAMES["deep/er/still/data.bin"]})
    try:
        mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="tree/missing.txt")
    except (MlflowException, OSError):
        return
    raise AssertionError("a missing artifact was downloaded")


def delete_artifacts(scene: Scene) -> None:
    """A file, a folder, and what is not there, deleted by the client's repository of a run's artifacts."""
    from mlflow.store.artifact.artifact_repository_registry import get_artifact_repository

    run_id = scene.new_run("to be thinned out")
    for path in ("keep.txt", "a.txt", "folder/b.txt", "folder/deep/c.txt", "folder2/d.txt"):
        scene.client.log_text(run_id, path, path)
    repository = get_artifact_repository(scene.client.get_run(run_id).info.artifact_uri)
    for path in ("a.txt", "folder"):
        repository.delete_artifacts(path)
    same(_files_below(scene, run_id, None), ["folder2/d.txt", "keep.txt"])
    same(mlflow.artifacts.load_text(f"runs:/{run_id}/keep.txt"), "keep.txt")


def fluent_artifacts(scene: Scene) -> None:
    """`log_text`, `log_dict`, `log_figure`, `log_image` and `log_table`, each read back."""
    import numpy
    import pandas  # type: ignore[import-not-found,import-untyped,unused-ignore]  # only there, in places

    with mlflow.start_run() as active:
        run_id = active.info.run_id
        mlflow.log_text("Grüße\n", "notes/text.txt")
        mlflow.log_dict({"a": [1, 2.5, None, "ß"]}, "notes/values.json")
        mlflow.log_figure(_figure(), "plots/curve.png")
        image = numpy.arange(48, dtype=numpy.uint8).reshape(4, 4, 3)
        mlflow.log_image(image, "images/pixels.png")
        mlflow.log_image(image, key="batch", step=3)
        mlflow.log_table(pandas.DataFrame({"x": [1, 2]}), "table.json")
        mlflow.log_table(pandas.DataFrame({"x": [3]}), "table.json")
    same(mlflow.artifacts.load_text(f"runs:/{run_id}/notes/text.txt"), "Grüße\n")
    same(mlflow.artifacts.load_dict(f"runs:/{run_id}/notes/values.json"), {"a": [1, 2.5, None, "ß"]})
    pixels = mlflow.artifacts.load_image(f"runs:/{run_id}/images/pixels.png")
    same(numpy.asarray(pixels).tolist(), image.tolist())
    curve = Path(mlflow.artifacts.download_artifacts(run_id=run_id, artifact_path="plots/curve.png"))
    same(curve.read_bytes()[:8], b"\x89PNG\r\n\x1a\n")
    stepped = [name for name in _listed(scene, run_id, "images") if "batch" in name]
    same((len(stepped) > 0, all("step" in name for name in stepped)), (True, True))
    same(mlflow.load_table("table.json", run_ids=[run_id])["x"].tolist(), [1, 2, 3])
    logged = json.loads(mlflow.get_run(run_id).data.tags["mlflow.loggedArtifacts"])
    same(logged, [{"path": "table.json", "type": "table"}])


def dataset_inputs(scene: Scene) -> None:
    """`log_input` of a dataset with a context: read back whole, and found by search."""
    import numpy

    features = numpy.array([[1.0, 2.0], [3.0, 4.0]])
    data = mlflow.data.from_numpy(features, name="measured", source="somewhere.npy")
    with mlflow.start_run() as active:
        for _ in range(2):
            mlflow.log_input(data, context="training")
    (entry,) = mlflow.get_run(active.info.run_id).inputs.dataset_inputs
    same((entry.dataset.name, entry.dataset.digest), ("measured", data.digest))
    same({tag.key: tag.value for tag in entry.tags}, {"mlflow.data.context": "training"})
    same(json.loads(entry.dataset.profile)["features_shape"], [2, 2])
    with mlflow.start_run():
        mlflow.log_metric("other", 1.0)
    for text in (
        "datasets.name = 'measured'",
        "dataset.context = 'training'",
        f"dataset.digest = '{data.digest}'",
    ):
        found = scene.client.search_runs([scene.experiment_id], text)
        same((text, [run.info.run_id for run in found]), (text, [active.info.run_id]))


def _listed(scene: Scene, run_id: str, path: str | None) -> dict[str, tuple[bool, int]]:
    """What a listing says: path → (is a folder, size); a size that is not said is 0."""
    listing = scene.client.list_artifacts(run_id, path)
    return {entry.path: (entry.is_dir, entry.file_size or 0) for entry in listing}


def _files_below(scene: Scene, run_id: str, path: str | None) -> list[str]:
    """All files; an empty folder, which some stores go on listing for a while, is none."""
    found = []
    for name, (is_folder, _) in _listed(scene, run_id, path).items():
        found += _files_below(scene, run_id, name) if is_folder else [name]
    return sorted(found)


def _read_tree(folder: Path) -> dict[str, bytes]:
    return {str(p.relative_to(folder)): p.read_bytes() for p in folder.rglob("*") if p.is_file()}


def _figure() -> Any:
    import matplotlib as mpl

    mpl.use("Agg")
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1, 1))
    figure.subplots().plot([1, 2, 3])
    return figure


STEPS = [files, delete_artifacts, fluent_artifacts, dataset_inputs]
