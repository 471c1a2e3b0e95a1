"""Addresses of the artifact store itself, which are handed out only where the administrator allows it.

Such an address is good without any credential: for one artifact or part, for one verb and for a short time.
"""

from __future__ import annotations

from jupyter_tracking.protocol import artifacts as wire
from jupyter_tracking.protocol.errors import NotImplementedHere

from ..artifact_stores.base import Signer
from ..context import FilesContext
from . import artifact_paths

__all__ = ["get_presigned_download", "signer"]

READ_SECONDS = 900


def signer(context: FilesContext) -> Signer | None:
    """What makes addresses of the store, if they may be handed out."""
    return context.artifacts.signer if context.settings.presigned_urls else None


async def get_presigned_download(
    context: FilesContext, request: wire.GetPresignedDownload
) -> wire.PresignedDownload:
    """Where the artifact can be read for some minutes, and its size.

    Raises:
        NotImplementedHere: the store has no addresses, or they may not be handed out.
        InvalidParameterValue, NotAFile: the path is unsafe, or a folder.
        NoSuchArtifact: it is not there, or not the caller's to read.
    """
    signing = signer(context)
    if signing is None:
        raise NotImplementedHere("Multipart download is not supported for the current artifact repository")
    key = artifact_paths.split(request.artifact_path)
    place = await context.read(lambda reading: artifact_paths.proxied(reading, key, "read"))
    info = await context.artifacts.info(place.key)
    signed = await signing.sign_read(place.key, READ_SECONDS)
    return wire.PresignedDownload(signed.url, signed.headers, info.size)
