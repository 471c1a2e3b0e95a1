"""Connections to an SFTP server: few, shared, made when needed and made again when lost.

They live on an event loop of their own in a thread, so that encryption does not hold up other requests.
Everything of asyncssh's is translated here.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from dataclasses import dataclass
from typing import Any, TypeVar

import asyncssh

from .errors import StoreFull, StoreUnavailable
from .remote_files import Refused

__all__ = ["IDLE_TIMEOUT", "TRIES", "LoopThread", "Lost", "Session", "Sessions", "Target", "answered"]

T = TypeVar("T")

CONNECT_TIMEOUT = 5
IDLE_TIMEOUT = 60
"""Seconds that the server may take for one answer."""
KEEPALIVE = {"keepalive_interval": 15, "keepalive_count_max": 4}
TRIES = 3
MAX_SESSIONS = 4
"""Connections, with one SFTP session each: a process there that serves one request at a time."""
log = logging.getLogger("jupyter_tracking")


class Lost(Exception):
    """The connection has gone; what was asked may be asked again on another."""


@dataclass(frozen=True)
class Target:
    """Where the server is; what is None or not here comes from the ssh configuration of this account."""

    host: str
    port: int | None
    user: str | None

    async def connect(self) -> asyncssh.SSHClientConnection:
        """A connection, after the server's host key was found in ``known_hosts``.

        Raises:
            asyncssh.Error, OSError, asyncio.TimeoutError
        """
        given: dict[str, Any] = {
            "connect_timeout": CONNECT_TIMEOUT,
            "login_timeout": 2 * CONNECT_TIMEOUT,
            # Nobody is there to type one.
            "password": None,
            "kbdint_auth": False,
            **KEEPALIVE,
        }
        if self.port is not None:
            given["port"] = self.port
        if self.user is not None:
            given["username"] = self.user
        options = await asyncssh.SSHClientConnectionOptions.construct(host=self.host, config=(), **given)
        if options.known_hosts is None:
            raise asyncssh.HostKeyNotVerifiable("the ssh configuration says to accept any host key")
        return await asyncio.wait_for(asyncssh.connect(self.host, **given), 3 * CONNECT_TIMEOUT)


@dataclass(eq=False)
class Session:
    """A connection's SFTP session, and by how many it is used."""

    connection: asyncssh.SSHClientConnection
    client: asyncssh.SFTPClient
    users: int = 0


class Sessions:
    """The sessions with a server; all of it happens on one event loop."""

    def __init__(self, target: Target) -> None:
        self._target = target
        self._open: list[Session] = []
        self._opening = asyncio.Lock()

    async def ask(
        self,
        work: Callable[[asyncssh.SFTPClient], Awaitable[T]],
        tries: int = TRIES,
        timeout: float | None = IDLE_TIMEOUT,
    ) -> T:
        """Do something on a session.

        Args:
            work: what to do.
            tries: how often in all, while connections get lost; 1 for what may not be done twice.
            timeout: seconds that it may take.

        Raises:
            FileNotFoundError, Refused, StoreFull, StoreUnavailable
        """
        for last in reversed(range(tries)):
            session = await self.take()
            try:
                return await answered(work(session.client), timeout)
            except Lost as error:
                self.drop(session)
                if not last:
                    raise StoreUnavailable from error
            finally:
                self.give(session)
        raise StoreUnavailable

    async def take(self) -> Session:
        """The session with the fewest users; another one if all have some and there may be more.

        Raises:
            StoreUnavailable: there is none, and none can be made.
        """
        session = await self._pick()
        session.users += 1
        return session

    def give(self, session: Session) -> None:
        """Say that a session is no longer used."""
        session.users -= 1

    def drop(self, session: Session) -> None:
        """Have a session that did not answer used no more."""
        self._open = [other for other in self._open if other is not session]
        session.connection.abort()

    async def close(self) -> None:
        """End all connections."""
        sessions, self._open = self._open, []
        for session in sessions:
            session.client.exit()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(session.client.wait_closed(), CONNECT_TIMEOUT)
            session.connection.close()
            with contextlib.suppress(Exception):
                await asyncio.wait_for(session.connection.wait_closed(), CONNECT_TIMEOUT)

    async def _pick(self) -> Session:
        session = self._idle()
        if session is not None:
            return session
        async with self._opening:
            session = self._idle()
            if session is not None:
                return session
            try:
                made = await self._connect()
                self._open.append(made)
            except StoreUnavailable:
                # sshd may want no more of us (MaxStartups); one that works will do.
                if not self._open:
                    raise
        return min(self._open, key=lambda open_: open_.users)

    def _idle(self) -> Session | None:
        self._open = [session for session in self._open if not session.connection.is_closed()]
        least = min(self._open, key=lambda session: session.users, default=None)
        if least is not None and (least.users == 0 or len(self._open) >= MAX_SESSIONS):
            return least
        return None

    async def _connect(self) -> Session:
        try:
            connection = await self._target.connect()
            client = await asyncio.wait_for(connection.start_sftp_client(), 3 * CONNECT_TIMEOUT)
        except (asyncssh.Error, OSError, asyncio.TimeoutError) as error:
            log.warning("No SFTP connection to %s: %s", self._target.host, str(error) or type(error).__name__)
            raise StoreUnavailable from error
        return Session(connection, client)


class LoopThread:
    """An event loop in a thread."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(target=self._loop.run_forever, name="artifact-sftp", daemon=True)
        self._thread.start()

    async def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there, from a coroutine of another loop."""
        return await asyncio.wrap_future(asyncio.run_coroutine_threadsafe(work, self._loop))

    def wait_for(self, work: Coroutine[Any, Any, T]) -> T:
        """Run it there and wait."""
        return asyncio.run_coroutine_threadsafe(work, self._loop).result()

    def stop(self) -> None:
        """End the thread; what still ran is dropped."""
        self.wait_for(_drop_others())
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.run_until_complete(self._loop.shutdown_asyncgens())
        self._loop.run_until_complete(self._loop.shutdown_default_executor())
        self._loop.close()


async def _drop_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def answered(asked: Awaitable[T], timeout: float | None = IDLE_TIMEOUT) -> T:
    """The answer to a request, in the words of ``remote_files.py``.

    Raises:
        Lost: the connection went, or no answer came in time.
        FileNotFoundError, Refused, StoreFull, StoreUnavailable
    """
    with _translated():
        return await asyncio.wait_for(asked, timeout)


@contextlib.contextmanager
def _translated() -> Iterator[None]:
    try:
        yield
    except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath, asyncssh.SFTPBadMessage) as error:
        # OpenSSH says "bad message" to a name that is too long to be one.
        raise FileNotFoundError from error
    except (asyncssh.SFTPNoSpaceOnFilesystem, asyncssh.SFTPQuotaExceeded) as error:
        raise StoreFull from error
    except (asyncssh.SFTPConnectionLost, asyncssh.SFTPNoConnection, asyncio.TimeoutError) as error:
        raise Lost from error
    except asyncssh.SFTPPermissionDenied as error:
        log.warning("The SFTP server denies an access: %s", error)
        raise StoreUnavailable from error
    except asyncssh.SFTPError as error:
        raise Refused(str(error)) from error
    except (asyncssh.Error, OSError) as error:
        raise Lost from error
