"""``jupyter tracking gc`` beside a running server, on each kind of database."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import requests

from tests.object_servers import S3Server
from tests.servers import Postgres, Server, jupyter_environment, start_standalone

from .trash_scene import Shop

MANY = 120


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    if request.param == "sqlite":
        backend = f"sqlite:///{tmp_path / 'tracking.db'}"
    else:
        backend = request.getfixturevalue("postgres_uri")
    with start_standalone(tmp_path, backend=backend, auth="none") as server, requests.Session() as http:
        yield Shop(server, tmp_path, backend, http)


def wait_for(condition: Callable[[], bool], seconds: float = 60.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "the condition did not come true in time"
        time.sleep(0.002)


def test_what_is_in_the_trash_goes_and_all_else_stays(shop: Shop) -> None:
    kept, gone = shop.run(), shop.run()
    shop.trash(gone)
    number = shop.experiment("gone")
    inside, model = shop.run(number), shop.model(number)
    shop.post("experiments/delete", experiment_id=number)
    assert shop.gc("--older-than", "1h")[:2] == (
        0,
        "Removed for good: 0 runs, 0 logged models, 0 experiments; 0 folders of artifacts.\n",
    )
    code, out, err = shop.gc()
    assert (code, out, err) == (
        0,
        "Removed for good: 2 runs, 1 logged models, 1 experiments; 2 folders of artifacts.\n",
        "",
    )
    assert [shop.is_there(run_id) for run_id in (kept, gone, inside)] == [True, False, False]
    assert shop.files() == {f"0/{kept}/artifacts/a/b.txt"}
    found = shop.http.get(f"{shop.server.url}/api/2.0/mlflow/logged-models/{model}", timeout=60)
    assert found.status_code == 404
    # The name is free again, the number is not.
    assert int(shop.experiment("gone")) > int(number)
    assert shop.gc("--progress")[:2] == (
        0,
        "Removed for good: 0 runs, 0 logged models, 0 experiments; 0 folders of artifacts.\n",
    )


def test_a_dry_run_says_what_would_go_and_does_nothing(shop: Shop) -> None:
    gone, elsewhere = shop.run(), shop.run(shop.experiment("e", f"file://{shop.folder}/elsewhere"))
    shop.trash(gone, elsewhere)
    code, out, _ = shop.gc("--dry-run")
    assert code == 0
    assert out.splitlines() == [
        f"would remove run {gone}, with mlflow-artifacts:/0/{gone}/artifacts",
        f"would remove run {elsewhere}, leave file://{shop.folder}/elsewhere/{elsewhere}/artifacts",
    ]
    assert shop.is_there(gone)
    assert shop.files()


def test_only_the_named_go_and_those_not_in_the_trash_are_an_error(shop: Shop) -> None:
    first, second, active = shop.run(), shop.run(), shop.run()
    shop.trash(first, second)
    code, out, _ = shop.gc("--run-ids", f"{first}, {active}")
    assert code == 1
    assert f"failed: run {active} is not in the trash, or not for long enough\n" in out
    assert [shop.is_there(run_id) for run_id in (first, second, active)] == [False, True, True]


def test_the_audit_log_says_what_went(shop: Shop) -> None:
    gone = shop.run()
    shop.trash(gone)
    assert shop.gc("--audit-log", str(shop.folder / "audit.jsonl"))[0] == 0
    (line,) = (json.loads(text) for text in (shop.folder / "audit.jsonl").read_text().splitlines())
    assert line["endpoint"] == "gc"
    assert line["subject"] == {"run_id": gone, "location": f"mlflow-artifacts:/0/{gone}/artifacts"}


def test_a_bar_shows_how_far_it_is(shop: Shop) -> None:
    shop.trash(shop.run(), shop.run())
    assert "2/2" in shop.gc("--progress")[2]


def test_direct_artifacts_go_only_where_the_administrator_said(shop: Shop) -> None:
    below = shop.run(shop.experiment("below", f"file://{shop.artifacts}/direct"))
    outside = shop.folder / "elsewhere"
    first = shop.run(shop.experiment("first", f"file://{outside}/one"))
    second = shop.run(shop.experiment("second", f"file://{outside}/two"))
    shop.trash(below, first)
    code, out, _ = shop.gc()
    assert code == 0
    assert f"left: file://{outside}/one/{first}/artifacts\n" in out
    assert not shop.files()
    assert (outside / "one" / first / "artifacts" / "a" / "b.txt").exists()
    assert not shop.is_there(first)
    shop.trash(second)
    code, out, _ = shop.gc("--also-below", f"file://{outside}/two")
    assert (code, "left" in out) == (0, False)
    assert not (outside / "two" / second).exists()


def test_what_lies_among_the_bytes_of_another_is_kept(shop: Shop) -> None:
    outer = shop.run()
    inner = shop.experiment("inner", f"mlflow-artifacts:/0/{outer}/artifacts/nested")
    run = shop.run(inner)
    shop.trash(outer)
    code, out, _ = shop.gc()
    assert code == 0
    assert (
        f"kept: mlflow-artifacts:/0/{outer}/artifacts: experiment {inner} has its artifacts in there" in out
    )
    assert f"0/{outer}/artifacts/nested/{run}/artifacts/a/b.txt" in shop.files()
    assert shop.is_there(run)
    shop.post("experiments/delete", experiment_id=inner)
    assert shop.gc()[0] == 0
    assert shop.gc()[1].endswith("; 1 folders of artifacts.\n")
    assert shop.files() == set()


def test_a_folder_among_a_living_runs_artifacts_is_kept(shop: Shop) -> None:
    outer = shop.run()
    run = shop.run(shop.experiment("inner", f"mlflow-artifacts:/0/{outer}/artifacts/nested"))
    before = shop.files()
    shop.trash(run)
    assert f"it lies among the artifacts of run {outer}" in shop.gc()[1]
    assert shop.files() == before


def test_another_destination_than_the_servers_is_refused(shop: Shop) -> None:
    gone = shop.run()
    shop.trash(gone)
    code, out, err = shop.gc("--artifacts-destination", str(shop.folder / "wrong"))
    assert (code, out) == (2, "")
    assert "The servers on this database keep artifacts at file://" in err
    assert shop.is_there(gone)


@pytest.mark.slow
def test_killed_at_any_instant_it_leaves_nothing_half_and_goes_on(shop: Shop) -> None:
    kept = [shop.run(text="keep") for _ in range(5)]
    gone = [shop.run() for _ in range(MANY)]
    shop.trash(*gone)
    number = shop.experiment("gone")
    gone.append(shop.run(number))
    shop.post("experiments/delete", experiment_id=number)
    files = len(shop.files())
    for step in (1, 20, 60):
        with shop.start_gc() as process:
            wait_for(lambda step=step: files - len(shop.files()) >= step)  # type: ignore[misc]  # mypy: lambda with default
            process.send_signal(signal.SIGKILL)
            process.wait()
        there = [run_id for run_id in gone if shop.is_there(run_id)]
        assert there
        # What has its row has its bytes; what has not may still have them, for the next time.
        assert {f"0/{run_id}/artifacts/a/b.txt" for run_id in there[:-1]} <= shop.files()
    assert shop.gc()[0] == 0
    assert not any(shop.is_there(run_id) for run_id in gone)
    assert all(shop.is_there(run_id) for run_id in kept)
    assert shop.files() == {f"0/{run_id}/artifacts/a/b.txt" for run_id in kept}
    assert shop.gc()[1].startswith("Removed for good: 0 runs, 0 logged models, 0 experiments; 0 folders")


@pytest.mark.slow
def test_interrupted_it_finishes_the_present_run_and_says_so(shop: Shop) -> None:
    gone = [shop.run() for _ in range(MANY)]
    shop.trash(*gone)
    with shop.start_gc() as process:
        wait_for(lambda: len(shop.files()) < MANY)
        process.send_signal(signal.SIGINT)
        out, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "Stopped before the end; run it again for the rest." in out
    assert "Stopping after the present one" in err
    there = {f"0/{run_id}/artifacts/a/b.txt" for run_id in gone if shop.is_there(run_id)}
    assert there
    assert shop.files() == there
    assert shop.gc()[0] == 0
    assert shop.files() == set()


@pytest.mark.slow
def test_several_at_once_share_the_work(shop: Shop) -> None:
    kept = shop.run()
    gone = [shop.run() for _ in range(MANY)]
    shop.trash(*gone)
    both = [shop.start_gc() for _ in range(2)]
    done = 0
    for process in both:
        with process:
            out, err = process.communicate(timeout=120)
        assert (process.returncode, err) == (0, ""), out
        done += int(out.removeprefix("Removed for good: ").partition(" runs")[0])
    assert done == MANY
    assert shop.files() == {f"0/{kept}/artifacts/a/b.txt"}


@pytest.mark.parametrize(
    ("flags", "words"),
    [
        (("--older-than", "soon"), "write it as 30d"),
        (("--experiment-ids", "x"), "--experiment-ids are numbers"),
        (("--also-below", "gopher://x"), "gopher"),
    ],
)
def test_what_is_not_understood_is_answered_with_a_sentence(
    tracking_server: Server, flags: tuple[str, ...], words: str
) -> None:
    folder = tracking_server.log.parent
    with requests.Session() as http:
        shop = Shop(tracking_server, folder, f"sqlite:///{folder / 'tracking.db'}", http)
        code, out, err = shop.gc(*flags)
    assert (code, out) == (2, "")
    assert words in err


def test_no_database_is_made(tmp_path: Path, tracking_server: Server) -> None:
    with requests.Session() as http:
        code, _, err = Shop(tracking_server, tmp_path, f"sqlite:///{tmp_path / 'none.db'}", http).gc()
    assert code == 2
    assert "There is no database" in err
    assert not (tmp_path / "none.db").exists()


def test_a_schema_of_another_version_is_left_alone(
    tmp_path: Path, tracking_server: Server, postgres_server: Postgres
) -> None:
    uri = postgres_server.create_database()
    with requests.Session() as http:
        code, _, err = Shop(tracking_server, tmp_path, uri, http).gc()
    postgres_server.drop_database(uri)
    assert code == 2
    assert "jupyter tracking db upgrade" in err


def test_objects_go_like_files(
    tmp_path: Path, s3_server: S3Server, s3_bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Proxied ones, and direct ones below the destination; what is beside the destination is left."""
    destination = f"s3://{s3_bucket}/folder"
    options = ["--artifacts-destination", destination]
    backend = f"sqlite:///{tmp_path / 'tracking.db'}"
    s3 = s3_server.client()
    with (
        start_standalone(tmp_path, auth="none", options=options, variables=s3_server.environment) as server,
        requests.Session() as http,
    ):
        shop = Shop(server, tmp_path, backend, http)
        kept, gone = shop.run(), shop.run()
        for name, place in (("below", f"{destination}/direct"), ("beside", f"s3://{s3_bucket}/folders")):
            number = shop.experiment(name, place)
            info = shop.post("runs/create", experiment_id=number)["run"]["info"]
            path = info["artifact_uri"].removeprefix(f"s3://{s3_bucket}/")
            s3.put_object(Bucket=s3_bucket, Key=f"{path}/a", Body=b"x")
            shop.trash(info["run_id"])
        shop.trash(gone)
        ended = subprocess.run(
            [
                *(sys.executable, "-m", "jupyter_tracking_server", "gc", "--backend-store-uri", backend),
                *options,
            ],
            env={**jupyter_environment(tmp_path), **s3_server.environment},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        assert (ended.returncode, ended.stderr) == (0, "")
        assert f"left: s3://{s3_bucket}/{path}\n" in ended.stdout
        assert "3 runs, 0 logged models, 0 experiments; 2 folders of artifacts." in ended.stdout
        listed = s3.list_objects_v2(Bucket=s3_bucket)["Contents"]
        s3.close()
        assert {item["Key"] for item in listed} == {f"folder/0/{kept}/artifacts/a/b.txt", f"{path}/a"}
