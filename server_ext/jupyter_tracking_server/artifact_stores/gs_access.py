"""Which bucket of Google Cloud Storage, and by what right: Application Default Credentials, or an emulator.

``google-auth`` finds them: ``GOOGLE_APPLICATION_CREDENTIALS`` (a service account's key, or how an identity of
elsewhere is taken for one), what ``gcloud auth application-default login`` left, or the identity of the
machine or the Kubernetes workload. ``STORAGE_EMULATOR_HOST`` names an emulator, which wants none.
"""

from __future__ import annotations

import re
import threading
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timezone
from typing import TYPE_CHECKING, Any, Protocol
from urllib.parse import unquote, urlsplit

import google.auth
from google.auth.credentials import AnonymousCredentials, Credentials, Signing
from google.auth.exceptions import DefaultCredentialsError, GoogleAuthError
from google.auth.iam import Signer as IamSigner
from google.auth.transport.requests import Request

from .object_errors import unavailable
from .registry import UnusableDestination

if TYPE_CHECKING:
    from obstore.store import GCSCredential

__all__ = ["GoogleCredentials", "GoogleSigning", "Place", "find_place"]

ENDPOINT = "https://storage.googleapis.com"
SCOPE = "https://www.googleapis.com/auth/devstorage.read_write"
IAM_SCOPE = "https://www.googleapis.com/auth/iam"

_BUCKET = re.compile(r"[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]")


@dataclass(frozen=True)
class Place:
    """A bucket, and what opens it.

    Attributes:
        bucket: its name.
        prefix: what all paths begin with; ``""`` or ending in a slash.
        endpoint: where Cloud Storage is, without a slash at its end.
        url: ``gs://bucket/folder``.
        credentials: for an emulator, some that say nothing.
    """

    bucket: str
    prefix: str
    endpoint: str
    url: str
    credentials: GoogleCredentials


class GoogleSigning(Protocol):
    """What makes signatures in the name of a service account."""

    @property
    def email(self) -> str:
        """The account's name."""

    def sign(self, text: bytes) -> bytes:
        """The signature; may ask Google for it."""


class GoogleCredentials:
    """Tokens, renewed before they end; to be asked for in threads, obstore does so too."""

    def __init__(self, credentials: Credentials) -> None:
        # Any: google-auth's types don't say what its classes have.
        self._credentials: Any = credentials
        self._turn = threading.Lock()

    def __call__(self) -> GCSCredential:
        """A token that is good for some minutes at least.

        Raises:
            StoreUnavailable: Google gives none.
        """
        with self._turn:
            if not self._credentials.valid:
                try:
                    self._credentials.refresh(Request())
                except GoogleAuthError as error:
                    # Its text may have what was sent.
                    raise unavailable("asking Google for a token", type(error).__name__) from None
            expiry = self._credentials.expiry
            return {
                "token": self._credentials.token or "none",
                "expires_at": expiry.replace(tzinfo=timezone.utc) if expiry else None,
            }

    def token(self) -> str:
        """As ``__call__``, the text alone."""
        return self()["token"]

    def signing(self) -> GoogleSigning | None:
        """What signs in the name of these credentials; None if they are no service account's."""
        if isinstance(self._credentials, Signing):
            return _OwnKey(self._credentials)
        email = getattr(self._credentials, "service_account_email", None)
        return _GoogleSigns(self._credentials, self) if email else None


class _OwnKey:
    def __init__(self, credentials: Any) -> None:
        self._credentials = credentials

    @property
    def email(self) -> str:
        return str(self._credentials.signer_email)

    def sign(self, text: bytes) -> bytes:
        signature: bytes = self._credentials.sign_bytes(text)
        return signature


class _GoogleSigns:
    """Signs by a service of Google: a machine's identity has no key to sign with."""

    def __init__(self, credentials: Any, tokens: GoogleCredentials) -> None:
        self._credentials = credentials
        self._tokens = tokens

    @property
    def email(self) -> str:
        # A machine's is known once it has got a token.
        self._tokens()
        return str(self._credentials.service_account_email)

    def sign(self, text: bytes) -> bytes:
        # google-auth left it untyped.
        signer: Any = IamSigner(Request(), self._credentials, self.email)  # type: ignore[no-untyped-call]
        signature: bytes = signer.sign(text)
        return signature


def find_place(destination: str, environment: Mapping[str, str]) -> Place:
    """The bucket that a destination names.

    Raises:
        UnusableDestination: it names none, or there are no credentials.
    """
    url = urlsplit(destination)
    if not _BUCKET.fullmatch(url.netloc) or url.query or url.fragment:
        raise UnusableDestination(
            "Artifacts in Google Cloud Storage are kept at gs://<bucket>/<folder>; the bucket's name has "
            "small letters, digits, dots, hyphens and underscores."
        )
    folder = unquote(url.path).strip("/")
    emulator = environment.get("STORAGE_EMULATOR_HOST", "").rstrip("/")
    if emulator and "://" not in emulator:
        emulator = f"http://{emulator}"
    return Place(
        bucket=url.netloc,
        prefix=f"{folder}/" if folder else "",
        endpoint=emulator or ENDPOINT,
        url=f"gs://{url.netloc}{url.path.rstrip('/')}",
        credentials=_no_credentials() if emulator else _credentials(),
    )


def _no_credentials() -> GoogleCredentials:
    # google-auth left it untyped.
    return GoogleCredentials(AnonymousCredentials())  # type: ignore[no-untyped-call]


def _credentials() -> GoogleCredentials:
    try:
        found, _ = google.auth.default(scopes=[SCOPE, IAM_SCOPE])
    except (DefaultCredentialsError, OSError, ValueError) as error:
        raise UnusableDestination(
            f"Google Cloud Storage needs credentials, and there are none of use ({type(error).__name__}). "
            "Set GOOGLE_APPLICATION_CREDENTIALS to the path of a service account's key, or run: "
            "gcloud auth application-default login"
        ) from None
    return GoogleCredentials(found)
