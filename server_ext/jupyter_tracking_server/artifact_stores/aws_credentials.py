"""By what right the server reaches AWS: boto3's whole chain and, if an administrator says so, a role.

botocore's credentials renew themselves well before they expire, one thread at a time; boto3's clients and
obstore get theirs from the same object.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Mapping
from concurrent.futures import Executor
from datetime import datetime, timedelta, timezone
from typing import TYPE_CHECKING, Any

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import (
    CredentialProvider,
    CredentialResolver,
    Credentials,
    RefreshableCredentials,
)
from botocore.exceptions import BotoCoreError, ClientError

from .base import Options
from .registry import UnusableDestination

if TYPE_CHECKING:
    from obstore.store import S3Credential

__all__ = ["CredentialError", "ObstoreCredentials", "aws_region", "aws_session"]

log = logging.getLogger("jupyter_tracking")

QUICK = Config(connect_timeout=5, read_timeout=10, retries={"mode": "standard", "total_max_attempts": 3})
ASK_AGAIN = timedelta(minutes=6)
"""obstore asks for credentials when they have less than five minutes left, so it asks about each minute."""


class CredentialError(Exception):
    """There are no credentials to be had; why is in the log. Never holds a secret."""


def aws_session(options: Options) -> boto3.Session:
    """A session whose credentials have been found.

    Raises:
        UnusableDestination: there are none, or AWS does not give the role.
    """
    try:
        own = boto3.Session()
        found = own.get_credentials()
    except BotoCoreError as error:
        raise UnusableDestination(f"AWS credentials cannot be used: {error}") from None
    if found is None:
        raise UnusableDestination(
            "There are no AWS credentials. Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, "
            "or run the server where an instance, container or web identity gives it a role."
        )
    return _with_role(own, options) if options.role_arn else own


def aws_region(session: boto3.Session) -> str | None:
    """The region that was said, in the environment or the profile."""
    return os.environ.get("AWS_REGION") or session.region_name


class ObstoreCredentials:
    """What obstore calls for credentials; a renewal runs in a thread.

    Args:
        credentials: botocore's.
        threads: where they are asked for.
    """

    def __init__(self, credentials: Credentials, threads: Executor) -> None:
        self._credentials = credentials
        self._threads = threads

    async def __call__(self) -> S3Credential:
        """Credentials that are good for now.

        Raises:
            CredentialError
        """
        loop = asyncio.get_running_loop()
        return await loop.run_in_executor(self._threads, self._get)

    def _get(self) -> S3Credential:
        try:
            frozen = self._credentials.get_frozen_credentials()
        except (BotoCoreError, ClientError) as error:
            log.warning("AWS credentials cannot be renewed: %s", _why(error))
            raise CredentialError("AWS credentials cannot be renewed.") from None
        # Fixed ones have no method to say so.
        renewed = isinstance(self._credentials, RefreshableCredentials)
        return {
            "access_key_id": frozen.access_key or "",
            "secret_access_key": frozen.secret_key or "",
            "token": frozen.token,
            "expires_at": datetime.now(timezone.utc) + ASK_AGAIN if renewed else None,
        }


class _RoleProvider(CredentialProvider):
    """The role's credentials, as botocore wants to be given them."""

    METHOD = "jupyter-tracking-role"
    CANONICAL_NAME = None

    def __init__(self, get: Callable[[], dict[str, Any]]) -> None:
        super().__init__()
        self._get = get

    def load(self) -> RefreshableCredentials:
        """Credentials that renew themselves."""
        return RefreshableCredentials.create_from_metadata(
            metadata=self._get(), refresh_using=self._get, method=self.METHOD
        )


def _with_role(own: boto3.Session, options: Options) -> boto3.Session:
    sts = own.client("sts", region_name=aws_region(own) or "us-east-1", config=QUICK)
    asked: dict[str, Any] = {"RoleArn": options.role_arn, "RoleSessionName": options.role_session_name}
    if options.role_external_id:
        asked["ExternalId"] = options.role_external_id

    def take_on() -> dict[str, Any]:
        given: Mapping[str, Any] = sts.assume_role(**asked)["Credentials"]
        return {
            "access_key": given["AccessKeyId"],
            "secret_key": given["SecretAccessKey"],
            "token": given["SessionToken"],
            "expiry_time": given["Expiration"].isoformat(),
        }

    session = botocore.session.get_session()
    session.set_config_variable("region", own.region_name)
    session.register_component("credential_provider", CredentialResolver([_RoleProvider(take_on)]))
    try:
        session.get_credentials()
    except (BotoCoreError, ClientError) as error:
        raise UnusableDestination(
            f"The role {options.role_arn} cannot be taken on: {_why(error)}. Its trust policy must name the "
            "identity that this server has by itself and, if it asks for an external id, the same one as "
            "--artifacts-role-external-id; that identity must be allowed sts:AssumeRole on it."
        ) from None
    return boto3.Session(botocore_session=session)


def _why(error: Exception) -> str:
    """What AWS or botocore says; neither repeats a secret."""
    if isinstance(error, ClientError):
        said = error.response.get("Error", {})
        return f"{said.get('Code', 'Unknown')} ({said.get('Message', '')[:200]})"
    return f"{type(error).__name__}: {str(error)[:200]}"
