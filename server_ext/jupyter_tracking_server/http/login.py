"""Signing in and out by a browser: the form for passwords, and the way to the provider's."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import parse_qs, quote, urlsplit

from tornado import web

from jupyter_tracking.protocol.errors import InvalidParameterValue, PermissionDenied, Unauthenticated

from ..access import Caller
from ..identity.oidc_users import ClaimNames
from ..identity.passwords import Pair, Passwords
from ..identity.sessions import SessionCookies
from . import gate
from .handler import Front
from .incoming import BODY_TIMEOUT, DRAIN
from .page import NEXT, PageHandler, next_page
from .run_page import Link
from .sessions import Cookies

if TYPE_CHECKING:
    # It needs a library that servers without a provider do without.
    from ..identity.oidc import Provider

__all__ = ["LOGIN", "LoginHandler", "Logins", "LogoutHandler"]

LOGIN = "/login"
LARGEST_FORM = 16 * 1024
PROOF = "proof"


@dataclass(frozen=True)
class Logins:
    """What the handlers of logins share.

    Attributes:
        provider: where users sign in elsewhere; None for nowhere.
        claims: which of the provider's claims are read.
        asks_passwords: whether there is a form.
    """

    sessions: SessionCookies
    cookies: Cookies
    passwords: Passwords
    provider: Provider | None
    claims: ClaimNames
    asks_passwords: bool = True


class LoginPage(PageHandler):
    """Base of the pages of logins."""

    logins: Logins
    # Without one, browsers send forms with an Origin of null.
    referrer = "same-origin"

    def initialize(self, front: Front, logins: Logins) -> None:  # type: ignore[override]  # routes hold more for these
        """``logins`` is what they share."""
        super().initialize(front)
        self.logins = logins
        self._body = b""

    async def prepare(self) -> None:
        """Wait for a form, but not for long."""
        self.http.set_body_timeout(BODY_TIMEOUT)
        self.http.set_max_body_size(DRAIN)
        await super().prepare()

    def data_received(self, chunk: bytes) -> None:
        """Keep a form, which is small."""
        self.received += len(chunk)
        if self.received <= LARGEST_FORM:
            self._body += chunk

    def form(self) -> dict[str, str]:
        """The fields of the form, once it is known to be ours and from this browser.

        Raises:
            PermissionDenied: another site's page sent it, or it is too old.
            InvalidParameterValue: it is none.
        """
        gate.check_site(self.request.headers, urlsplit(self.front.base_url(self.request)).netloc)
        if self.received > LARGEST_FORM:
            raise InvalidParameterValue("The form is too large.")
        try:
            given = parse_qs(self._body.decode(), keep_blank_values=True, max_num_fields=20)
        except ValueError:
            raise InvalidParameterValue("The form cannot be read.") from None
        fields = {name: values[0] for name, values in given.items()}
        if not self.logins.cookies.is_proof(self, fields.get(PROOF, "")):
            raise PermissionDenied(
                "The form is not this browser's, or the browser keeps no cookies of ours. Open it again."
            )
        return fields

    async def welcome(self, user: str, after: str) -> None:
        """Begin the session, and go on to where the browser wanted to."""
        await self.logins.cookies.begin_session(self, self.logins.sessions, user)
        self.redirect(self.root_path + next_page(after), status=303)


class LoginHandler(LoginPage):
    """``/login``: the form; or straight to the provider, if that is the only way."""

    endpoint = "login"

    async def get(self) -> None:
        """Show it."""
        after = next_page(self.get_query_argument(NEXT, "/"))
        if not self.logins.asks_passwords:
            self.redirect(self._provider_path(after))
            return
        await self._ask(after)

    async def post(self) -> None:
        """Judge a name and a password."""
        fields = self.form()
        user, after = fields.get("user", ""), next_page(fields.get(NEXT, "/"))
        self.subject = {"user": user}
        self.audited = "write"
        if not self.logins.asks_passwords:
            raise web.HTTPError(405)
        try:
            pair = Pair(user, fields.get("password", ""))
            caller = await self.logins.passwords.verify(pair, self.request.remote_ip or "")
        except Unauthenticated as error:
            self.set_status(401)
            # What follows is for programs.
            await self._ask(after, error.message.partition(": check MLFLOW")[0].rstrip(".") + ".", user)
            return
        self._known_caller = caller
        await self.welcome(caller.user, after)

    async def _ask(self, after: str, trouble: str = "", name: str = "") -> None:
        provider = self.logins.provider
        await self.show(
            "login",
            "Sign in",
            passwords=self.logins.asks_passwords,
            provider=None if provider is None else Link(provider.host, self._provider_path(after)),
            proof=self.logins.cookies.proof(self),
            trouble=trouble,
            after=after,
            name=name,
        )

    def _provider_path(self, after: str) -> str:
        return f"{self.root_path}{LOGIN}/oidc?{NEXT}={quote(after, safe='')}"


class LogoutHandler(LoginPage):
    """``/logout``: a button, and what it does."""

    endpoint = "logout"

    async def get(self) -> None:
        """Show the button."""
        if await self.visitor() is not None:
            await self.show("logout", "Sign out", proof=self.logins.cookies.proof(self))

    async def post(self) -> None:
        """End the browser's session, also for who has a copy of its cookie; it need not have one."""
        self.form()
        caller: Caller | None = await self.identify("read")
        self._known_caller = caller
        self.subject = {"user": caller.user if caller else ""}
        self.audited = "write"
        await self.logins.cookies.end_session(self, self.logins.sessions)
        text = "The session is over, and this browser has forgotten you."
        await self.show("message", "Signed out", text=text, user=None)
