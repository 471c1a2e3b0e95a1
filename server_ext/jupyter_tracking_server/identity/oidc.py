"""The OpenID provider: sends browsers there, and takes its word on who came back.

Authlib speaks OAuth and judges the ID token; here is what it is to be judged by. Requests to the provider
wait, so they run in threads: a few of their own, since strangers can cause them.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from typing import Any, TypeVar
from urllib.parse import urlsplit

import msgspec
import requests
from authlib.integrations.base_client import OAuthError
from authlib.integrations.requests_client import OAuth2Session
from authlib.oidc.core import CodeIDToken
from joserfc import jwt
from joserfc.errors import InvalidKeyIdError, JoseError
from joserfc.jwk import KeySet
from joserfc.jws import JWSRegistry

from jupyter_tracking.protocol.errors import PermissionDenied, TemporarilyUnavailable

__all__ = ["Provider", "Trip"]

TIMEOUT = 10.0
"""Seconds that the provider may take for one answer."""
KEPT = 3600.0
"""Seconds for which the provider's description and keys are believed to be the same."""
SKEW = 30
"""Seconds by which the provider's clock may differ from ours."""
ALGORITHMS = frozenset(f"{kind}{size}" for kind in ("RS", "PS", "ES") for size in (256, 384, 512)) | {
    "EdDSA",
    "Ed25519",
}
"""Signatures that only the provider can make: none that needs no key, or our own secret."""

AT_ONCE = 4
MOST_WAITING = 16
"""Logins that may wait for the provider; more are told to come back."""

T = TypeVar("T")
Claims = Mapping[str, Any]


class Trip(msgspec.Struct, frozen=True):
    """What a browser carries to the provider and back, sealed.

    Attributes:
        visit: tells the browser that set out; no other may come back in its place.
        nonce: the ID token must hold it.
        verifier: proves that the code was meant for us (PKCE).
        after: the path below our root where the login leads.
    """

    visit: str
    nonce: str
    verifier: str
    after: str


class _Description(msgspec.Struct):
    """What we read of the discovery document."""

    issuer: str
    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    userinfo_endpoint: str = ""
    id_token_signing_alg_values_supported: tuple[str, ...] = ("RS256",)
    token_endpoint_auth_methods_supported: tuple[str, ...] = ("client_secret_basic",)


class Provider:
    """An OpenID provider at which this server is a client.

    Args:
        issuer: the URL by which it calls itself.
        client_id: how it calls us.
        secret: "" for a public client.
        scopes: separated by spaces.
    """

    def __init__(self, issuer: str, client_id: str, secret: str, scopes: str) -> None:
        self.issuer = issuer
        self._client_id = client_id
        self._secret = secret
        self._scopes = scopes
        self._kept: dict[str, tuple[Any, float]] = {}
        self._threads = ThreadPoolExecutor(AT_ONCE, thread_name_prefix="oidc")
        self._waiting = 0

    @property
    def host(self) -> str:
        """Its name, for people."""
        return urlsplit(self.issuer).netloc

    async def begin(self, home: str, state: str, trip: Trip) -> str:
        """Where the browser goes to sign in; the provider sends it back to ``home`` with ``state``.

        Raises:
            TemporarilyUnavailable: the provider does not answer.
        """
        return await self._ask(partial(self._begin, home, state, trip))

    async def finish(self, home: str, code: str, trip: Trip) -> Claims:
        """What the provider says of the user who came back with this code.

        Raises:
            PermissionDenied: the code or the ID token is not good.
            TemporarilyUnavailable: the provider does not answer.
        """
        return await self._ask(partial(self._finish, home, code, trip))

    async def _ask(self, work: Callable[[], T]) -> T:
        if self._waiting >= MOST_WAITING:
            raise TemporarilyUnavailable(
                f"Too many wait for the sign-in service at {self.host}; try again soon."
            )
        self._waiting += 1
        try:
            return await asyncio.get_running_loop().run_in_executor(self._threads, work)
        except (requests.RequestException, msgspec.MsgspecError) as error:
            raise TemporarilyUnavailable(
                f"The sign-in service at {self.host} does not answer as it should; try again in a moment."
            ) from error
        except (OAuthError, JoseError, ValueError) as error:
            raise PermissionDenied(
                f"The sign-in at {self.host} was not accepted: {_reason(error)}."
            ) from error
        finally:
            self._waiting -= 1

    def _begin(self, home: str, state: str, trip: Trip) -> str:
        with self._client(home) as client:
            place = self._description().authorization_endpoint
            url, _ = client.create_authorization_url(
                place, state=state, nonce=trip.nonce, code_verifier=trip.verifier
            )
        return str(url)

    def _finish(self, home: str, code: str, trip: Trip) -> Claims:
        with self._client(home) as client:
            place = self._description().token_endpoint
            token = client.fetch_token(place, code=code, code_verifier=trip.verifier, timeout=TIMEOUT)
            claims = self._claims(token, trip.nonce)
            return {**self._user_info(client, claims), **claims}

    def _client(self, home: str) -> Any:
        methods = self._description().token_endpoint_auth_methods_supported
        method = "client_secret_basic" if "client_secret_basic" in methods else "client_secret_post"
        return OAuth2Session(
            self._client_id,
            self._secret,
            scope=self._scopes,
            redirect_uri=home,
            code_challenge_method="S256",
            token_endpoint_auth_method=method if self._secret else "none",
        )

    def _claims(self, token: Mapping[str, Any], nonce: str) -> Claims:
        """What the ID token says, if it is the provider's, for us, for this login, and not too old."""
        text = token.get("id_token")
        if not isinstance(text, str):
            raise ValueError("it gave no ID token")  # noqa: TRY004 - the provider's fault, not a type of ours
        try:
            found = self._decoded(text, self._keys())
        except InvalidKeyIdError:
            self._kept.pop("keys", None)
            found = self._decoded(text, self._keys())
        rules = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": self._client_id},
        }
        login = {"nonce": nonce, "client_id": self._client_id, "access_token": token.get("access_token")}
        claims = CodeIDToken(found.claims, found.header, rules, login)
        claims.validate(leeway=SKEW)
        return dict(claims)

    def _decoded(self, text: str, keys: KeySet) -> jwt.Token:
        offered = self._description().id_token_signing_alg_values_supported
        algorithms = [name for name in offered if name in ALGORITHMS]
        return jwt.decode(text, keys, registry=JWSRegistry(algorithms=algorithms, strict_check_header=False))

    def _user_info(self, client: Any, claims: Claims) -> Claims:
        """What the provider says beside the ID token, of the same user."""
        place = self._description().userinfo_endpoint
        if not place:
            return {}
        reply = client.get(place, timeout=TIMEOUT)
        reply.raise_for_status()
        found = reply.json()
        if not isinstance(found, dict) or found.get("sub") != claims["sub"]:
            raise ValueError("its user info is of another user")
        return found

    def _description(self) -> _Description:
        found: _Description = self._keep("description", self._describe)
        return found

    def _keys(self) -> KeySet:
        found: KeySet = self._keep(
            "keys", lambda: KeySet.import_key_set(_get(self._description().jwks_uri).json())
        )
        return found

    def _describe(self) -> _Description:
        place = f"{self.issuer.rstrip('/')}/.well-known/openid-configuration"
        found = msgspec.json.decode(_get(place).content, type=_Description)
        if found.issuer != self.issuer:
            raise ValueError(f"it calls itself {found.issuer!r}, not {self.issuer!r}")
        return found

    def _keep(self, name: str, ask: Callable[[], Any]) -> Any:
        known = self._kept.get(name)
        if known is None or time.monotonic() > known[1]:
            known = self._kept[name] = ask(), time.monotonic() + KEPT
        return known[0]


def _get(place: str) -> requests.Response:
    reply = requests.get(place, timeout=TIMEOUT)
    reply.raise_for_status()
    return reply


def _reason(error: Exception) -> str:
    """In a few words, without what the provider may have quoted."""
    if isinstance(error, OAuthError):
        return str(error.error or "no reason given")
    if isinstance(error, JoseError):
        return f"its ID token is not good ({error})"
    return str(error)
