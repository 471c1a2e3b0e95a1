"""People and services of a JupyterHub, known by the Hub's tokens.

The Hub is asked about each token, and its word is believed for half a minute at most; it is asked for no
token again before that, and once only for many requests with one token. When it is away, tokens that were
seen before go on until then, and no others are let in.

A token is good for us if it has the scope ``access:services!service=<our name>``, which is looked at with
each answer of the Hub, as rights can be taken away without revoking the token. A token of a *service* of the
Hub is the caller ``service:<its name>``, which is in no groups and no administrator.
"""

from __future__ import annotations

import asyncio
import hashlib
import logging
import time
from collections.abc import Awaitable, Callable, Mapping
from functools import partial
from typing import Any, Protocol, TypeVar

from jupyterhub.services.auth import HubOAuth, check_scopes
from tornado.web import HTTPError

try:
    from jupyterhub.httpclient import JupyterHubHTTPClient
except ModuleNotFoundError:
    # JupyterHub 5 uses tornado's client, which has nothing to end.
    JupyterHubHTTPClient = None

from jupyter_tracking.protocol.errors import PermissionDenied, TemporarilyUnavailable, TrackingError

from ..access import Caller
from ..hub_environment import HubEnvironment
from ..store import memberships
from ..store.database import Transaction
from .base import Sender
from .recollection import Recollection
from .tokens import bearer_token

__all__ = ["Hub", "HubTokens", "hub_oauth"]

T = TypeVar("T")
SERVICE = "service:"
PATIENCE = 10.0
"""Seconds until a Hub that does not answer counts as away."""
AT_ONCE = 20
"""How many questions the Hub is asked at the same time."""
MOST_KNOWN = 10_000

_log = logging.getLogger("jupyter_tracking")


class Writes(Protocol):
    """The database, to note who is in which group; ``Server`` is one."""

    def write(self, work: Callable[[Transaction], T]) -> Awaitable[T]:
        """Run ``work`` in a writing transaction."""


def hub_oauth(surroundings: HubEnvironment) -> HubOAuth:
    """The Hub's own client, told all that it would else look for by itself."""
    certificate = surroundings.certificate
    return HubOAuth(
        api_token=surroundings.api_token,
        api_url=surroundings.api_url,
        base_url=surroundings.prefix + "/",
        hub_prefix=surroundings.base_url + "hub/",
        hub_host=surroundings.public_host,
        oauth_client_id=surroundings.client_id,
        oauth_redirect_uri=surroundings.callback,
        certfile=certificate.certfile if certificate else "",
        keyfile=certificate.keyfile if certificate else "",
        client_ca=certificate.authorities if certificate else "",
    )


class Hub:
    """Knows whose a token is, by asking.

    Args:
        surroundings: which service of which Hub we are.
        database: where groups are noted.
        clock: seconds that only go forward.
    """

    def __init__(
        self,
        surroundings: HubEnvironment,
        database: Writes,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        self.oauth = hub_oauth(surroundings)
        self._scope = surroundings.scope
        self._trust = surroundings.cache_seconds
        self._database = database
        self._clock = clock
        self._recollection = Recollection(self._trust, clock)
        self._asking: dict[str, asyncio.Task[Caller | None]] = {}
        self._slots = asyncio.Semaphore(AT_ONCE)
        self._noted: dict[str, frozenset[str]] = {}
        self._notes: set[asyncio.Future[None]] = set()

    def recall(self, token: str) -> Caller | None:
        """The caller, if the Hub was asked a moment ago."""
        return self._recollection.find(_digest(token))

    def forget(self, token: str) -> None:
        """Ask the Hub again about a token."""
        self._recollection.forget(_credential(_digest(token)))

    async def find(self, token: str) -> Caller | None:
        """Whose the token is; None if the Hub does not know it.

        Raises:
            PermissionDenied: it is good for something else.
            TemporarilyUnavailable: the Hub does not answer.
        """
        known = self.recall(token)
        if known is not None:
            return known
        digest = _digest(token)
        task = self._asking.get(digest)
        if task is None:
            task = self._asking[digest] = asyncio.ensure_future(self._ask(digest, token))
            task.add_done_callback(partial(self._answered, digest))
        # Shielded: the client that asked first may go, and others wait for the same answer.
        return await asyncio.shield(task)

    def new_proof(self) -> tuple[str, dict[str, str]]:
        """A secret of one login, and what its request says of it; ("", {}) before JupyterHub 6."""
        if not hasattr(self.oauth, "generate_pkce_code_challenge"):
            return "", {}
        verifier, challenge, method = self.oauth.generate_pkce_code_challenge()
        return verifier, {"code_challenge": challenge, "code_challenge_method": method}

    async def token_for(self, code: str, verifier: str) -> str:
        """The token that the Hub gives for the code of a login.

        Raises:
            TemporarilyUnavailable: the Hub gives none.
        """
        proof = {"code_verifier": verifier} if verifier else {}
        return str(await _answer(self.oauth.token_for_code(code, sync=False, **proof)))

    async def close(self) -> None:
        """Let the notes of groups be written, and end the connections to the Hub."""
        if self._notes:
            await asyncio.wait(set(self._notes), timeout=PATIENCE)
        if JupyterHubHTTPClient is not None:
            await JupyterHubHTTPClient.loop_instance().close()

    def _answered(self, digest: str, task: asyncio.Task[Caller | None]) -> None:
        del self._asking[digest]
        if not task.cancelled():
            # So that asyncio does not complain where nobody waits any longer.
            task.exception()

    async def _ask(self, digest: str, token: str) -> Caller | None:
        async with self._slots:
            began = self._clock()
            model = await _answer(self.oauth.user_for_token(token, use_cache=False, sync=False))
        if model is None:
            return None
        caller = self._caller(model, digest)
        self._note_groups(caller)
        return self._recollection.keep(digest, caller, self._trust - (self._clock() - began))

    def _caller(self, model: Mapping[str, Any], digest: str) -> Caller:
        """Whom the Hub's answer describes, if the token is good for us."""
        name, is_service = str(model["name"]), model.get("kind") == "service"
        if not check_scopes(self._scope, set(model.get("scopes", ()))):
            raise PermissionDenied(
                f"This token of {name} is not good for this service: it lacks the scope {self._scope}. "
                "The Hub's administrator gives it by the role of users, and to servers by "
                "c.Spawner.server_token_scopes."
            )
        if is_service:
            return Caller(SERVICE + name, "token", credential=_credential(digest))
        if name.startswith(SERVICE):
            raise PermissionDenied(f"A user's name may not begin with {SERVICE}")
        groups = frozenset(str(group) for group in model.get("groups") or ())
        admin = model.get("admin") is True
        return Caller(name, "token", credential=_credential(digest), groups=groups, admin=admin)

    def _note_groups(self, caller: Caller) -> None:
        """Keep in the database who is in which group, beside the request, which does not wait for it."""
        if caller.user.startswith(SERVICE) or self._noted.get(caller.user) == caller.groups:
            return
        if len(self._noted) >= MOST_KNOWN:
            self._noted.clear()
        self._noted[caller.user] = caller.groups
        work = partial(memberships.replace, user=caller.user, groups=caller.groups)
        note = asyncio.ensure_future(self._database.write(work))
        self._notes.add(note)
        note.add_done_callback(partial(self._was_noted, caller.user))

    def _was_noted(self, user: str, note: asyncio.Future[None]) -> None:
        self._notes.discard(note)
        error = None if note.cancelled() else note.exception()
        if error is not None:
            # Tried again when the Hub is asked the next time.
            self._noted.pop(user, None)
            text = error.message if isinstance(error, TrackingError) else ""
            _log.warning("The groups of a user were not noted. %s", text, exc_info=None if text else error)


async def _answer(asked: Awaitable[T]) -> T:
    """What the Hub says.

    Raises:
        TemporarilyUnavailable: it does not, or not what it should.
    """
    try:
        return await asyncio.wait_for(asked, PATIENCE)
    except (HTTPError, OSError, asyncio.TimeoutError, ValueError) as error:
        _log.warning("The Hub does not say who sent a request: %s", type(error).__name__)
        raise TemporarilyUnavailable("The Hub, which knows who is who, does not answer; try again.") from None


class HubTokens:
    """Takes ``Authorization: Bearer …`` (or ``token …``) with a token of the Hub."""

    def __init__(self, hub: Hub) -> None:
        self._hub = hub

    def carries(self, sender: Sender) -> bool:
        """Whether there is such a header."""
        return bool(bearer_token(sender))

    async def identify(self, sender: Sender) -> Caller | None:
        """The caller whose token the header carries.

        Raises:
            PermissionDenied: the token is good for something else.
            TemporarilyUnavailable: the Hub does not answer.
        """
        token = bearer_token(sender)
        return await self._hub.find(token) if token else None

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, of a token that the Hub was asked about a moment ago."""
        token = bearer_token(sender)
        return self._hub.recall(token) if token else None


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode("utf-8", "surrogateescape")).hexdigest()


def _credential(digest: str) -> str:
    return digest[:12]
