"""Certificates of clients: who TLS has found to hold one of the authorities' that the administrator named.

The user is the subject's common name (CN); without one, the first e-mail address among the alternative names.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial
from typing import Any

from jupyter_tracking.protocol.errors import Unauthenticated

from ..access import Caller
from ..store import memberships, users
from ..store.database import Transaction
from .base import Authenticator, Sender
from .people import People
from .recollection import Recollection

__all__ = ["CertificateRequired", "Certificates", "user_of"]


class Certificates:
    """Takes the certificate of a user who has an account: so that removing that shuts them out.

    Args:
        people: the database.
        recollection: the callers that were found lately.
    """

    def __init__(self, people: People, recollection: Recollection | None = None) -> None:
        self._people = people
        self._recollection = recollection or Recollection()

    def carries(self, sender: Sender) -> bool:
        """Whether the client showed one that TLS accepted."""
        return bool(sender.get_ssl_certificate())

    async def identify(self, sender: Sender) -> Caller | None:
        """The user of the certificate.

        Raises:
            Unauthenticated: it names nobody, or nobody with an account.
            TemporarilyUnavailable: the database does not answer.
        """
        known = self.recognize(sender)
        if known is not None:
            return known
        user = user_of(sender.get_ssl_certificate() or {})
        if not user:
            raise Unauthenticated(
                "The client's certificate names no user: it has neither a CN nor an e-mail."
            )
        caller = await self._people.read(partial(_caller, user=user))
        if caller is None:
            raise Unauthenticated(
                f"The client's certificate is that of {user!r}, who has no account here; an "
                "administrator can make one."
            )
        return self._recollection.keep(user, caller)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, of a user who was found a moment ago."""
        return self._recollection.find(user_of(sender.get_ssl_certificate() or {}))


class CertificateRequired:
    """Asks for a certificate beside whatever else the request carries.

    TLS lets clients without one through, so that they are told what is missing and do not just see the
    connection end, which they would try again for minutes.
    """

    def __init__(self, further: Authenticator) -> None:
        self._further = further

    def carries(self, sender: Sender) -> bool:
        """Each request is judged here."""
        del sender
        return True

    async def identify(self, sender: Sender) -> Caller | None:
        """The caller, by the others.

        Raises:
            Unauthenticated: there is no certificate.
        """
        if not sender.get_ssl_certificate():
            raise Unauthenticated(
                "This server wants a client's certificate: name its file in MLFLOW_TRACKING_CLIENT_CERT_PATH."
            )
        return await self._further.identify(sender)

    def recognize(self, sender: Sender) -> Caller | None:
        """The same, if that can be said without waiting."""
        return self._further.recognize(sender) if sender.get_ssl_certificate() else None


def user_of(certificate: Mapping[str, Any]) -> str:
    """Whom a certificate, as Python's ssl module tells it, is for; "" if it does not say."""
    names = [value for part in certificate.get("subject", ()) for key, value in part if key == "commonName"]
    # A second one would be read differently by other programs.
    if len(names) > 1:
        return ""
    names += [value for kind, value in certificate.get("subjectAltName", ()) if kind == "email"]
    return str(names[0]) if names else ""


def _caller(tx: Transaction, user: str) -> Caller | None:
    account = users.get(tx, user)
    if account is None:
        return None
    return Caller(user, "certificate", groups=memberships.groups_of(tx, user), admin=account.admin)
