"""Artifacts: the files of runs and logged models, listed by run or through the artifact proxy.

The bytes themselves travel as plain streams (GET, PUT, DELETE ``mlflow-artifacts/artifacts/{path}``);
the calls here only control them.
"""

from __future__ import annotations

from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call, Empty
from .limits import UPLOAD_PARTS, ArtifactPath, ArtifactsPerPage, Int64, PageToken, Required, RunId, Sha256

UploadId = Annotated[str, Meta(min_length=1, max_length=2048)]
Size = Annotated[int, Meta(ge=1, le=2**63 - 1)]
"""Bytes."""


class FileInfo(msgspec.Struct, frozen=True, omit_defaults=True, gc=False):
    """A file or folder; ``file_size`` in bytes, absent for folders."""

    path: str
    is_dir: bool
    file_size: int | None = None


class ListArtifacts(msgspec.Struct, frozen=True):
    """The artifacts of a run in one folder; paths are relative to the run's root.

    All of them come at once, or pages of up to ``max_results`` if that is given.
    """

    run_id: RunId
    path: ArtifactPath = ""
    page_token: PageToken | None = None
    max_results: ArtifactsPerPage | None = None


class ArtifactList(msgspec.Struct, frozen=True, omit_defaults=True):
    """Files and folders, by path."""

    root_uri: str
    files: list[FileInfo] = []
    next_page_token: str | None = None


class ListProxyArtifacts(msgspec.Struct, frozen=True):
    """The files in one folder of the artifact proxy; paths are base names.

    All of them come at once, or pages of up to ``max_results`` if that is given.
    """

    path: ArtifactPath = ""
    page_token: PageToken | None = None
    max_results: ArtifactsPerPage | None = None


class ProxyArtifactList(msgspec.Struct, frozen=True, omit_defaults=True):
    """Files and folders, by name."""

    files: list[FileInfo] = []
    next_page_token: str | None = None


class CreateMultipartUpload(msgspec.Struct, frozen=True):
    """Begin an upload in parts; ``path`` is the file's name, ``artifact_path`` its folder.

    A client that also says ``size`` and ``sha256``, of the whole file, takes up an open upload of the same
    file again.
    """

    artifact_path: ArtifactPath
    path: Required
    num_parts: Int64
    size: Size | None = None
    sha256: Sha256 | None = None
    part_size: Size | None = None


class PartCredential(msgspec.Struct, frozen=True, omit_defaults=True):
    """Where one part goes."""

    url: str
    part_number: int
    headers: dict[str, str] = {}


class StoredPart(msgspec.Struct, frozen=True):
    """A part that has come before; ``size`` in bytes."""

    part_number: int
    size: int
    etag: str


class MultipartUpload(msgspec.Struct, frozen=True, omit_defaults=True):
    """The upload's id, where its parts go, and which of them need not be sent again."""

    upload_id: str
    credentials: list[PartCredential]
    parts: list[StoredPart] = []
    part_size: int | None = None


class UploadedPart(msgspec.Struct, frozen=True):
    """A part that is there."""

    part_number: Int64
    etag: str
    url: str = ""


class CompleteMultipartUpload(msgspec.Struct, frozen=True):
    """Make one artifact of the parts."""

    artifact_path: ArtifactPath
    path: Required
    upload_id: UploadId
    parts: Annotated[list[UploadedPart], Meta(max_length=UPLOAD_PARTS)] = []


class AbortMultipartUpload(msgspec.Struct, frozen=True):
    """Drop an upload and its parts."""

    artifact_path: ArtifactPath
    path: Required
    upload_id: UploadId


class GetPresignedDownload(msgspec.Struct, frozen=True):
    """A short-lived address from which one artifact can be read without the server."""

    artifact_path: ArtifactPath


class PresignedDownload(msgspec.Struct, frozen=True, omit_defaults=True):
    """The address, and the headers to send with it."""

    url: str
    headers: dict[str, str] = {}
    file_size: int | None = None


list_artifacts = Call("list_artifacts", ("GET",), "artifacts/list", ListArtifacts, ArtifactList, "read")
list_proxy_artifacts = Call(
    "list_proxy_artifacts",
    ("GET",),
    "artifacts",
    ListProxyArtifacts,
    ProxyArtifactList,
    "read",
    family="mlflow-artifacts",
)
create_multipart_upload = Call(
    "create_multipart_upload",
    ("POST",),
    "mpu/create/{artifact_path...}",
    CreateMultipartUpload,
    MultipartUpload,
    "write",
    family="mlflow-artifacts",
)
complete_multipart_upload = Call(
    "complete_multipart_upload",
    ("POST",),
    "mpu/complete/{artifact_path...}",
    CompleteMultipartUpload,
    Empty,
    "write",
    family="mlflow-artifacts",
)
abort_multipart_upload = Call(
    "abort_multipart_upload",
    ("POST",),
    "mpu/abort/{artifact_path...}",
    AbortMultipartUpload,
    Empty,
    "write",
    family="mlflow-artifacts",
)
get_presigned_download = Call(
    "get_presigned_download",
    ("GET",),
    "presigned/{artifact_path...}",
    GetPresignedDownload,
    PresignedDownload,
    "read",
    family="mlflow-artifacts",
)
