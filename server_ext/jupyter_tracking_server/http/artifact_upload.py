"""Artifacts on their way in, as one body."""

from __future__ import annotations

from abc import abstractmethod

from jupyter_tracking.protocol.errors import PreconditionFailed

from ..artifact_stores.base import ArtifactInfo, Upload
from ..artifact_stores.errors import NoSuchArtifact
from ..services import artifact_files, quotas
from ..services.artifact_paths import Place
from .body_upload import BodyHandler
from .checksums import digest_headers
from .conditions import Validators

__all__ = ["UploadHandler"]


class UploadHandler(BodyHandler):
    """Stores the body as an artifact.

    With ``If-None-Match: *`` it is stored only if there is none, with ``If-Match`` only in place of that
    version. Both are judged before the body and again when it has come; a store cannot be told to judge them,
    so of two uploads that end at the same moment both may pass.
    """

    @abstractmethod
    async def place(self) -> Place:
        """Learn who calls, and which artifact is meant.

        Raises:
            TrackingError: it may not be written.
        """

    async def open_upload(self) -> Upload:
        """Begin to write the artifact."""
        self._place = await self.place()
        await self._check_conditions()
        context = self.files_context()
        if context.quotas.concern(self.caller.subject):
            # What has just been stored counts.
            await self.front.notes.settle_all()
            self.room = await quotas.room(context, self._place)
        self.check_size(self.announced or 0)
        return await context.artifacts.create(self._place.key, self.announced)

    async def store_body(self) -> None:
        """Finish the upload, now that all has come, and say so."""
        if self._upload is not None and self._dropped is None:
            await self._check_conditions()
        await super().store_body()

    async def stored(self, info: ArtifactInfo, sha256: str) -> None:
        """Remember the checksum of what is stored, and tell it."""
        self.front.notes.add(self.files_context(), self._place, info, sha256)
        self.set_header("Etag", f'"{sha256}"')
        for name, value in digest_headers(sha256).items():
            self.set_header(name, value)

    async def _check_conditions(self) -> None:
        headers, place, context = self.request.headers, self._place, self.files_context()
        if "If-Match" not in headers and "If-None-Match" not in headers:
            return
        try:
            info = await context.artifacts.info(place.key)
        except NoSuchArtifact:
            if "If-Match" in headers:
                raise PreconditionFailed("If-Match names a version, but there is no such artifact.") from None
            return
        await self.front.notes.settle(place.key)
        file = await context.read(lambda reading: artifact_files.known(reading, place))
        there = Validators(info, artifact_files.believed(file, info))
        if there.refused(headers):
            raise PreconditionFailed(
                "The artifact is not the version that If-Match names; nothing was stored."
            )
        if "If-None-Match" in headers and there.unchanged(headers):
            raise PreconditionFailed("The artifact is there already; nothing was stored.")
