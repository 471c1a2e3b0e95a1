"""The paths under which bytes of artifacts go in and out.

Of the proxy, by path; of a run or logged model, by id. Both ways end at the one resolver,
``services/artifact_paths.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import msgspec

from jupyter_tracking.protocol import wire
from jupyter_tracking.protocol.call import PREFIXES, VERSIONS, Action
from jupyter_tracking.protocol.errors import InvalidParameterValue, NotImplementedHere
from jupyter_tracking.protocol.limits import ArtifactPath, ModelId, RunId

from ..artifact_stores.keys import Key
from ..context import Context
from ..services import artifact_paths
from ..services.artifact_paths import Place
from .artifact_download import DownloadHandler
from .artifact_upload import UploadHandler
from .handler import TrackingHandler

__all__ = ["artifact_routes"]

PROXY = "/mlflow-artifacts/artifacts/"

Q = TypeVar("Q", bound=msgspec.Struct)
ArtifactRoute = tuple[str, type[TrackingHandler], dict[str, Any]]


class _RunFile(msgspec.Struct):
    run_id: RunId
    path: ArtifactPath


class _ModelFile(msgspec.Struct):
    model_id: ModelId
    artifact_file_path: ArtifactPath


def artifact_routes() -> list[ArtifactRoute]:
    """Pattern below the root, handler class, and what its ``initialize`` gets beside the common."""
    version = f"/(?:{'|'.join(PREFIXES)})/(?:{'|'.join(map(_escape, VERSIONS))})"
    return [
        (f"{version}{PROXY}.*", ProxyHandler, {}),
        (f"{version}/mlflow/logged-models/[^/]+/artifacts/files", ModelFileHandler, {}),
        (f"{version}/mlflow/upload-artifact", RunUploadHandler, {}),
        (r"/get-artifact", RunFileHandler, {}),
    ]


def _escape(version: str) -> str:
    return version.replace(".", r"\.")


class ProxyHandler(DownloadHandler, UploadHandler):
    """``{prefix}/{version}/mlflow-artifacts/artifacts/{path}``."""

    async def key(self) -> Key:
        """The artifact at the path."""
        action: Action = "read" if self.request.method in {"GET", "HEAD"} else "write"
        return (
            await self._find(lambda context, key: artifact_paths.proxied(context, key, action), action)
        ).key

    async def put(self) -> None:
        """Store the body."""
        await self.store_body()

    async def delete(self) -> None:
        """Remove an artifact, a folder, or all of a run or model; what is not there is gone already."""
        place = await self._find(artifact_paths.place_to_delete, "write")
        await self.files_context().artifacts.delete(place.key)
        self.set_header("Content-Type", "application/json")
        await self.finish(b"{}")

    async def _find(self, resolve: Callable[[Context, Key], Place], action: Action) -> Place:
        if not self.front.server.settings.serve_artifacts:
            raise NotImplementedHere(
                "The artifact proxy is disabled: this server runs with `--no-serve-artifacts`. "
                "To enable it, run the server with `--serve-artifacts`."
            )
        await self.authenticate(action, "artifacts")
        path = artifact_paths.decode(self.local_path.partition(PROXY)[2])
        key = artifact_paths.split(path, folder=self.request.method == "DELETE")
        return await self.files_context().read(lambda context: resolve(context, key))


class _OwnedHandler(TrackingHandler):
    """By id of a run or a model rather than by path."""

    async def admit(self, action: Action) -> None:
        """Learn who calls; these paths belong to tracking, not to the proxy."""
        if self.front.server.settings.artifacts_only:
            raise NotImplementedHere(
                "This endpoint is disabled: the server runs in `--artifacts-only` mode. "
                "To enable it, run the server without `--artifacts-only`."
            )
        await self.authenticate(action, "artifacts")

    def query(self, cls: type[Q], **path: str) -> Q:
        """The request in the query string.

        Raises:
            InvalidParameterValue: a field is missing or malformed.
        """
        try:
            given = {
                name: [value.decode() for value in values]
                for name, values in self.request.query_arguments.items()
            }
        except UnicodeDecodeError:
            raise InvalidParameterValue("The query of the URL is not UTF-8.") from None
        return wire.decode_query(cls, given, path)


class RunFileHandler(_OwnedHandler, DownloadHandler):
    """``/get-artifact?run_id=…&path=…``."""

    async def key(self) -> Key:
        """The artifact at the path below the run's root."""
        await self.admit("read")
        asked = self.query(_RunFile)
        return (
            await self.files_context().read(
                lambda context: artifact_paths.in_run(context, asked.run_id, asked.path, "read")
            )
        ).key


class ModelFileHandler(_OwnedHandler, DownloadHandler):
    """``logged-models/{id}/artifacts/files?artifact_file_path=…``."""

    async def key(self) -> Key:
        """The artifact at the path below the model's root."""
        await self.admit("read")
        asked = self.query(_ModelFile, model_id=artifact_paths.decode(self.local_path.split("/")[-3]))
        return (
            await self.files_context().read(
                lambda context: artifact_paths.in_model(
                    context, asked.model_id, asked.artifact_file_path, "read"
                )
            )
        ).key


class RunUploadHandler(_OwnedHandler, UploadHandler):
    """``upload-artifact?run_uuid=…&path=…``: small files from a browser."""

    largest = 10 * 2**20

    async def key(self) -> Key:
        """The artifact at the path below the run's root."""
        await self.admit("write")
        asked = self.query(_RunFile)
        return (
            await self.files_context().read(
                lambda context: artifact_paths.in_run(context, asked.run_id, asked.path, "write")
            )
        ).key

    def check_whole(self, size: int) -> None:
        """Refuse a body that is not there, which is what a form without a file sends.

        Raises:
            InvalidParameterValue
        """
        if not size:
            raise InvalidParameterValue("There is no file in the body of the request.")

    async def post(self) -> None:
        """Store the body."""
        await self.store_body()
