"""Rules of artifacts: what is listed, and what this kind of store does not do. Bytes go by ``http/``."""

from __future__ import annotations

from typing import NoReturn

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import artifacts as wire
from jupyter_tracking.protocol.errors import NotImplementedHere
from jupyter_tracking.protocol.logged_models import ListLoggedModelArtifacts

from ..artifact_stores.base import Entry
from ..artifact_stores.errors import NoSuchArtifact
from ..artifact_stores.keys import text
from ..context import Context, FilesContext
from . import artifact_paths, owners
from .artifact_paths import Place


async def list_artifacts(context: FilesContext, request: wire.ListArtifacts) -> wire.ArtifactList:
    """One folder of a run; paths are relative to the run's root.

    Raises:
        InvalidParameterValue: the path is unsafe, or the run's artifacts are not kept by this server.
        ResourceDoesNotExist: there is no such run.
    """

    def find(reading: Context) -> tuple[str, Place]:
        location = owners.run(reading, request.run_id, "read").artifact_uri
        return location, artifact_paths.below(location, request.path)

    return await _list_owned(context, *await context.read(find))


async def list_logged_model_artifacts(
    context: FilesContext, request: ListLoggedModelArtifacts
) -> wire.ArtifactList:
    """One folder of a logged model; paths are relative to the model's root.

    Raises:
        InvalidParameterValue: the path is unsafe, or the model's artifacts are not kept by this server.
        ResourceDoesNotExist: there is no such model.
    """

    def find(reading: Context) -> tuple[str, Place]:
        location = owners.logged_model(reading, request.model_id, "read").info.artifact_uri
        return location, artifact_paths.below(location, request.artifact_directory_path)

    return await _list_owned(context, *await context.read(find))


async def _list_owned(context: FilesContext, root_uri: str, place: Place) -> wire.ArtifactList:
    entries = await context.artifacts.entries(place.key)
    folder = place.key[len(place.root) :]
    return wire.ArtifactList(root_uri, [_file_info(entry, text((*folder, entry.name))) for entry in entries])


async def list_proxy_artifacts(
    context: FilesContext, request: wire.ListProxyArtifacts
) -> wire.ProxyArtifactList:
    """One folder of the proxy, by base name; nothing if it is not there or not the caller's.

    Raises:
        InvalidParameterValue: the path is unsafe.
    """
    key = artifact_paths.split(request.path, folder=True)
    try:
        folder = await context.read(lambda reading: artifact_paths.place_to_list(reading, key))
    except NoSuchArtifact:
        return wire.ProxyArtifactList()
    entries = await context.artifacts.entries(folder)
    return wire.ProxyArtifactList([_file_info(entry, entry.name) for entry in entries])


def _file_info(entry: Entry, path: str) -> wire.FileInfo:
    return wire.FileInfo(path, is_dir=entry.size is None, file_size=entry.size)


async def create_multipart_upload(
    context: FilesContext, request: wire.CreateMultipartUpload
) -> wire.MultipartUpload:
    """Refused, in the words that make clients send the file as one."""
    del context, request
    _no_multipart("upload")


async def complete_multipart_upload(context: FilesContext, request: wire.CompleteMultipartUpload) -> Empty:
    """Refused, as ``create_multipart_upload``."""
    del context, request
    _no_multipart("upload")


async def abort_multipart_upload(context: FilesContext, request: wire.AbortMultipartUpload) -> Empty:
    """Refused, as ``create_multipart_upload``."""
    del context, request
    _no_multipart("upload")


async def get_presigned_download(
    context: FilesContext, request: wire.GetPresignedDownload
) -> wire.PresignedDownload:
    """Refused, in the words that make clients read the file from here."""
    del context, request
    _no_multipart("download")


def _no_multipart(direction: str) -> NoReturn:
    raise NotImplementedHere(f"Multipart {direction} is not supported for the current artifact repository")
