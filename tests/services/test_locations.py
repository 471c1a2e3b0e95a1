"""Locations: which key in the server's store each stands for, and which are refused."""

from __future__ import annotations

import pytest

from jupyter_tracking.protocol.errors import InvalidParameterValue
from jupyter_tracking_server.services import locations

STORE = "s3://bucket/folder"
ABFSS = "abfss://box@account.dfs.core.windows.net/root"


@pytest.mark.parametrize(
    ("location", "key"),
    [
        ("mlflow-artifacts:/1/r/artifacts", ("1", "r", "artifacts")),
        ("mlflow-artifacts:1/r", ("1", "r")),
        ("mlflow-artifacts://host:5000/team/1", ("team", "1")),
        ("mlflow-artifacts:/a%20b%2541", ("a b%41",)),
        ("mlflow-artifacts:/grün/☃", ("grün", "☃")),
        ("mlflow-artifacts:/", ()),
        ("http://host/api/2.0/mlflow-artifacts/artifacts/1/r", ("1", "r")),
        ("https://host:1/user/jane/tracking/ajax-api/3.0/mlflow-artifacts/artifacts/a%20b", ("a b",)),
        ("http://host/api/2.0/mlflow-artifacts/artifacts", ()),
        ("http://host/api/2.0/mlflow-artifacts/artifactsx/1", None),
        ("http://host/1", None),
        ("mlflow-artifacts:/1/../2", None),
        ("mlflow-artifacts:/1/%2e%2e/2", None),
        ("mlflow-artifacts:/1%2f..%2f2", None),
        ("mlflow-artifacts:/%ff", None),
        ("mlflow-artifacts:/1?x", None),
        ("mlflow-artifacts:/1?", None),
        ("mlflow-artifacts:/1#x", None),
        ("mlflow-artifacts://[bad/1", None),
        ("mlflow-artifacts:/.uploads/x", None),
        ("mlflow-artifacts:/x/.uploads", ("x", ".uploads")),
        ("s3://bucket/1", None),
        ("file:///1", None),
        ("/1", None),
        ("1", None),
        ("", None),
    ],
)
def test_a_location_of_the_proxy_has_a_key(location: str, key: tuple[str, ...] | None) -> None:
    assert locations.location_key(location) == key
    assert locations.location_key(location, STORE) == key
    assert locations.location_key(location, STORE, proxied=False) is None


@pytest.mark.parametrize(
    ("url", "location", "key"),
    [
        (STORE, "s3://bucket/folder/1/r", ("1", "r")),
        (STORE, "s3://bucket/folder/", ()),
        (STORE, "s3://bucket/folder/a%20b", ("a%20b",)),
        (STORE, "s3://bucket/folders/1", None),
        (STORE, "s3://bucket/fold", None),
        (STORE, "s3://bucket", None),
        (STORE, "s3://bucket2/folder/1", None),
        (STORE, "s3://bucket:80/folder/1", None),
        (STORE, "gs://bucket/folder/1", None),
        (STORE, "s3://bucket/folder/../other/1", None),
        (STORE, "s3://bucket/folder//1", None),
        (STORE, "s3://bucket/folder/1?x=1", None),
        (STORE, "s3://bucket/folder/1#x", None),
        (STORE, "s3://me@bucket/folder/1", None),
        (STORE, "s3://me:secret@bucket/folder/1", None),
        (STORE, "s3://bucket/folder/.uploads/1", None),
        ("s3://bucket", "s3://bucket/1", ("1",)),
        ("file:///srv/artifacts", "file:///srv/artifacts/1", ("1",)),
        ("file:///srv/artifacts", "file://localhost/srv/artifacts/1", ("1",)),
        ("file:///srv/artifacts", "file:/srv/artifacts/1", ("1",)),
        ("file:///srv/artifacts", "/srv/artifacts/1", ("1",)),
        ("file:///srv/artifacts", "/srv/artifacts/a%20b c#d", ("a%20b c#d",)),
        ("file:///srv/artifacts", "file:///srv/artifacts/a%20b", ("a b",)),
        ("file:///srv/artifacts", "file://host/srv/artifacts/1", None),
        ("file:///srv/artifacts", "file:///srv/artifacts-old/1", None),
        ("file:///srv/artifacts", "/srv/artifacts/../1", None),
        ("file:///srv/artifacts", "srv/artifacts/1", None),
        (ABFSS, f"{ABFSS}/1", ("1",)),
        (ABFSS, "abfss://other@account.dfs.core.windows.net/root/1", None),
        (ABFSS, "abfss://account.dfs.core.windows.net/root/1", None),
        ("sftp://host/srv", "sftp://jane@host/srv/1", ("1",)),
        ("sftp://host/srv", "sftp://jane:secret@host/srv/1", None),
        (
            "http://up/api/2.0/mlflow-artifacts/artifacts/t",
            "http://up/api/2.0/mlflow-artifacts/artifacts/t/1",
            ("1",),
        ),
    ],
)
def test_a_direct_location_below_the_store_has_a_key(
    url: str, location: str, key: tuple[str, ...] | None
) -> None:
    assert locations.location_key(location, url, proxied=False) == key


@pytest.mark.parametrize(
    "location", ["s3://bucket/x", f"{ABFSS}/x", "gs://b/x", "hdfs://host:8020/x", "mlflow-artifacts:/x"]
)
def test_a_place_for_artifacts_is_kept_as_given(location: str) -> None:
    assert locations.check(location) == location


@pytest.mark.parametrize(
    "location",
    [
        "s3://me@bucket/x",
        "sftp://me:secret@host/x",
        f"{ABFSS.replace('box', 'box:secret')}/x",
        "s3://b/%2e%2e/x",
    ],
)
def test_what_is_no_such_place_is_refused(location: str) -> None:
    with pytest.raises(InvalidParameterValue, match="can't include"):
        locations.check(location)
