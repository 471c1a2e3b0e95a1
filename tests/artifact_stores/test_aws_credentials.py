"""Roles, by moto's STS and IAM, which let nobody do what no policy says while these tests run."""

from __future__ import annotations

import asyncio
import json
import logging
import os
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import datetime, timedelta, timezone
from pathlib import Path
from typing import Any

import boto3
import pytest
import requests
from botocore.credentials import RefreshableCredentials

from jupyter_tracking_server.artifact_stores.aws_credentials import (
    CredentialError,
    ObstoreCredentials,
    aws_session,
)
from jupyter_tracking_server.artifact_stores.base import Options
from jupyter_tracking_server.artifact_stores.errors import StoreUnavailable
from jupyter_tracking_server.artifact_stores.registry import UnusableDestination, open_store
from tests.object_servers import S3Server
from tests.servers import free_port

from .contract import MEBIBYTE, everything, get, noise, on_loop, put, put_part

ROLE = "arn:aws:iam::123456789012:role/artifacts"
OPTIONS = Options(role_arn=ROLE, role_external_id="what it wants to hear", role_session_name="our-server")
USER = "arn:aws:iam::123456789012:user/server"
TRUST = {
    "Effect": "Allow",
    "Principal": {"AWS": USER},
    "Action": "sts:AssumeRole",
    "Condition": {"StringEquals": {"sts:ExternalId": OPTIONS.role_external_id}},
}


@pytest.fixture
def aws(moto_server: S3Server, monkeypatch: pytest.MonkeyPatch) -> Iterator[S3Server]:
    """moto with a role that may use S3, and an environment with a user who may only take on this role."""
    _judge(moto_server, "Infinity")
    requests.post(f"{moto_server.endpoint}/moto-api/reset", timeout=20)
    for name, value in moto_server.environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("AWS_ENDPOINT_URL", moto_server.endpoint)
    monkeypatch.delenv("MLFLOW_S3_ENDPOINT_URL")
    iam = boto3.client("iam")
    iam.create_role(RoleName="artifacts", AssumeRolePolicyDocument=_policy(TRUST))
    iam.put_role_policy(RoleName="artifacts", PolicyName="p", PolicyDocument=_allows("s3:*", "*"))
    iam.create_user(UserName="server")
    iam.put_user_policy(UserName="server", PolicyName="p", PolicyDocument=_allows("sts:AssumeRole", ROLE))
    key = iam.create_access_key(UserName="server")["AccessKey"]
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", key["AccessKeyId"])
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", key["SecretAccessKey"])
    _judge(moto_server, "0")
    yield moto_server
    _judge(moto_server, "Infinity")


@pytest.fixture
def bucket(moto_server: S3Server, aws: S3Server) -> str:
    _judge(moto_server, "Infinity")
    name = moto_server.create_bucket()
    _judge(moto_server, "0")
    return name


def _judge(server: S3Server, after: str) -> None:
    """Let moto ask IAM from the ``after``th call on."""
    requests.post(f"{server.endpoint}/moto-api/reset-auth", data=after, timeout=20).raise_for_status()


def _forbid_roles(server: S3Server) -> None:
    """Take from the server's user the right to take on a role."""
    _judge(server, "Infinity")
    boto3.client("iam").delete_user_policy(UserName="server", PolicyName="p")
    _judge(server, "0")


def _allows(action: str, resource: str) -> str:
    return _policy({"Effect": "Allow", "Action": action, "Resource": resource})


def _policy(statement: dict[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def _taken_on(server: S3Server) -> list[dict[str, Any]]:
    """What moto knows of roles that were taken on, the first one first."""
    known: dict[str, Any] = requests.get(f"{server.endpoint}/moto-api/data.json", timeout=20).json()
    found: list[dict[str, Any]] = known.get("sts", {}).get("AssumedRole", [])
    return found


def _expires_in(credentials: RefreshableCredentials, minutes: float) -> None:
    """As if time had passed; STS gives no role for less than a quarter of an hour."""
    vars(credentials)["_expiry_time"] = datetime.now(timezone.utc) + timedelta(minutes=minutes)


@on_loop
async def test_the_role_does_what_the_server_itself_may_not(aws: S3Server, bucket: str) -> None:
    store = open_store(f"s3://{bucket}/x", OPTIONS)
    await put(store, ("small",), b"small")
    await put(store, ("large",), noise(1, 7 * MEBIBYTE))
    assert await everything(store, ()) == [("large", 7 * MEBIBYTE), ("small", 5)]
    assert await get(store, ("large",)) == noise(1, 7 * MEBIBYTE)
    assert await store.delete(("small",))
    await store.close()

    weak = open_store(f"s3://{bucket}/x")
    with pytest.raises(StoreUnavailable):
        await get(weak, ("large",))
    await weak.close()


@on_loop
async def test_what_is_signed_is_signed_by_the_role(aws: S3Server, bucket: str) -> None:
    # moto cannot judge a signature in an address.
    _judge(aws, "Infinity")
    store = open_store(f"s3://{bucket}/x", OPTIONS)
    [role] = _taken_on(aws)
    upload = await store.begin(("parts",))
    await store.complete(("parts",), upload, [await put_part(store, ("parts",), upload, 1, b"part")])
    assert store.signer is not None
    signed = await store.signer.sign_read(("parts",), 60)
    assert f"X-Amz-Credential={role['access_key_id']}" in signed.url
    assert "X-Amz-Security-Token=" in signed.url
    got = await asyncio.to_thread(requests.get, signed.url, timeout=20)
    assert got.content == b"part"
    await store.close()


@on_loop
async def test_aws_sees_session_name_and_external_id(aws: S3Server) -> None:
    aws_session(OPTIONS)
    [seen] = _taken_on(aws)
    assert (seen["role_arn"], seen["session_name"], seen["external_id"]) == (
        ROLE,
        "our-server",
        "what it wants to hear",
    )


@on_loop
async def test_credentials_are_renewed_once_before_they_expire(aws: S3Server) -> None:
    credentials = aws_session(OPTIONS).get_credentials()
    assert isinstance(credentials, RefreshableCredentials)
    with ThreadPoolExecutor(8) as threads:
        ask = ObstoreCredentials(credentials, threads)
        first = await ask()
        assert first == {**await ask(), "expires_at": first["expires_at"]}
        assert first["expires_at"] is not None
        assert len(_taken_on(aws)) == 1
        _expires_in(credentials, 9)
        renewed = await asyncio.gather(*(ask() for _ in range(16)))
    assert len(_taken_on(aws)) == 2
    assert {given["access_key_id"] for given in renewed} == {_taken_on(aws)[1]["access_key_id"]}
    assert first["access_key_id"] != renewed[0]["access_key_id"]


@on_loop
async def test_a_renewal_that_fails_keeps_what_is_still_good_and_then_says_what_is_wrong(
    aws: S3Server, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG, "jupyter_tracking")
    credentials = aws_session(OPTIONS).get_credentials()
    assert isinstance(credentials, RefreshableCredentials)
    _forbid_roles(aws)
    with ThreadPoolExecutor(1) as threads:
        ask = ObstoreCredentials(credentials, threads)
        first = await ask()
        _expires_in(credentials, 12)
        assert (await ask())["access_key_id"] == first["access_key_id"]
        _expires_in(credentials, -1)
        with pytest.raises(CredentialError, match="cannot be renewed"):
            await ask()
    assert "AWS credentials cannot be renewed: AccessDenied" in caplog.text
    assert first["secret_access_key"] not in caplog.text


@on_loop
async def test_a_role_that_aws_does_not_give_is_said_at_the_start(
    aws: S3Server, bucket: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for wrong in (replace(OPTIONS, role_external_id="wrong"), replace(OPTIONS, role_arn=f"{ROLE}-of-others")):
        with pytest.raises(UnusableDestination, match="cannot be taken on: AccessDenied") as caught:
            open_store(f"s3://{bucket}", wrong)
        assert "--artifacts-role-external-id" in str(caught.value)
    monkeypatch.setenv("AWS_ENDPOINT_URL_STS", f"http://127.0.0.1:{free_port()}")
    with pytest.raises(UnusableDestination, match="EndpointConnectionError"):
        open_store(f"s3://{bucket}", OPTIONS)


def test_no_credentials_are_said_at_the_start(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "none"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "none"))
    with pytest.raises(UnusableDestination, match="There are no AWS credentials"):
        open_store("s3://bucket/x")
    monkeypatch.setenv("AWS_PROFILE", "nobody")
    with pytest.raises(UnusableDestination, match="nobody"):
        open_store("s3://bucket/x")


@on_loop
async def test_a_profile_gives_keys_region_and_role(
    aws: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    key, secret = os.environ["AWS_ACCESS_KEY_ID"], os.environ["AWS_SECRET_ACCESS_KEY"]
    lines = ["[own]", f"aws_access_key_id={key}", f"aws_secret_access_key={secret}"]
    (tmp_path / "credentials").write_text("\n".join(lines))
    lines = ["[profile ours]", f"role_arn={ROLE}", "source_profile=own", "region=eu-central-1"]
    lines.append(f"external_id={OPTIONS.role_external_id}")
    (tmp_path / "config").write_text("\n".join(lines))
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_REGION", "AWS_DEFAULT_REGION"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "credentials"))
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "config"))
    monkeypatch.setenv("AWS_PROFILE", "ours")
    store = open_store(f"s3://{bucket}/x")
    await put(store, ("a",), b"x")
    assert await get(store, ("a",)) == b"x"
    await store.close()
    assert [seen["role_arn"] for seen in _taken_on(aws)] == [ROLE]


@on_loop
async def test_a_web_identity_gives_the_role(
    aws: S3Server, bucket: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    # moto cannot judge a call without a signature.
    _judge(aws, "Infinity")
    (tmp_path / "token").write_text("a.web.token")
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.delenv(name)
    monkeypatch.setenv("AWS_WEB_IDENTITY_TOKEN_FILE", str(tmp_path / "token"))
    monkeypatch.setenv("AWS_ROLE_ARN", ROLE)
    monkeypatch.setenv("AWS_ROLE_SESSION_NAME", "a-pod")
    store = open_store(f"s3://{bucket}/x")
    await put(store, ("a",), b"x")
    assert await get(store, ("a",)) == b"x"
    await store.close()
    assert [seen["session_name"] for seen in _taken_on(aws)] == ["a-pod"]
