"""Artifacts on an SFTP server: ``sftp://[user@]host[:port]/path``.

The connection is made as ``ssh`` makes it: keys, agent, host aliases and ``known_hosts`` are those of the
account that this server runs under. Nobody can be asked for a password, and a host whose key is not known is
not talked to.
"""

from __future__ import annotations

import asyncio
import logging
import re
from urllib.parse import unquote, urlsplit

import asyncssh

from .base import Options
from .keys import UPLOADS
from .registry import UnusableDestination
from .remote_store import RemoteStore
from .sftp_files import SftpFiles
from .sftp_sessions import LoopThread, Sessions, Target

__all__ = ["open_store"]

log = logging.getLogger("jupyter_tracking")


def open_store(destination: str, options: Options) -> RemoteStore:
    """The store at an ``sftp:`` URL; its folder is made if it is not there.

    A server that cannot be reached now may be there later; one that refuses us is said at once.

    Raises:
        UnusableDestination: the URL is wrong, the host's key is not known or this account may not log in.
    """
    target, root = _parse(destination)
    thread = LoopThread()
    try:
        thread.wait_for(_prepare(target, root))
        sessions = Sessions(target)
    except BaseException:
        thread.stop()
        raise
    user = f"{target.user}@" if target.user else ""
    port = f":{target.port}" if target.port else ""
    host = f"[{target.host}]" if ":" in target.host else target.host
    url = f"sftp://{user}{host}{port}{urlsplit(destination).path.rstrip('/')}"
    return RemoteStore(SftpFiles(thread, sessions, durable=options.durable), url, root)


def _parse(destination: str) -> tuple[Target, str]:
    url = urlsplit(destination)
    if url.password is not None:
        raise UnusableDestination(
            "A password in an sftp: URL could be seen by every user of this machine, so none is taken. "
            "Give the account of this server a key: ssh-keygen, then ssh-copy-id user@host."
        )
    try:
        port = url.port
    except ValueError:
        port = 0
    root = unquote(url.path).rstrip("/")
    if (
        not url.hostname
        or port == 0
        or url.query
        or url.fragment
        or not root
        or re.search(r"/\.{1,2}(/|$)", root)
    ):
        raise UnusableDestination("An sftp: destination looks like sftp://user@host:22/srv/artifacts.")
    return Target(url.hostname, port, unquote(url.username) if url.username else None), root


async def _prepare(target: Target, root: str) -> None:
    """Make the folder, and find out whether we are let in."""
    try:
        connection = await target.connect()
    except (asyncssh.HostKeyNotVerifiable, asyncssh.KeyExchangeFailed) as error:
        raise UnusableDestination(
            f"The SFTP server {target.host} shows a host key that this account does not know ({error}). "
            "Compare its fingerprint with the server's administrator, then add it: "
            f"ssh-keyscan -p {target.port or 22} {target.host} >> ~/.ssh/known_hosts"
        ) from error
    except asyncssh.PermissionDenied as error:
        raise UnusableDestination(
            f"The SFTP server {target.host} does not let this account in. "
            "Put the account's key there: ssh-copy-id user@host. A key with a passphrase needs ssh-agent."
        ) from error
    except (asyncssh.ConfigParseError, asyncssh.KeyImportError, ValueError) as error:
        raise UnusableDestination(f"The ssh configuration of this account cannot be used: {error}") from error
    except (asyncssh.Error, OSError, asyncio.TimeoutError) as error:
        log.warning(
            "The SFTP server %s cannot be reached yet: %s", target.host, str(error) or type(error).__name__
        )
        return
    async with connection:
        try:
            async with connection.start_sftp_client() as client:
                await asyncio.wait_for(client.makedirs(f"{root}/{UPLOADS}", exist_ok=True), 60)
        except (asyncssh.Error, OSError, asyncio.TimeoutError) as error:
            raise UnusableDestination(
                f"The folder {root} for artifacts cannot be used on {target.host}: {error}"
            ) from error
