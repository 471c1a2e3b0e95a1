"""Notes of what is known of artifacts, written some at a time beside the replies to their uploads.

A commit of its own would cost a small upload as much as the upload, and a note that is lost does little harm:
the artifact then goes by the entity tag of its store. Who reads or judges an artifact whose note is under way
waits for it, so that within this process nobody sees the difference.
"""

from __future__ import annotations

import asyncio

from tornado.log import app_log

from ..artifact_stores.base import ArtifactInfo
from ..artifact_stores.keys import Key
from ..context import FilesContext
from ..services import artifact_files
from ..services.artifact_files import Note
from ..services.artifact_paths import Place

__all__ = ["Notes"]

PAUSE = 0.1
"""Seconds in which notes are gathered."""
MOST = 256
"""Notes that are written at once."""


class Notes:
    """The notes of one server."""

    def __init__(self) -> None:
        self._gathered: dict[Key, Note] = {}
        self._running: dict[Key, asyncio.Task[None]] = {}
        self._timer: asyncio.TimerHandle | None = None
        self._context: FilesContext | None = None

    def add(self, context: FilesContext, place: Place, info: ArtifactInfo, sha256: str) -> None:
        """Record, soon, an artifact that has just been stored."""
        self._context = context
        self._gathered[place.key] = artifact_files.note(context, place, info, sha256)
        if len(self._gathered) >= MOST:
            self._write()
        elif self._timer is None:
            self._timer = asyncio.get_running_loop().call_later(PAUSE, self._write)

    async def settle(self, key: Key) -> bool:
        """Wait until an artifact's note is written; False if none was under way."""
        if key in self._gathered:
            self._write()
        running = self._running.get(key)
        if running is None:
            return False
        await asyncio.wait([running])
        return True

    async def settle_all(self) -> None:
        """Wait until all are written."""
        self._write()
        if self._running:
            await asyncio.wait(set(self._running.values()))

    def _write(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if not self._gathered or self._context is None:
            return
        notes, self._gathered = self._gathered, {}
        # Whoever writes them: each holds by whom it is.
        task = asyncio.create_task(_record(self._context, list(notes.values())))
        self._running.update(dict.fromkeys(notes, task))
        task.add_done_callback(self._forget)

    def _forget(self, over: asyncio.Task[None]) -> None:
        self._running = {key: task for key, task in self._running.items() if task is not over}


async def _record(context: FilesContext, notes: list[Note]) -> None:
    try:
        await context.write(lambda writing: artifact_files.record_all(writing, notes))
    except Exception as error:  # nobody waits for it
        app_log.warning("The checksums of %d artifacts were not kept: %s", len(notes), error)
