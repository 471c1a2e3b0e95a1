"""How a bucket of S3 is reached: region, endpoint, certificates, and whether it is there at all."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Literal, NamedTuple, cast

import boto3
import botocore.session
from botocore.config import Config
from botocore.credentials import Credentials
from botocore.exceptions import BotoCoreError, ClientError

from .aws_credentials import aws_region, aws_session
from .base import Options
from .object_errors import log
from .object_store import client_options
from .registry import UnusableDestination
from .s3_calls import code
from .s3_settings import Place, addressing

if TYPE_CHECKING:
    from obstore.store import ClientConfig
    from types_boto3_s3.client import S3Client

__all__ = ["CALLS_AT_ONCE", "Connection", "connect"]

CALLS_AT_ONCE = 8


class Connection(NamedTuple):
    """How a bucket is reached: boto3's client, whose region is the bucket's, and the credentials of both."""

    client: S3Client
    credentials: Credentials
    verify: bool | str

    def client_options(self, stall: float) -> ClientConfig:
        """How obstore reaches it; ``stall`` is in seconds."""
        options = client_options(stall)
        options["allow_http"] = self.client.meta.endpoint_url.startswith("http://")
        if self.verify is False:
            options["allow_invalid_certificates"] = True
        elif isinstance(self.verify, str):
            options["root_certificate"] = Path(self.verify).read_bytes()
        return options


def connect(place: Place, options: Options, stall: float) -> Connection:
    """A client of the bucket, which has been asked for once: where it is, and whether it is there.

    Raises:
        UnusableDestination
    """
    session = aws_session(options)
    credentials = cast("Credentials", session.get_credentials())
    verify = place.verify if place.verify is not None else _bundle()
    region = aws_region(session)
    client = _client(session, place, region, verify, stall)
    where = _region(client, place.bucket, region)
    if where != (region or "us-east-1"):
        client.close()
        client = _client(session, place, where, verify, stall)
    return Connection(client, credentials, verify)


def _client(
    session: boto3.Session, place: Place, region: str | None, verify: bool | str, stall: float
) -> S3Client:
    endpoint = place.endpoint or None
    plain = session.client("s3", region_name=region or "us-east-1", endpoint_url=endpoint, verify=verify)
    style = cast("Literal['path', 'virtual']", addressing(place, plain.meta.endpoint_url))
    plain.close()
    return session.client(
        "s3",
        region_name=region or "us-east-1",
        endpoint_url=endpoint,
        verify=verify,
        config=Config(
            connect_timeout=5,
            # Tried three times.
            read_timeout=stall / 3,
            max_pool_connections=CALLS_AT_ONCE,
            signature_version="s3v4",
            s3={"addressing_style": style},
            retries={"mode": "standard", "total_max_attempts": 3},
            # Other makers' S3 doesn't know the checksums that AWS's own takes.
            request_checksum_calculation="when_required",
            response_checksum_validation="when_required",
        ),
    )


def _region(client: S3Client, bucket: str, region: str | None) -> str:
    """The bucket's region.

    Raises:
        UnusableDestination: there is no such bucket, or it is in another region than was said.
    """
    used = client.meta.region_name
    try:
        answer = client.head_bucket(Bucket=bucket)
    except ClientError as error:
        where: str | None = (
            error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {}).get("x-amz-bucket-region")
        )
        if code(error) in {"404", "NoSuchBucket"}:
            raise UnusableDestination(
                f"There is no bucket '{bucket}' at {client.meta.endpoint_url}."
            ) from None
        if where and where != used:
            if region:
                raise UnusableDestination(
                    f"The bucket '{bucket}' is in {where}, not in {region}; set AWS_REGION={where}."
                ) from None
            return where
        # Rights may be narrower than to look at the bucket; and what is wrong now may be right soon.
        log.warning("The bucket '%s' could not be looked at: S3 says %s.", bucket, code(error))
        return used
    except BotoCoreError as error:
        log.warning("The bucket '%s' could not be looked at: %s.", bucket, type(error).__name__)
        return used
    return (answer.get("BucketRegion") or used) if region is None else used


def _bundle() -> bool | str:
    """The file with the certificates that boto3 trusts; True for its own."""
    name: str | None = botocore.session.get_session().get_config_variable("ca_bundle")
    if name and not Path(name).is_file():
        raise UnusableDestination(f"AWS_CA_BUNDLE: there is no file {name}.")
    return name or True
