"""Which bucket, where, and how its objects are written: the destination and the environment.

The names of the variables are those of MLflow's S3 store and of AWS's own tools:

* ``MLFLOW_S3_ENDPOINT_URL``, else ``AWS_ENDPOINT_URL_S3``, ``AWS_ENDPOINT_URL`` or the profile's;
* ``AWS_REGION``, ``AWS_DEFAULT_REGION`` or the profile's, else the bucket is asked;
* ``MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE`` (``path``, ``virtual``, or ``auto``: virtual at AWS only);
* ``MLFLOW_S3_IGNORE_TLS``, ``AWS_CA_BUNDLE``;
* ``MLFLOW_S3_UPLOAD_EXTRA_ARGS``: JSON of what boto3 calls ``ExtraArgs``.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import parse_qsl, urlsplit

from .registry import UnusableDestination

if TYPE_CHECKING:
    from obstore.store import S3Config

__all__ = ["ExtraArgs", "Place", "addressing", "backend_config", "find_place", "parse_extra_args"]

BUCKET = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{1,254}")
STYLES = {"path", "virtual", "auto"}
ATTRIBUTES = {
    "CacheControl": "Cache-Control",
    "ContentDisposition": "Content-Disposition",
    "ContentEncoding": "Content-Encoding",
    "ContentLanguage": "Content-Language",
    "ContentType": "Content-Type",
    "StorageClass": "Storage-Class",
}
CONFIG = {
    "BucketKeyEnabled": "sse_bucket_key_enabled",
    "ChecksumAlgorithm": "checksum_algorithm",
    "RequestPayer": "request_payer",
    "SSEKMSKeyId": "sse_kms_key_id",
    "ServerSideEncryption": "server_side_encryption",
}
CHECKSUMS = {"SHA256", "CRC64NVME"}


@dataclass(frozen=True)
class ExtraArgs:
    """What goes with every object, in the words of each library.

    Attributes:
        boto3: arguments of ``create_multipart_upload``.
        config: of obstore's store.
        attributes: of obstore's uploads.
        tags: the same.
    """

    boto3: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    attributes: dict[str, str] = field(default_factory=dict)
    tags: dict[str, str] | None = None


@dataclass(frozen=True)
class Place:
    """A bucket and a folder in it.

    Attributes:
        bucket: its name.
        prefix: what all paths begin with; ``""`` or ending in a slash.
        endpoint: said by MLflow's variable; ``""`` leaves it to boto3.
        style: how the bucket is addressed.
        verify: whether, or by which file, the server's certificate is checked; None leaves it to boto3.
        extra: what goes with every object.
    """

    bucket: str
    prefix: str
    endpoint: str
    style: str
    verify: bool | None
    extra: ExtraArgs

    @property
    def url(self) -> str:
        """As the destination says it, without a slash at its end."""
        return f"s3://{self.bucket}/{self.prefix}".rstrip("/")


def find_place(destination: str, environment: Mapping[str, str]) -> Place:
    """The place that a destination names.

    Raises:
        UnusableDestination: it names none, or a variable cannot be used.
    """
    rest = destination.partition("://")[2]
    bucket, _, path = rest.partition("/")
    if not BUCKET.fullmatch(bucket):
        raise UnusableDestination(
            "Artifacts in S3 are kept at s3://<bucket>/<folder>; the endpoint, if it is not AWS, is "
            "MLFLOW_S3_ENDPOINT_URL, and credentials are never part of the address."
        )
    folder = path.strip("/")
    if any(segment in {"", ".", ".."} for segment in folder.split("/")) and folder:
        raise UnusableDestination(f"The folder '{folder}' of the bucket has an empty, '.' or '..' segment.")
    style = environment.get("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE", "auto") or "auto"
    if style not in STYLES:
        raise UnusableDestination("MLFLOW_BOTO_CLIENT_ADDRESSING_STYLE must be path, virtual or auto.")
    ignore = environment.get("MLFLOW_S3_IGNORE_TLS", "").lower() in {"true", "1"}
    return Place(
        bucket=bucket,
        prefix=f"{folder}/" if folder else "",
        endpoint=_endpoint(environment.get("MLFLOW_S3_ENDPOINT_URL", "")),
        style=style,
        verify=False if ignore else None,
        extra=parse_extra_args(environment.get("MLFLOW_S3_UPLOAD_EXTRA_ARGS", "")),
    )


def parse_extra_args(text: str) -> ExtraArgs:
    """What ``MLFLOW_S3_UPLOAD_EXTRA_ARGS`` says.

    Raises:
        UnusableDestination: it is no JSON object, or has an argument that would not reach every object.
    """
    if not text:
        return ExtraArgs()
    try:
        given = json.loads(text)
    except ValueError:
        given = None
    if not isinstance(given, dict):
        raise _refused('it must be a JSON object, such as {"ServerSideEncryption": "AES256"}')
    extra = ExtraArgs(boto3=dict(given), tags=_tags(given))
    for name, value in given.items():
        if name in ATTRIBUTES:
            extra.attributes[ATTRIBUTES[name]] = str(value)
        elif name in CONFIG:
            extra.config[CONFIG[name]] = value
        elif name == "Metadata" and isinstance(value, dict):
            extra.attributes.update({str(word): str(meaning) for word, meaning in value.items()})
        elif name != "Tagging":
            known = ", ".join(sorted([*ATTRIBUTES, *CONFIG, "Metadata", "Tagging"]))
            raise _refused(f"{name!r} cannot be applied; use a default of the bucket for it, or {known}")
    if given.get("ChecksumAlgorithm", "SHA256") not in CHECKSUMS:
        raise _refused(f"ChecksumAlgorithm must be {' or '.join(sorted(CHECKSUMS))}")
    return extra


def backend_config(place: Place, endpoint: str, region: str) -> S3Config:
    """How obstore reaches the bucket.

    Args:
        place: the bucket.
        endpoint: boto3's, which does not name the bucket.
        region: the bucket's.
    """
    url = urlsplit(endpoint)
    virtual = addressing(place, endpoint) == "virtual"
    return {
        **place.extra.config,  # type: ignore[typeddict-item]  # its names are those of CONFIG
        "endpoint": f"{url.scheme}://{place.bucket}.{url.netloc}" if virtual else endpoint.rstrip("/"),
        "region": region,
        "virtual_hosted_style_request": virtual,
        # TLS guards the bytes; where there is none, their digest is part of the signature.
        "unsigned_payload": url.scheme == "https",
    }


def addressing(place: Place, endpoint: str) -> str:
    """``path`` or ``virtual``: the latter is for AWS, if the bucket's name fits its certificate."""
    if place.style != "auto":
        return place.style
    host = urlsplit(endpoint).hostname or ""
    aws = host.endswith((".amazonaws.com", ".amazonaws.com.cn"))
    return "virtual" if aws and "." not in place.bucket and place.bucket.islower() else "path"


def _endpoint(text: str) -> str:
    url = urlsplit(text)
    if text and (url.scheme not in {"http", "https"} or not url.hostname or url.username or url.query):
        raise UnusableDestination(
            "MLFLOW_S3_ENDPOINT_URL must be http(s)://host[:port], without credentials."
        )
    return text.rstrip("/")


def _tags(given: Mapping[str, Any]) -> dict[str, str] | None:
    text = given.get("Tagging")
    if text is None:
        return None
    try:
        return dict(parse_qsl(text, keep_blank_values=True, strict_parsing=True))
    except (TypeError, ValueError):
        raise _refused("Tagging must be like 'team=vision&stage=test'") from None


def _refused(why: str) -> UnusableDestination:
    return UnusableDestination(f"MLFLOW_S3_UPLOAD_EXTRA_ARGS: {why}.")
