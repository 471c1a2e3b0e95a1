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

from jupyter_tracking.protocol import Call, Empty, wire
from jupyter_tracking.protocol.errors import (
    PermissionDenied,
    ResourceDoesNotExist,
    TemporarilyUnavailable,
    TrackingError,
)

from . import collection
from .access import Access, Caller, Denied, RoleAccess
from .artifact_stores.base import ArtifactStore, Options
from .artifact_stores.nowhere import Nowhere
from .artifact_stores.registry import UnusableDestination, open_store
from .bridge import Bridge
from .config import ConfigurationError, Settings
from .context import Context, FilesContext
from .journal import open_journal
from .ledger import Ledger
from .metrics import Metrics
from .observer import Observer, purge_entry, row
from .quotas import Quotas
from .schedule import Schedule
from .services import SERVICES, Files, Log, Read, Service, Write, artifact_uploads, owners
from .services.entries import own_user_tag
from .services.gc import Tools
from .services.gc_places import Root
from .services.part_urls import PartUrls
from .store import audit, destination
from .store.database import Database, Transaction
from .store.migrate import UnsupportedDatabase
from .store.page_secret import page_secret
from .store.readers import Readers
from .store.trash import Owner
from .store.writer import Writer

__all__ = ["EMPTY", "Server", "now", "store_options", "user_name"]

T = TypeVar("T")
_log = logging.getLogger("jupyter_tracking")
EMPTY = wire.encode(Empty())
"""The reply of calls that have nothing to say."""
ITSELF = Caller("", "token")
"""Who asks when the server does something by itself."""
SWEEP_PAUSE = 3600.0
"""Seconds between two looks for abandoned uploads."""


class Server:
    """The services, and what they stand on.

    Opening it may create or upgrade the database. Close it on the event loop that used it.

    Raises:
        ConfigurationError: the database or the artifact store cannot be used.

    Attributes:
        user: under whose name callers without one of their own file their runs.
        observer: told of each request.
        schedule: what is done from time to time, after ``begin_chores``.
        secret: the database's, from which keys are made that all replicas share.
        quotas: what callers may hold.
    """

    def __init__(self, settings: Settings, user: str = "") -> None:
        self.settings = settings
        self.user = user
        self.access = RoleAccess(settings.new_experiments) if settings.has_rights else Access()
        self._own_defaults: dict[str, int] = {}
        self.observer = Observer(
            Metrics(),
            open_journal(settings.access_log, "--access-log"),
            open_journal(settings.audit_log, "--audit-log"),
            Ledger(self.write) if settings.keeps_ledger else None,
            self._own_defaults,
        )
        self.quotas = Quotas()
        self.schedule = Schedule()
        self._bridge = Bridge()
        self._artifacts = _open_artifacts(settings)
        self._database = _open_database(settings)
        if settings.serve_artifacts:
            _note_destination(self._database, self._artifacts.url)
        self.secret = _secret(self._database)
        self._part_urls = PartUrls(self.secret)
        self._writer = Writer(self._database, on_fault=_log_fault)
        self._readers = Readers(self._database, threads=settings.reader_threads)
        self._writer.on_commit = self.observer.metrics.committed
        self.observer.metrics.waiting = lambda: self._writer.waiting + self._readers.waiting
        for threads in (self._writer, self._readers):
            threads.on_settled = self._bridge.wake
            threads.start()

    def begin_chores(self) -> None:
        """Do from now on, on the running event loop, what is to be done from time to time."""
        if self.settings.serve_artifacts:
            self.schedule.every(SWEEP_PAUSE, self._sweep, "The removal of abandoned uploads")
        if self.settings.gc_after:
            self.schedule.every(
                collection.PAUSE, self._collect, "The removal of old trash", delay=collection.DELAY
            )

    async def _sweep(self) -> None:
        await artifact_uploads.sweep(self.files_context(ITSELF))

    async def _collect(self) -> None:
        said = await self.read(destination.recall)
        roots = [Root(self._artifacts, proxied=said == self._artifacts.url)]
        await collection.collect(self.settings.gc_after, self._collecting(roots))

    def _collecting(self, roots: list[Root]) -> Tools:
        def done(gone: Owner) -> None:
            self.observer.purged(gone.kind, gone.name, gone.location)

        def record(tx: Transaction, gone: Owner) -> None:
            if self.observer.ledger is not None:
                audit.add(tx, [row(purge_entry(gone.kind, gone.name, gone.location))])

        return Tools(self.read, self.write, roots, now, done=done, record=record)

    def read(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run ``work`` in a reader's thread, in a transaction of its own."""
        return self._bridge.wait(self._readers.submit(work))

    def write(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run ``work`` in the writer's transaction; what it raises undoes what it wrote."""
        return self._bridge.wait(self._writer.submit(work))

    @property
    def signs_urls(self) -> bool:
        """Whether clients may be given addresses of the artifact store itself."""
        return (
            self.settings.serve_artifacts
            and self.settings.presigned_urls
            and self._artifacts.signer is not None
        )

    async def close(self) -> None:
        """Write what is acknowledged or queued, and give everything back."""
        await self.schedule.stop()
        if self.observer.ledger is not None:
            await self.observer.ledger.close()
        await asyncio.to_thread(self._writer.stop)
        await asyncio.to_thread(self._readers.stop)
        await self._artifacts.close()
        self._database.close()
        self.observer.close()

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
        service = self._service(call, caller)
        if isinstance(service, Files):
            reply = await service.serve(self.files_context(caller, base_url), request)
            return reply if isinstance(reply, bytes) else wire.encode(reply)
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
        service = self._service(call, caller)
        if isinstance(service, Files):
            raise TypeError(f"{call.name} needs the event loop.")
        self._bridge.carry(self._submit(service, caller, request), done)

    def _service(self, call: Call[Any, Any], caller: Caller) -> Service:
        """What serves the call; of the calls for administrators nobody else learns more."""
        if call.action == "admin" and not self.access.is_admin(caller):
            raise PermissionDenied("Only an administrator of this server may do that.")
        return SERVICES[call]

    def files_context(self, caller: Caller, base_url: str = "") -> FilesContext:
        """What services and streams of artifacts work with."""
        return FilesContext(
            caller=caller,
            settings=self.settings,
            artifacts=self._artifacts,
            read=partial(self._in_reader, caller),
            write=partial(self._in_writer, caller),
            base_url=base_url,
            part_urls=self._part_urls,
            now=now,
            quotas=self.quotas,
        )

    def _submit(self, service: Read | Write | Log, caller: Caller, request: Any) -> Future[Any]:
        if isinstance(service, Log):
            entries = service.serve(request)
            if self.access.rights:
                own_user_tag(entries)
            return self._writer.log(entries, partial(self._check, caller))
        queue = self._readers if isinstance(service, Read) else self._writer
        return queue.submit(
            lambda tx: wire.encode(
                _served(self._context(tx, caller), lambda context: service.serve(context, request))
            )
        )

    def _check(self, caller: Caller, tx: Transaction, missing: str, experiment: int) -> None:
        try:
            owners.check(self.access, caller, tx, missing, experiment)
        except ResourceDoesNotExist as error:
            raise error from Denied()

    def _in_reader(self, caller: Caller, work: Callable[[Context], T]) -> Awaitable[T]:
        return self.read(lambda tx: _served(self._context(tx, caller), work))

    def _in_writer(self, caller: Caller, work: Callable[[Context], T]) -> Awaitable[T]:
        return self.write(lambda tx: _served(self._context(tx, caller), work))

    def _context(self, tx: Transaction, caller: Caller) -> Context:
        return Context(
            tx,
            caller,
            self.access,
            self.settings,
            now,
            store_url=self._artifacts.url,
            quotas=self.quotas,
            own_defaults=self._own_defaults,
        )


def _served(context: Context, work: Callable[[Context], T]) -> T:
    """Do some work; what it calls missing as the caller may not know of it gets ``Denied`` as its cause."""
    try:
        return work(context)
    except ResourceDoesNotExist as error:
        if context.denied:
            raise error from Denied()
        raise


def _open_artifacts(settings: Settings) -> ArtifactStore:
    try:
        return open_store(settings.store, store_options(settings))
    except (UnusableDestination, OSError) as error:
        if settings.serve_artifacts:
            raise ConfigurationError(str(error)) from error
        # Clients go there by themselves, perhaps with keys that only they have.
        _log.warning("This server will not list artifacts: %s", error)
        return Nowhere()


def store_options(settings: Settings) -> Options:
    """What the administrator said of how the artifact store is reached."""
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


def _secret(database: Database) -> bytes:
    with database.read() as tx:
        return page_secret(tx)


def _note_destination(database: Database, url: str) -> None:
    """Tell the database where proxied artifacts are, for the commands that work beside servers."""
    try:
        with database.read() as tx:
            before = destination.recall(tx)
        if before == url:
            return
        with database.write() as tx:
            destination.remember(tx, url)
    except TrackingError as error:
        raise ConfigurationError(str(error)) from error
    if before:
        _log.warning(
            "Proxied artifacts are at %s now, not at %s as before; bring the files along.", url, before
        )


def _log_fault(error: BaseException) -> None:
    away = isinstance(error, TemporarilyUnavailable)
    _log.error(
        "The upkeep of the tracking database failed; it is tried again later. %s",
        error if away else "",
        exc_info=None if away else error,
    )


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
