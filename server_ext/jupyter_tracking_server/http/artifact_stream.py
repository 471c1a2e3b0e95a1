"""The paths under which bytes of artifacts go in and out.

Of the proxy, by path; of a run or logged model, by id. Both ways end at the one resolver,
``services/artifact_paths.py``.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeVar

import msgspec

from jupyter_tracking.protocol import wire
from jupyter_tracking.protocol.call import PREFIXES, VERSIONS, Action
from jupyter_tracking.protocol.errors import InvalidParameterValue, NotImplementedHere
from jupyter_tracking.protocol.limits import ArtifactPath, ModelId, RunId

from ..artifact_stores.keys import Key
from ..context import Context
from ..services import artifact_files, artifact_paths
from ..services.artifact_paths import Place
from .artifact_archive import asked_format
from .artifact_download import DownloadHandler, Found
from .artifact_part import PartHandler
from .artifact_upload import UploadHandler
from .handler import TrackingHandler

__all__ = ["artifact_routes"]

PROXY = "/mlflow-artifacts/artifacts/"

Q = TypeVar("Q", bound=msgspec.Struct)
T = TypeVar("T")
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
        (f"{version}/mlflow-artifacts/mpu/part/([A-Za-z0-9_-]{{1,64}})/([0-9]{{1,5}})", PartHandler, {}),
    ]


def _escape(version: str) -> str:
    return version.replace(".", r"\.")


class ProxyHandler(DownloadHandler, UploadHandler):
    """``{prefix}/{version}/mlflow-artifacts/artifacts/{path}``."""

    endpoint = "artifact"

    async def find(self) -> Found:
        """The artifact or folder at the path."""
        return await self._resolve(
            lambda context, key: self.look(context, artifact_paths.proxied(context, key, "read")), "read"
        )

    async def place(self) -> Place:
        """The same, to be written."""
        return await self._resolve(partial(artifact_paths.proxied, action="write"), "write")

    async def put(self) -> None:
        """Store the body."""
        await self.store_body()

    async def delete(self) -> None:
        """Remove an artifact, a folder, or all of a run or model; what is not there is gone already."""
        self.audited = "write"
        place = await self._resolve(artifact_paths.place_to_delete, "write")
        context = self.files_context()
        await context.artifacts.delete(place.key)
        await self.front.notes.settle_all()
        await context.write(lambda writing: artifact_files.forget(writing, place))
        self.set_header("Content-Type", "application/json")
        await self.finish(b"{}")

    async def _resolve(self, resolve: Callable[[Context, Key], T], action: Action) -> T:
        if not self.front.server.settings.serve_artifacts:
            raise NotImplementedHere(
                "The artifact proxy is disabled: this server runs with `--no-serve-artifacts`. "
                "To enable it, run the server with `--serve-artifacts`."
            )
        path = artifact_paths.decode(self.local_path.partition(PROXY)[2])
        self.subject = {"path": path}
        await self.authenticate(action, "artifacts")
        folder = self.request.method == "DELETE" or bool(asked_format(self.request))
        key = artifact_paths.split(path, folder=folder)
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
        asked = wire.decode_query(cls, given, path)
        self.subject = msgspec.to_builtins(asked)
        return asked


class RunFileHandler(_OwnedHandler, DownloadHandler):
    """``/get-artifact?run_id=…&path=…``."""

    endpoint = "run_artifact"

    async def find(self) -> Found:
        """The artifact or folder at the path below the run's root."""
        await self.admit("read")
        asked = self.query(_RunFile)
        return await self.files_context().read(
            lambda context: self.look(
                context, artifact_paths.in_run(context, asked.run_id, asked.path, "read")
            )
        )


class ModelFileHandler(_OwnedHandler, DownloadHandler):
    """``logged-models/{id}/artifacts/files?artifact_file_path=…``."""

    endpoint = "model_artifact"

    async def find(self) -> Found:
        """The artifact or folder at the path below the model's root."""
        await self.admit("read")
        asked = self.query(_ModelFile, model_id=artifact_paths.decode(self.local_path.split("/")[-3]))
        return await self.files_context().read(
            lambda context: self.look(
                context, artifact_paths.in_model(context, asked.model_id, asked.artifact_file_path, "read")
            )
        )


class RunUploadHandler(_OwnedHandler, UploadHandler):
    """``upload-artifact?run_uuid=…&path=…``: small files from a browser."""

    endpoint = "run_artifact"

    largest = 10 * 2**20

    async def place(self) -> Place:
        """The artifact at the path below the run's root."""
        await self.admit("write")
        asked = self.query(_RunFile)
        return await self.files_context().read(
            lambda context: artifact_paths.in_run(context, asked.run_id, asked.path, "write")
        )

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
