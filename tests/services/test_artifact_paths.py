"""The resolver: what a path may be, whose it is, and who may do what there."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from jupyter_tracking.protocol.call import Action
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    PermissionDenied,
    ResourceDoesNotExist,
    TrackingError,
)
from jupyter_tracking_server.access import Access, Caller
from jupyter_tracking_server.artifact_stores.errors import NoSuchArtifact
from jupyter_tracking_server.config import Settings
from jupyter_tracking_server.context import Context
from jupyter_tracking_server.services import artifact_paths
from jupyter_tracking_server.store import experiments, logged_models, runs
from jupyter_tracking_server.store.database import Database, Transaction

JANE, JOE = Caller("jane", "token"), Caller("joe", "token")
RANK: dict[Action | None, int] = {None: 0, "read": 1, "write": 2, "manage": 3}


@dataclass
class Roles(Access):
    """Access in which each caller has a highest action on each experiment; Jane may do all."""

    granted: dict[tuple[str, int | None], Action] = field(default_factory=dict)

    def may(self, tx: Transaction, caller: Caller, action: Action, experiment: int | None) -> bool:
        del tx
        highest = "manage" if caller is JANE else self.granted.get((caller.user, experiment))
        return RANK[action] <= RANK[highest]


class Shop:
    """A database with experiments, runs and models, and callers who look for artifacts in it."""

    def __init__(self, database: Database) -> None:
        self.database = database
        self.access = Roles()
        self._made = 0

    def experiment(self, location: str = "") -> int:
        self._made += 1
        new = experiments.NewExperiment(f"e{self._made}", "mlflow-artifacts:", 1, location)
        with self.database.write() as tx:
            return experiments.create(tx, new)

    def run(self, experiment: int, run_id: str) -> str:
        with self.database.write() as tx:
            found = experiments.get(tx, experiment)
            assert found is not None
            uri = f"{found.artifact_location}/{run_id}/artifacts"
            runs.create(tx, runs.NewRun(run_id, experiment, "name", "jane", 1, uri))
        return run_id

    def model(self, experiment: int, model_id: str) -> str:
        with self.database.write() as tx:
            uri = f"mlflow-artifacts:/{experiment}/models/{model_id}/artifacts"
            logged_models.create(tx, logged_models.NewLoggedModel(model_id, experiment, "name", uri, 1))
        return model_id

    def context(self, tx: object, caller: Caller) -> Context:
        return Context(tx=tx, caller=caller, access=self.access, settings=Settings(), now=lambda: 1)  # type: ignore[arg-type]  # the fixture's transaction

    def proxied(self, path: str, action: Action = "read", caller: Caller = JANE) -> artifact_paths.Place:
        with self.database.read() as tx:
            return artifact_paths.proxied(self.context(tx, caller), artifact_paths.split(path), action)

    def to_delete(self, path: str, caller: Caller = JANE) -> artifact_paths.Place:
        with self.database.read() as tx:
            key = artifact_paths.split(path, folder=True)
            return artifact_paths.place_to_delete(self.context(tx, caller), key)

    def to_list(self, path: str, caller: Caller = JANE) -> tuple[str, ...]:
        with self.database.read() as tx:
            key = artifact_paths.split(path, folder=True)
            return artifact_paths.place_to_list(self.context(tx, caller), key)


@pytest.fixture
def shop(tmp_path: Path) -> Iterator[Shop]:
    database = Database(f"sqlite:///{tmp_path / 'tracking.db'}")
    database.migrate("mlflow-artifacts:")
    yield Shop(database)
    database.close()


@pytest.mark.parametrize(
    "path",
    ["a", "a/b", "...", "..a", "a..", "~", "-rf", "%2e%2e", "a b", "é", "#", "a:b", "x" * 255, "é" * 127],
)
def test_an_odd_path_is_a_path(path: str) -> None:
    assert artifact_paths.split(path) == tuple(path.split("/"))


@pytest.mark.parametrize(
    "path",
    [
        "/",
        "//",
        "/a",
        "a//b",
        "a/",
        " ",
        "a/ ",
        "a/\u3000/b",
        ".",
        "..",
        "a/..",
        "../a",
        "./a",
        "a\\b",
        "\\",
        "c:",
        "C:/x",
        "a/C:/x",
        "\0",
        "a\n",
        "\x7f",
        "\x85",
        "\ud800",
        "x" * 256,
        "é" * 128,
        "a/" * 128 + "a",
    ],
)
def test_a_path_that_could_do_harm_is_refused(path: str) -> None:
    with pytest.raises(InvalidParameterValue, match="Invalid path: "):
        artifact_paths.split(path)


@pytest.mark.parametrize(("path", "key"), [("", ()), ("/", ()), ("a/", ("a",)), ("a/b", ("a", "b"))])
def test_a_slash_may_end_a_folder(path: str, key: tuple[str, ...]) -> None:
    assert artifact_paths.split(path, folder=True) == key


@pytest.mark.parametrize(
    ("raw", "text"),
    [("a%20b", "a b"), ("a+b", "a+b"), ("%2541", "%41"), ("%C3%A9", "é"), ("Ã©", "é"), ("%zz%", "%zz%")],
)
def test_decoding_happens_once(raw: str, text: str) -> None:
    assert artifact_paths.decode(raw) == text


@pytest.mark.parametrize("raw", ["%ff", "%ed%a0%80", "%c0%af", "é", "\u20ac"])
def test_what_is_not_utf8_is_refused(raw: str) -> None:
    with pytest.raises(InvalidParameterValue, match="UTF-8"):
        artifact_paths.decode(raw)


def test_a_path_belongs_to_the_run_whose_location_it_begins_with(shop: Shop) -> None:
    experiment = shop.experiment()
    shop.run(experiment, "run")
    place = shop.proxied(f"{experiment}/run/artifacts/a/artifacts/b")
    assert place.root == (str(experiment), "run", "artifacts")
    assert place.key == (*place.root, "a", "artifacts", "b")
    assert shop.proxied(f"{experiment}/run/artifacts").key == place.root


def test_models_and_traces_have_folders_too(shop: Shop) -> None:
    experiment = shop.experiment()
    shop.model(experiment, "m-1")
    for path in (f"{experiment}/models/m-1/artifacts/a", f"{experiment}/traces/tr-1/artifacts/a"):
        assert shop.proxied(path, "manage").root == tuple(path.split("/")[:4])


@pytest.mark.parametrize(
    "location", ["mlflow-artifacts:/team/artifacts/x", "mlflow-artifacts://host/team/artifacts/x"]
)
def test_a_location_of_the_users_is_found_too(shop: Shop, location: str) -> None:
    experiment = shop.experiment(location)
    shop.run(experiment, "run")
    place = shop.proxied("team/artifacts/x/run/artifacts/a")
    assert place.root == ("team", "artifacts", "x", "run", "artifacts")


@pytest.mark.parametrize(
    "path",
    [
        "a",
        "1",
        "1/run",
        "1/run/a",
        "run/artifacts/a",
        "2/run/artifacts/a",
        "1/other/artifacts/a",
        "1/models/run/artifacts/a",
        "1/m-1/artifacts/a",
        "1/traces/artifacts/a",
        "7/traces/tr/artifacts/a",
        "artifacts",
        "artifacts/artifacts",
        "/".join(["artifacts"] * 120),
    ],
)
def test_a_path_that_nobody_owns_is_not_there(shop: Shop, path: str) -> None:
    shop.run(shop.experiment(), "run")
    shop.experiment()
    shop.model(1, "m-1")
    with pytest.raises(NoSuchArtifact):
        shop.proxied(path)


def test_a_run_elsewhere_has_no_path_here(shop: Shop) -> None:
    experiment = shop.experiment("s3://bucket/x")
    shop.run(experiment, "run")
    for path in (f"{experiment}/run/artifacts/a", "bucket/x/run/artifacts/a", "x/run/artifacts/a"):
        with pytest.raises(NoSuchArtifact):
            shop.proxied(path)
    with shop.database.read() as tx, pytest.raises(InvalidParameterValue, match="s3: location"):
        artifact_paths.in_run(shop.context(tx, JANE), "run", "a", "read")


def test_who_owns_the_outer_folder_owns_what_others_put_below_it(shop: Shop) -> None:
    outer = shop.experiment()
    shop.run(outer, "victim")
    inner = shop.experiment(f"mlflow-artifacts:/{outer}/victim/artifacts")
    shop.run(inner, "thief")
    shop.access.granted["joe", inner] = "manage"
    with pytest.raises(NoSuchArtifact):
        shop.proxied(f"{outer}/victim/artifacts/thief/artifacts/a", "read", JOE)


@pytest.mark.parametrize(
    ("granted", "action", "refusal"),
    [
        (None, "read", ResourceDoesNotExist),
        (None, "write", ResourceDoesNotExist),
        ("read", "read", None),
        ("read", "write", PermissionDenied),
        ("write", "write", None),
        ("write", "manage", PermissionDenied),
        ("manage", "manage", None),
    ],
)
def test_rights_are_asked_on_the_experiment_of_the_row(
    shop: Shop, granted: Action | None, action: Action, refusal: type[TrackingError] | None
) -> None:
    mine, other = shop.experiment(), shop.experiment()
    shop.run(other, "run")
    shop.model(other, "m-1")
    shop.access.granted["joe", mine] = "manage"
    if granted:
        shop.access.granted["joe", other] = granted
    for path in (
        f"{other}/run/artifacts/a",
        f"{other}/models/m-1/artifacts/a",
        f"{other}/traces/t/artifacts/a",
    ):
        if refusal:
            with pytest.raises(refusal):
                shop.proxied(path, action, JOE)
        else:
            assert shop.proxied(path, action, JOE).key == tuple(path.split("/"))


def test_a_foreign_artifact_and_a_missing_one_are_answered_alike(shop: Shop) -> None:
    other = shop.experiment()
    shop.run(other, "run")
    messages = set()
    for run in ("run", "nor"):
        with pytest.raises(NoSuchArtifact) as caught:
            shop.proxied(f"{other}/{run}/artifacts/a", "read", JOE)
        messages.add(caught.value.message.replace(run, "…"))
    assert len(messages) == 1


def test_only_a_manager_deletes_all_of_a_run(shop: Shop) -> None:
    experiment = shop.experiment()
    shop.run(experiment, "run")
    shop.access.granted["joe", experiment] = "write"
    assert shop.to_delete(f"{experiment}/run/artifacts/a", JOE).key[-1] == "a"
    with pytest.raises(PermissionDenied):
        shop.to_delete(f"{experiment}/run/artifacts/", JOE)
    assert shop.to_delete(f"{experiment}/run/artifacts/").key[-1] == "artifacts"


def test_above_the_runs_nothing_is_deleted(shop: Shop) -> None:
    experiment = shop.experiment()
    shop.run(experiment, "run")
    for path in (
        "",
        "/",
        f"{experiment}",
        f"{experiment}/run",
        f"{experiment}/models/m-1",
        f"{experiment}/a/b/c",
    ):
        with pytest.raises(InvalidParameterValue, match="Invalid path"):
            shop.to_delete(path)
    with pytest.raises(NoSuchArtifact):
        shop.to_delete(f"{experiment}", JOE)
    with pytest.raises(NoSuchArtifact):
        shop.to_delete("424242")


def test_names_are_listed_to_those_who_may_read(shop: Shop) -> None:
    experiment = shop.experiment()
    shop.run(experiment, "run")
    for path in (f"{experiment}", f"{experiment}/run/", f"{experiment}/run/artifacts/a"):
        assert shop.to_list(path) == tuple(path.removesuffix("/").split("/"))
        with pytest.raises(NoSuchArtifact):
            shop.to_list(path, JOE)
    assert shop.to_list("") == ()
    with pytest.raises(PermissionDenied):
        shop.to_list("", JOE)
    with pytest.raises(NoSuchArtifact):
        shop.to_list("team")


def test_by_id_the_key_is_built_from_the_location_of_the_row(shop: Shop) -> None:
    experiment = shop.experiment("mlflow-artifacts:/team")
    shop.run(experiment, "run")
    shop.model(experiment, "m-1")
    with shop.database.read() as tx:
        context = shop.context(tx, JANE)
        assert artifact_paths.in_run(context, "run", "a/b", "read").key == (
            "team",
            "run",
            "artifacts",
            "a",
            "b",
        )
        assert artifact_paths.in_run(context, "run", "", "read").key == ("team", "run", "artifacts")
        assert artifact_paths.in_model(context, "m-1", "a", "read").key[-2:] == ("artifacts", "a")
        with pytest.raises(InvalidParameterValue, match="Invalid path"):
            artifact_paths.in_run(context, "run", "../x", "read")
        with pytest.raises(ResourceDoesNotExist):
            artifact_paths.in_run(shop.context(tx, JOE), "run", "a", "read")
        with pytest.raises(ResourceDoesNotExist):
            artifact_paths.in_model(shop.context(tx, JOE), "m-1", "a", "read")
