"""One part of an upload on its way in; the signature in its address is the right to send it."""

from __future__ import annotations

from jupyter_tracking.protocol.errors import InvalidParameterValue, NotImplementedHere, PermissionDenied

from ..access import Caller
from ..artifact_stores.base import ArtifactInfo, Part, Upload
from ..services import artifact_uploads
from ..store.artifact_uploads import UploadRow
from .body_upload import BodyHandler

__all__ = ["PartHandler"]

NOBODY = Caller("", "token", frozenset())
"""Who sends a part, as far as this server can tell: somebody who was given the address."""


class PartHandler(BodyHandler):
    """``{prefix}/{version}/mlflow-artifacts/mpu/part/{upload}/{number}?expires=…&signature=…``."""

    endpoint = "artifact_part"
    # What object stores take.
    largest = 5 * 2**30
    _open: UploadRow

    async def open_upload(self) -> Upload:
        """Judge the address, and begin to write the part."""
        if not self.front.server.settings.serve_artifacts:
            raise NotImplementedHere("The artifact proxy is disabled: this server does not serve artifacts.")
        self.caller = NOBODY
        context = self.files_context()
        upload_id, number = self.path_args
        self.subject = {"upload_id": upload_id, "part_number": number}
        context.part_urls.check(
            upload_id, number, self._query("expires"), self._query("signature"), context.now()
        )
        if self.announced is None:
            raise InvalidParameterValue("Send a part with a Content-Length, not in chunks.")
        self._open, self.room = await artifact_uploads.find_open(context, upload_id)
        self.subject["path"] = self._open.terms.key
        self._known_caller = Caller(self._open.terms.user_id, "link", frozenset())
        self.check_size(self.announced)
        return await artifact_uploads.open_part(context, self._open, int(number), self.announced)

    def _query(self, name: str) -> str:
        values = self.request.query_arguments.get(name, [])
        if len(values) != 1:
            raise PermissionDenied(f"The address of a part has one {name}; use it as the server gave it.")
        return values[0].decode("latin-1")

    async def put(self, upload_id: str, number: str) -> None:
        """Store the body."""
        del upload_id, number
        await self.store_body()

    async def stored(self, info: ArtifactInfo, sha256: str) -> None:
        """Tell the part's ETag, by which the client names it when it completes the upload."""
        del sha256
        part = Part(int(self.path_args[1]), info.size, info.etag)
        await artifact_uploads.part_stored(
            self.files_context(), self._open, part, sound=self.checksums.claimed
        )
        self.set_header("ETag", info.etag)
