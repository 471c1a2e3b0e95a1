"""The fluent functions against our own server."""

from __future__ import annotations

import io
import json
import math
import os
import subprocess
import sys
import threading
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from PIL import Image

import jupyter_tracking as tracking
from jupyter_tracking.protocol.errors import InvalidParameterValue, InvalidState
from jupyter_tracking.tracker import tracker
from tests.servers import Server

pytestmark = pytest.mark.usefixtures("tracked")


def fetched(path: str, tmp_path: Path) -> bytes:
    return Path(tracking.download_artifacts(artifact_path=path, dst_path=tmp_path / "fetched")).read_bytes()


def test_a_run_from_start_to_end() -> None:
    with tracking.start_run(run_name="first", tags={"kind": "test"}) as run:
        tracking.log_param("lr", 0.1)
        tracking.log_params({"layers": [64, 64], "name": "größe"})
        tracking.log_metric("loss", 0.5, step=1)
        tracking.log_metrics({"loss": np.float32(0.25), "acc": True}, step=2)
        tracking.log_batch(metrics={"nan": math.nan}, params={"p": 1}, tags={"stage": "dev"})
        tracking.set_tag("a", 1)
        tracking.set_tags({"b": 2, "c": 3})
        tracking.delete_tag("c")
        assert tracking.active_run() is run
    assert tracking.active_run() is None
    assert tracking.last_active_run() is run
    found = tracking.get_run(run.run_id)
    assert (found["run_name"], found["status"]) == ("first", "FINISHED")
    assert found["end_time"] >= found["start_time"]
    assert {key: found[key] for key in found if key.startswith("params.")} == {
        "params.lr": "0.1",
        "params.layers": "[64, 64]",
        "params.name": "größe",
        "params.p": "1",
    }
    assert (found["metrics.loss"], found["metrics.acc"]) == (0.25, 1.0)
    assert math.isnan(found["metrics.nan"])
    assert (found["tags.kind"], found["tags.stage"], found["tags.a"], found["tags.b"]) == (
        "test",
        "dev",
        "1",
        "2",
    )
    assert "tags.c" not in found
    assert [(step, value) for step, _, value in tracking.get_metric_history("loss", run.run_id)] == [
        (1, 0.5),
        (2, 0.25),
    ]


def test_logging_starts_a_run_which_stays_active() -> None:
    tracking.log_param("a", 1)
    run = tracking.active_run()
    assert run is not None
    tracking.log_metric("m", 1)
    assert tracking.active_run() is run
    tracking.end_run()
    tracking.end_run()
    assert tracking.get_run(run.run_id)["status"] == "FINISHED"


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (ValueError(), "FAILED"),
        (KeyboardInterrupt(), "KILLED"),
        (SystemExit(0), "FINISHED"),
        (SystemExit(3), "FAILED"),
    ],
)
def test_how_a_block_was_left_is_how_the_run_ends(error: BaseException, status: str) -> None:
    with pytest.raises(type(error)), tracking.start_run() as run:
        raise error
    assert tracking.get_run(run.run_id)["status"] == status


def test_a_status_given_inside_the_block_stays() -> None:
    with tracking.start_run() as run:
        tracking.end_run("KILLED")
    assert tracking.get_run(run.run_id)["status"] == "KILLED"


def test_a_second_run_must_say_that_it_is_nested() -> None:
    with tracking.start_run() as outer:
        with pytest.raises(InvalidState, match="nested=True"):
            tracking.start_run()
        with tracking.start_run(nested=True) as inner:
            assert tracking.active_run() is inner
        assert tracking.active_run() is outer
    assert tracking.get_run(inner.run_id)["tags.mlflow.parentRunId"] == outer.run_id


def test_ending_a_run_ends_those_inside_it() -> None:
    outer = tracking.start_run()
    inner = tracking.start_run(nested=True)
    outer.end("FAILED")
    assert tracking.active_run() is None
    assert tracking.get_run(inner.run_id)["status"] == "FAILED"


def test_a_run_is_resumed_by_id_or_by_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    with tracking.start_run() as run:
        tracking.log_param("a", 1)
    with tracking.start_run(run.run_id, tags={"again": "yes"}) as again:
        assert again.run_id == run.run_id
        assert tracking.get_run()["status"] == "RUNNING"
    monkeypatch.setenv("MLFLOW_RUN_ID", run.run_id)
    tracking.log_metric("m", 1)
    assert "MLFLOW_RUN_ID" not in os.environ
    found = tracking.get_run()
    assert (found["run_id"], found["params.a"], found["tags.again"]) == (run.run_id, "1", "yes")


def test_a_param_stays_and_the_same_again_is_fine() -> None:
    tracking.log_param("a", 1)
    tracking.log_param("a", "1")
    with pytest.raises(InvalidParameterValue, match="a"):
        tracking.log_param("a", 2)
    tracking.log_params({"a": 1, "b": 2})
    assert tracking.get_run()["params.a"] == "1"


@pytest.mark.parametrize("value", ["text", None, [1], {}])
def test_a_metric_must_be_a_number(value: Any) -> None:
    with pytest.raises(InvalidParameterValue, match="needs a number"):
        tracking.log_metric("m", value)


def test_who_and_from_where(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUPYTERHUB_USER", "jane")
    monkeypatch.setattr("sys.argv", ["train.py"])
    with tracking.start_run() as run:
        found = tracking.get_run()
    assert run.info.user_id == "jane"
    assert (found["tags.mlflow.user"], found["tags.mlflow.source.type"]) == ("jane", "LOCAL")
    assert found["tags.mlflow.source.name"] == "train.py"


def test_experiments(monkeypatch: pytest.MonkeyPatch) -> None:
    named = os.environ["MLFLOW_EXPERIMENT_NAME"]
    with tracking.start_run() as run:
        pass
    chosen = tracking.set_experiment(f"{named} two")
    assert tracking.set_experiment(experiment_id=chosen.experiment_id) == chosen
    with tracking.start_run() as other:
        pass
    assert run.experiment_id != other.experiment_id == chosen.experiment_id
    assert {named, chosen.name} <= {experiment.name for experiment in tracking.search_experiments()}
    assert [found["run_id"] for found in tracking.search_runs()] == [other.run_id]
    assert [found["run_id"] for found in tracking.search_runs(experiment_names=[named])] == [run.run_id]
    tracking.set_tracking_uri(None)
    monkeypatch.delenv("MLFLOW_EXPERIMENT_NAME")
    monkeypatch.setenv("MLFLOW_EXPERIMENT_ID", run.experiment_id)
    assert [found["run_id"] for found in tracking.search_runs()] == [run.run_id]


def test_search_by_filter_and_order() -> None:
    for index in range(4):
        with tracking.start_run(run_name=f"r{index}"):
            tracking.log_params({"index": index, "even": index % 2 == 0})
            tracking.log_metric("m", -index)
    found = tracking.search_runs(filter_string="params.even = 'True'", order_by=["metrics.m ASC"])
    assert [run["run_name"] for run in found] == ["r2", "r0"]
    assert len(tracking.search_runs(max_results=3)) == 3
    with pytest.raises(InvalidParameterValue, match="no experiment"):
        tracking.search_runs(experiment_names=["there is none"])


def test_a_deleted_run_is_no_longer_found() -> None:
    with tracking.start_run() as run:
        pass
    tracking.delete_run(run.run_id)
    assert tracking.search_runs() == []


@dataclass
class Settings:
    rate: float
    names: tuple[str, ...]


def figure() -> Figure:
    made = Figure(figsize=(1, 1))
    made.subplots().plot([1, 2])
    return made


def test_files_and_folders(tmp_path: Path) -> None:
    (tmp_path / "data" / "deep").mkdir(parents=True)
    (tmp_path / "data" / "deep" / "f.txt").write_text("f")
    tracking.log_artifact(tmp_path / "data")
    tracking.log_artifact(str(tmp_path / "data" / "deep" / "f.txt"), "in")
    tracking.log_artifacts(tmp_path / "data", "all")
    assert [entry.path for entry in tracking.list_artifacts()] == ["all", "data", "in"]
    assert fetched("data/deep/f.txt", tmp_path) == fetched("in/f.txt", tmp_path) == b"f"
    assert Path(tracking.download_artifacts(artifact_path="all")).is_relative_to("artifacts")
    with pytest.raises(InvalidParameterValue, match="no folder"):
        tracking.log_artifacts(tmp_path / "nothing")


def test_text_data_figures_and_images(tmp_path: Path) -> None:
    tracking.log_text("größe", "notes/a.txt")
    tracking.log_dict({"a": np.int64(1), "b": np.array([1.5]), "c": {3}}, "d.json")
    tracking.log_dict(Settings(0.1, ("x",)), "settings.yaml")
    tracking.log_figure(figure(), "plot.svg")
    tracking.log_image(np.array([[0.0, 1.0]]), "pixels.png")
    tracking.log_image(Image.new("RGB", (3, 2)), "image.jpg")
    assert fetched("notes/a.txt", tmp_path).decode() == "größe"
    assert json.loads(fetched("d.json", tmp_path)) == {"a": 1, "b": [1.5], "c": [3]}
    assert fetched("settings.yaml", tmp_path) == b"rate: 0.1\nnames:\n- x\n"
    assert b"<svg" in fetched("plot.svg", tmp_path)
    pixels = np.asarray(Image.open(io.BytesIO(fetched("pixels.png", tmp_path))))
    assert pixels.tolist() == [[0, 255]]
    assert Image.open(io.BytesIO(fetched("image.jpg", tmp_path))).size == (3, 2)
    with pytest.raises(InvalidParameterValue, match=r"plot\.png"):
        tracking.log_figure(figure(), "plot")


class Frame:
    """What a data frame can do, as far as storing it goes."""

    columns = ("a",)

    def to_csv(self, index: bool, sep: str) -> str:
        return sep.join(["a", "b"]) + f"\n{index}\n"


@pytest.mark.parametrize(
    ("value", "name", "stored", "begins"),
    [
        ("text", "note", "note.txt", b"text"),
        (b"\0\1", "raw", "raw.bin", b"\0\1"),
        ({"a": 1}, "conf", "conf.json", b'{\n  "a": 1'),
        ([1, 2], "list.json", "list.json", b"[\n  1"),
        (Frame(), "table", "table.csv", b"a,b\nFalse"),
        (Frame(), "table.tsv", "table.tsv", b"a\tb"),
        (figure(), "fig", "fig.png", b"\x89PNG"),
        (figure(), "fig.pdf", "fig.pdf", b"%PDF"),
        (np.zeros((2, 2)), "array", "array.npy", b"\x93NUMPY"),
        (np.zeros((2, 2)), "array.png", "array.png", b"\x89PNG"),
        (Image.new("L", (1, 1)), "image", "image.png", b"\x89PNG"),
    ],
)
def test_values_are_stored_by_their_type(
    value: Any, name: str, stored: str, begins: bytes, tmp_path: Path
) -> None:
    assert tracking.log_value(value, name) == stored
    assert fetched(stored, tmp_path).startswith(begins)


def test_a_value_without_a_file_form_says_what_to_do() -> None:
    with pytest.raises(InvalidParameterValue, match="save it to a file"):
        tracking.log_value(object(), "thing")


def in_thread(work: Callable[[], None]) -> None:
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_a_thread_logs_to_the_run_of_the_notebook_and_may_have_its_own() -> None:
    run = tracking.start_run()
    seen: list[str] = []

    def work() -> None:
        tracking.log_metric("from thread", 1)
        with tracking.start_run(run_name="own") as own:
            seen.append(own.run_id)
            tracking.log_metric("own", 1)

    in_thread(work)
    assert tracking.active_run() is run
    assert tracking.get_run()["metrics.from thread"] == 1
    assert tracking.get_run(seen[0])["metrics.own"] == 1


def test_runs_are_records_that_a_data_frame_takes() -> None:
    with tracking.start_run(run_name="a"):
        tracking.log_metric("m", 1)
    with tracking.start_run(run_name="b"):
        tracking.log_param("p", 1)
    newest, older = tracking.search_runs()
    assert (newest["run_name"], newest["params.p"], "metrics.m" in newest) == ("b", "1", False)
    assert (older["run_name"], older["metrics.m"]) == ("a", 1.0)


def test_a_script_that_ends_has_finished_runs(tracked: Server) -> None:
    code = "import jupyter_tracking as t; t.log_param('a', 1); print(t.active_run().run_id)"
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert tracking.get_run(done.stdout.strip())["status"] == "FINISHED"


def test_a_forked_process_leaves_the_run_alone(tracked: Server) -> None:
    code = (
        "import os, sys, jupyter_tracking as t\n"
        "t.log_param('a', 1)\n"
        "child = os.fork()\n"
        "if child == 0:\n"
        "    t.log_metric('child', 1)\n"
        "    sys.exit()\n"
        "os.waitpid(child, 0)\n"
        "found = t.get_run()\n"
        "print(found['status'], found['metrics.child'])"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert done.stdout.split() == ["RUNNING", "1.0"]


def test_the_environment_for_others(tracked: Server) -> None:
    assert tracking.environment() == tracked.client_environment
    assert tracking.get_tracking_uri() == tracked.url


def test_another_server_ends_what_is_active(tracked: Server) -> None:
    run = tracking.start_run()
    tracking.set_tracking_uri(tracked.url + "/")
    assert tracker.server.kind == "given"
    assert tracking.active_run() is None
    assert tracking.get_run(run.run_id)["status"] == "FINISHED"
