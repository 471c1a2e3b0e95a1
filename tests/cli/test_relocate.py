"""``jupyter tracking db relocate``: direct experiments come behind the proxy."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
import requests

from jupyter_tracking_server.cli import main
from tests.servers import start_standalone

from .trash_scene import Shop


@pytest.fixture(params=["sqlite", "postgresql"])
def shop(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Shop]:
    backend = f"sqlite:///{tmp_path / 'tracking.db'}"
    if request.param == "postgresql":
        backend = request.getfixturevalue("postgres_uri")
    with start_standalone(tmp_path, backend=backend, auth="none") as server, requests.Session() as http:
        yield Shop(server, tmp_path, backend, http)


def relocate(shop: Shop, *words: str) -> int:
    flags = ("--backend-store-uri", shop.backend, "--artifacts-destination", str(shop.artifacts))
    return main(["db", "relocate", *words, *flags])


def location(shop: Shop, run_id: str) -> str:
    reply = shop.http.get(f"{shop.server.url}/api/2.0/mlflow/runs/get", params={"run_id": run_id}, timeout=60)
    found: str = reply.json()["run"]["info"]["artifact_uri"]
    return found


def test_direct_experiments_come_behind_the_proxy(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    old = shop.folder / "old"
    number = shop.experiment("direct", f"file://{old}/1")
    other = shop.experiment("beside", f"file://{old}er/1")
    run, beside = shop.run(number), shop.run(other)
    model = shop.model(number)
    assert relocate(shop, f"file://{old}", "mlflow-artifacts:/moved") == 1
    assert "a is missing\nNothing was changed." in capsys.readouterr().err
    shutil.copytree(old, shop.artifacts / "moved")
    moved = shop.artifacts / "moved" / "1" / run / "artifacts" / "a" / "b.txt"
    moved.write_text("longer")
    assert relocate(shop, f"file://{old}", "mlflow-artifacts:/moved") == 1
    assert "a/b.txt has another size" in capsys.readouterr().err
    moved.write_text("x")
    assert relocate(shop, f"file://{old}/", "mlflow-artifacts:/moved/", "--dry-run") == 0
    assert "2 runs and logged models would be at mlflow-artifacts:/moved" in capsys.readouterr().out
    assert location(shop, run) == f"file://{old}/1/{run}/artifacts"
    assert relocate(shop, f"file://{old}", "mlflow-artifacts:/moved") == 0
    printed = capsys.readouterr().out
    assert printed == "Changed the locations of 1 experiments, 1 runs and 1 logged models.\n"
    assert location(shop, run) == f"mlflow-artifacts:/moved/1/{run}/artifacts"
    assert location(shop, beside) == f"file://{old}er/1/{beside}/artifacts"
    reply = shop.http.get(
        f"{shop.server.url}/api/2.0/mlflow-artifacts/artifacts/moved/1/{run}/artifacts/a/b.txt", timeout=60
    )
    assert reply.text == "x"
    found = shop.http.get(f"{shop.server.url}/api/2.0/mlflow/logged-models/{model}", timeout=60).json()
    assert found["model"]["info"]["artifact_uri"] == f"mlflow-artifacts:/moved/1/models/{model}/artifacts"
    # New runs go there, too.
    assert location(shop, shop.run(number)).startswith("mlflow-artifacts:/moved/1/")


def test_it_can_go_back_and_unchecked(shop: Shop, capsys: pytest.CaptureFixture[str]) -> None:
    run = shop.run()
    assert relocate(shop, "mlflow-artifacts:/", "s3://bucket/x", "--no-check") == 0
    assert location(shop, run) == f"s3://bucket/x/0/{run}/artifacts"
    assert "1 experiments, 1 runs" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("old", "new", "words"),
    [
        ("nowhere", "mlflow-artifacts:/", "nowhere is no place"),
        ("s3://b/x", "s3://b/../y", "is no place"),
        ("s3://b/x", "s3://b/x/", "the same place"),
    ],
)
def test_what_is_no_place_is_refused(
    shop: Shop, old: str, new: str, words: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert relocate(shop, old, new) == 2
    assert words in capsys.readouterr().err
