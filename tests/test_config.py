"""Settings: one table, and flags, environment, traits and docs that agree with it."""

from __future__ import annotations

import argparse
import stat
from pathlib import Path

import pytest

from jupyter_tracking_server.app import TrackingExtension
from jupyter_tracking_server.cli.flags import add_flags, settings_of
from jupyter_tracking_server.config import (
    SETTINGS,
    ConfigurationError,
    Setting,
    Settings,
    data_folder,
    from_environment,
    is_loopback,
    table,
)


def parse(*arguments: str) -> Settings:
    parser = argparse.ArgumentParser()
    add_flags(parser)
    return settings_of(parser.parse_args(arguments))


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    for item in SETTINGS:
        if item.env:
            monkeypatch.delenv(item.env, raising=False)
    monkeypatch.setenv("JUPYTER_DATA_DIR", str(tmp_path / "data"))


@pytest.mark.parametrize("item", SETTINGS, ids=lambda item: item.name)
def test_a_setting_has_help_a_flag_and_a_line_in_the_table(item: Setting) -> None:
    assert item.help
    assert item.flag.removeprefix("--").replace("-", "_") == item.name
    assert f"| `{item.flag}` |" in table()


def test_flags_give_the_same_defaults_as_the_class() -> None:
    assert parse() == Settings()


def test_flags_are_those_of_mlflow_server() -> None:
    given = parse(
        *("--backend-store-uri", "postgresql://u@h/d", "--artifacts-destination", "/a"),
        *("--default-artifact-root", "s3://b", "--no-serve-artifacts", "--host", "0.0.0.0", "-p", "8080"),
        *("--static-prefix", "/x", "--allowed-hosts", "h.example"),
    )
    assert given == Settings(
        backend_store_uri="postgresql://u@h/d",
        artifacts_destination="/a",
        default_artifact_root="s3://b",
        serve_artifacts=False,
        host="0.0.0.0",
        port=8080,
        static_prefix="/x",
        allowed_hosts="h.example",
    )


def test_a_flag_wins_over_the_environment_and_that_over_the_default(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MLFLOW_PORT", "7000")
    monkeypatch.setenv("MLFLOW_HOST", "::1")
    monkeypatch.setenv("MLFLOW_ARTIFACTS_ONLY", "true")
    monkeypatch.setenv("MLFLOW_STATIC_PREFIX", "")
    given = parse("--port", "8000")
    assert (given.port, given.host, given.artifacts_only, given.static_prefix) == (8000, "::1", True, "")


@pytest.mark.parametrize(
    ("name", "text"), [("MLFLOW_PORT", "many"), ("MLFLOW_PORT", "-1"), ("MLFLOW_SERVE_ARTIFACTS", "perhaps")]
)
def test_a_malformed_variable_is_named(name: str, text: str) -> None:
    with pytest.raises(ConfigurationError, match=name):
        from_environment({name: text})


@pytest.mark.parametrize(
    ("flags", "cure"),
    [
        (("--auth", "none", "--host", "0.0.0.0"), "--auth token"),
        (("--auth", "none", "--host", "tracking.example"), "--insecure"),
        (("--static-prefix", "x"), "slash"),
        (("--static-prefix", "/x/"), "slash"),
        (("--artifacts-only", "--no-serve-artifacts"), "nothing to serve"),
        (("--port", "70000"), "65535"),
        (("--reader-threads", "0"), "between 1 and 64"),
    ],
)
def test_settings_that_cannot_be_served_are_refused_with_the_cure(flags: tuple[str, ...], cure: str) -> None:
    with pytest.raises(ConfigurationError, match=cure):
        parse(*flags)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "::1", "127.8.9.1"])
def test_loopback_may_be_open(host: str) -> None:
    assert parse("--auth", "none", "--host", host).auth == "none"


def test_insecure_is_believed() -> None:
    assert parse("--auth", "none", "--host", "0.0.0.0", "--insecure").insecure


@pytest.mark.parametrize(
    "host", ["", "0.0.0.0", "::", "10.0.0.1", "127.evil.example", "localhost.evil.example"]
)
def test_what_is_not_loopback(host: str) -> None:
    assert not is_loopback(host)


def test_everything_has_a_place_below_jupyters_data_folder_that_only_the_user_reads(tmp_path: Path) -> None:
    folder = tmp_path / "data" / "tracking"
    settings = Settings()
    assert settings.database_url == f"sqlite:///{folder}/tracking.db"
    assert settings.destination == f"{folder}/artifacts"
    assert settings.token_path == folder / "token"
    assert data_folder() == folder
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_the_database_is_absolute_and_of_a_kind_that_is_known(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert Settings(backend_store_uri="sqlite:///x.db").database_url == f"sqlite:///{tmp_path}/x.db"
    assert Settings(backend_store_uri="sqlite:////a/x.db").database_url == "sqlite:////a/x.db"
    for uri in ("./mlruns", "file:///mlruns", "mysql://root:secret@host/db", "mssql+pyodbc://x"):
        with pytest.raises(ConfigurationError, match="neither sqlite") as refused:
            Settings(backend_store_uri=uri).database_url  # noqa: B018 - a property that refuses
        assert "secret" not in str(refused.value)


def test_new_experiments_are_proxied_unless_told_otherwise() -> None:
    assert Settings().artifact_root == "mlflow-artifacts:"
    assert Settings(default_artifact_root="s3://bucket/x/").artifact_root == "s3://bucket/x"
    assert Settings(serve_artifacts=False, artifacts_destination="/a/").artifact_root == "file:///a"
    assert Settings(default_artifact_root="/a b/../c").artifact_root == "file:///c"


def test_without_the_proxy_the_server_opens_where_new_experiments_go() -> None:
    direct = Settings(serve_artifacts=False, artifacts_destination="/a", default_artifact_root="s3://b")
    assert (direct.store, direct.opens_destination) == ("s3://b", False)
    for settings in (
        Settings(artifacts_destination="/a", default_artifact_root="s3://b"),
        Settings(serve_artifacts=False, artifacts_destination="/a"),
        Settings(
            serve_artifacts=False, artifacts_destination="/a", default_artifact_root="mlflow-artifacts:/"
        ),
    ):
        assert (settings.store, settings.opens_destination) == ("/a", True)
    elsewhere = Settings(serve_artifacts=False, default_artifact_root="mlflow-artifacts://host:5000")
    assert not elsewhere.opens_destination


def test_an_age_that_is_none_is_refused_with_its_cure() -> None:
    assert Settings(gc_after="30d").gc_after == "30d"
    for text, cure in (("30", "write it as 30d"), ("soon", "write it as 30d"), ("0d", "leave it out")):
        with pytest.raises(ConfigurationError, match=f"--gc-after .*{cure}"):
            Settings(gc_after=text)


def test_the_extension_has_a_trait_for_each_setting_that_makes_sense_there() -> None:
    traits = TrackingExtension.class_traits(config=True)
    for item in SETTINGS:
        if item.standalone:
            assert item.name not in traits
        else:
            assert traits[item.name].help == item.help
            assert traits[item.name].default() == item.default
