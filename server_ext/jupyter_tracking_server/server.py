"""Composition: from settings to a store, an artifact store and services that run on them.

The same ``Server`` stands behind the embedded, the standalone and the local server; who listens and who
asks for credentials is not its business.
"""

from __future__ import annotations

import asyncio
import getpass
import logging
import os
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from functools import partial
from typing import Any, Literal, TypeVar, cast

import msgspec

from jupyter_tracking.protocol import Call, Empty, wire
from jupyter_tracking.protocol.errors import TrackingError

from .access import Access, Caller
from .artifact_stores.base import ArtifactStore, Options
from .artifact_stores.registry import UnusableDestination, open_store
from .bridge import Bridge
from .config import ConfigurationError, Settings
from .context import Context, FilesContext
from .services import SERVICES, Files, Log, Read, Write
from .store.database import Database, Transaction
from .store.migrate import UnsupportedDatabase
from .store.readers import Readers
from .store.writer import Writer

__all__ = ["EMPTY", "Server", "now", "user_name"]

T = TypeVar("T")
_log = logging.getLogger("jupyter_tracking")
EMPTY = wire.encode(Empty())
"""The reply of calls that have nothing to say."""


class Server:
    """The services, and what they stand on.

    Opening it may create or upgrade the database. Close it on the event loop that used it.

    Raises:
        ConfigurationError: the database or the artifact store cannot be used.

    Attributes:
        user: under whose name callers without one of their own file their runs.
    """

    def __init__(self, settings: Settings, user: str = "") -> None:
        self.settings = settings
        self.user = user
        self.access = Access()
        self._bridge = Bridge()
        self._artifacts = _open_artifacts(settings)
        self._database = _open_database(settings)
        self._writer = Writer(self._database, on_fault=_log_fault)
        self._readers = Readers(self._database, threads=settings.reader_threads)
        for threads in (self._writer, self._readers):
            threads.on_settled = self._bridge.wake
            threads.start()

    async def close(self) -> None:
        """Write what is acknowledged or queued, and give everything back."""
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._readers.stop)
        await self._artifacts.close()
        self._database.close()

    async def run(self, call: Call[Any, Any], caller: Caller, request: Any, base_url: str = "") -> bytes:
        """Serve one request; the reply as JSON.

        Args:
            call: which one.
            caller: who asks.
            request: what is asked.
            base_url: of this server as the client sees it, without a slash at the end.

        Raises:
            TrackingError: what the service says, or that the server is too busy.
        """
        service = SERVICES[call]
        if isinstance(service, Files):
            reply: msgspec.Struct = await service.serve(self.files_context(caller, base_url), request)
            return wire.encode(reply)
        return await self._bridge.wait(self._submit(service, caller, request)) or EMPTY

    def begin(
        self,
        call: Call[Any, Any],
        caller: Caller,
        request: Any,
        done: Callable[[Future[bytes | None]], None],
    ) -> None:
        """The same as ``run`` for calls of the store alone, without a task of the event loop's.

        The event loop calls ``done`` with the reply as JSON, None standing for ``EMPTY``, or the error.

        Raises:
            TrackingError: found at once; ``done`` is not called.
        """
        service = SERVICES[call]
        if isinstance(service, Files):
            raise TypeError(f"{call.name} needs the event loop.")
        self._bridge.carry(self._submit(service, caller, request), done)

    def files_context(self, caller: Caller, base_url: str = "") -> FilesContext:
        """What services and streams of artifacts work with."""
        return FilesContext(
            caller=caller,
            access=self.access,
            settings=self.settings,
            artifacts=self._artifacts,
            read=partial(self._in_reader, caller),
            write=partial(self._in_writer, caller),
            base_url=base_url,
            now=now,
        )

    def _submit(self, service: Read | Write | Log, caller: Caller, request: Any) -> Future[Any]:
        if isinstance(service, Log):
            may = partial(self.access.require, caller, "write")
            return self._writer.log(service.serve(request), may)
        queue = self._readers if isinstance(service, Read) else self._writer
        return queue.submit(lambda tx: wire.encode(service.serve(self._context(tx, caller), request)))

    def _in_reader(self, caller: Caller, work: Callable[[Context], T]) -> Awaitable[T]:
        return self._bridge.wait(self._readers.submit(lambda tx: work(self._context(tx, caller))))

    def _in_writer(self, caller: Caller, work: Callable[[Context], T]) -> Awaitable[T]:
        return self._bridge.wait(self._writer.submit(lambda tx: work(self._context(tx, caller))))

    def _context(self, tx: Transaction, caller: Caller) -> Context:
        return Context(tx=tx, caller=caller, access=self.access, settings=self.settings, now=now)


def _open_artifacts(settings: Settings) -> ArtifactStore:
    try:
        return open_store(settings.destination, _options(settings))
    except (UnusableDestination, OSError) as error:
        raise ConfigurationError(str(error)) from error


def _options(settings: Settings) -> Options:
    return Options(
        durable=settings.durability == "full",
        role_arn=settings.artifacts_role_arn,
        role_external_id=settings.artifacts_role_external_id,
        role_session_name=settings.artifacts_role_session_name,
    )


def _open_database(settings: Settings) -> Database:
    durability = cast("Literal['full', 'normal']", settings.durability)
    try:
        database = Database(settings.database_url, durability=durability, readers=settings.reader_threads)
        database.migrate(settings.artifact_root)
    except (UnsupportedDatabase, TrackingError, ValueError, OSError) as error:
        raise ConfigurationError(str(error)) from error
    return database


def _log_fault(error: BaseException) -> None:
    _log.error("The upkeep of the tracking database failed; it is tried again later.", exc_info=error)


def now() -> int:
    """Milliseconds since the epoch."""
    return time.time_ns() // 1_000_000


def user_name() -> str:
    """Whose notebook server this is: the Hub's user, else the operating system's."""
    hub_user = os.environ.get("JUPYTERHUB_USER")
    if hub_user:
        return hub_user
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        # Containers run as users without an entry in the password file.
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"
