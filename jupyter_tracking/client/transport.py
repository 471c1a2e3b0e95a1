"""The seam between the client and the network: one method, a request in and a reply out.

A *path* is relative to the tracking URI, quoted, without a leading slash. A *body* is bytes, or a function
that opens a file anew for each time that the request is sent.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Protocol
from urllib.parse import urlsplit

import requests
from requests.adapters import HTTPAdapter
from requests.auth import AuthBase

from ..protocol.errors import TemporarilyUnavailable
from ..token_file import TokenFileAuth
from .credentials import Credentials, flag
from .retries import number

CHUNK = 1 << 20
LOOPBACK = frozenset({"localhost", "127.0.0.1", "::1"})


class Readable(Protocol):
    """An open file, as far as sending it goes."""

    def read(self, size: int = -1, /) -> bytes:
        """The next bytes; none at the end."""

    def close(self) -> None:
        """Let go of it."""


Body = bytes | Callable[[], Readable]


class Unreachable(TemporarilyUnavailable):
    """No answer came. ``lasting`` if it is no use to try again soon (a certificate that is not trusted)."""

    def __init__(self, message: str, *, lasting: bool = False) -> None:
        super().__init__(message)
        self.lasting = lasting


@dataclass(frozen=True)
class HttpRequest:
    """What to send.

    Attributes:
        elsewhere: a whole address to send to in place of ``path``; no credential of ours goes with it.
    """

    method: str
    path: str = ""
    query: Sequence[tuple[str, str]] = ()
    body: Body | None = None
    headers: Mapping[str, str] = field(default_factory=dict)
    elsewhere: str = ""


class HttpReply:
    """What came back; the body is read once, whole or in chunks. Also a context manager that closes it."""

    def __init__(
        self,
        status: int,
        headers: Mapping[str, str],
        chunks: Iterator[bytes],
        close: Callable[[], None] = lambda: None,
    ) -> None:
        self.status = status
        self.headers = headers
        self.chunks = chunks
        self.close = close

    def read(self) -> bytes:
        """The whole body."""
        with self:
            return b"".join(self.chunks)

    def __enter__(self) -> HttpReply:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


class Transport(Protocol):
    """Anything that answers requests below ``url``, the tracking URI."""

    url: str

    def send(self, request: HttpRequest) -> HttpReply:
        """Send once.

        Raises:
            Unreachable: no answer came.
        """


class RequestsTransport:
    """The network, by ``requests``; safe to use from several threads."""

    def __init__(
        self, url: str, credentials: Credentials, environment: Mapping[str, str] = os.environ
    ) -> None:
        self.url = url.rstrip("/")
        self._timeout = number(environment, "MLFLOW_HTTP_REQUEST_TIMEOUT", 120.0)
        self._redirects = flag(environment, "MLFLOW_ALLOW_HTTP_REDIRECTS", default=True)
        self._certificate = credentials.certificate
        # A certificate that is known by itself needs no authority.
        self._verify = credentials.verify if not self._certificate else False
        self._session = _session(self.url, self._certificate)
        self._session.verify = self._verify
        self._session.cert = credentials.client_certificate
        if credentials.token_file:
            self._session.auth = TokenFileAuth(credentials.token_file)
        elif credentials.authorization is not None:
            self._session.auth = _Authorization(credentials.authorization)
        self._bare: dict[str, requests.Session] = {}

    def send(self, request: HttpRequest) -> HttpReply:
        """Send once; the body of the reply is read as it is asked for."""
        session = self._without_credentials(request.elsewhere) if request.elsewhere else self._session
        body = request.body() if callable(request.body) else request.body
        try:
            response = session.request(
                request.method,
                request.elsewhere or f"{self.url}/{request.path}",
                params=list(request.query),
                data=body,
                headers={"Accept-Encoding": "identity", **request.headers},
                timeout=self._timeout,
                allow_redirects=self._redirects,
                stream=True,
                # Said here, since REQUESTS_CA_BUNDLE would replace what the session says.
                verify=session.verify,
            )
        except requests.RequestException as error:
            raise self._unreachable(error, request.elsewhere) from None
        finally:
            if body is not None and not isinstance(body, bytes):
                body.close()
        return HttpReply(response.status_code, response.headers, self._chunks(response), response.close)

    def _chunks(self, response: requests.Response) -> Iterator[bytes]:
        try:
            yield from response.iter_content(CHUNK)
        except requests.RequestException as error:
            raise self._unreachable(error) from None

    def _without_credentials(self, address: str) -> requests.Session:
        """A session for the host of an address, which is told nothing of who we are."""
        parts = urlsplit(address)
        host = f"{parts.scheme}://{parts.netloc}"
        if host not in self._bare:
            ours = self.url.startswith(f"{host}/") or self.url == host
            session = _session(address, self._certificate if ours else "")
            # Set, so that nothing is taken from ~/.netrc.
            session.auth = _Nobody()
            session.verify = self._verify if ours else True
            self._bare[host] = session
        return self._bare[host]

    def _unreachable(self, error: requests.RequestException, elsewhere: str = "") -> Unreachable:
        if elsewhere:
            # Its query is a key to the store.
            host = urlsplit(elsewhere).netloc
            return Unreachable(
                f"{host}, to which the tracking server at {self.url} sends us, does not answer."
            )
        if isinstance(error, requests.exceptions.SSLError):
            return Unreachable(
                f"The certificate of {self.url} cannot be checked; name its authorities in "
                "MLFLOW_TRACKING_SERVER_CERT_PATH.",
                lasting=True,
            )
        if isinstance(error, requests.exceptions.InvalidURL | requests.exceptions.InvalidSchema):
            return Unreachable(f"{self.url!r} is not an address that can be asked.", lasting=True)
        if isinstance(error, requests.Timeout):
            return Unreachable(f"The tracking server at {self.url} did not answer in {self._timeout:g} s.")
        return Unreachable(f"The tracking server at {self.url} cannot be reached.")


def _session(address: str, certificate: str = "") -> requests.Session:
    session = requests.Session()
    # A corporate proxy cannot reach the loopback interface of this machine.
    session.trust_env = urlsplit(address).hostname not in LOOPBACK
    adapter = _LargeBlocks(certificate)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    return session


class _Nobody(AuthBase):
    """Sets no header."""

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        return request


class _Authorization(AuthBase):
    """Sets the header in a way that ``requests`` does not replace by what it finds in ``~/.netrc``."""

    def __init__(self, value: str) -> None:
        self._value = value

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        request.headers["Authorization"] = self._value
        return request


class _LargeBlocks(HTTPAdapter):
    """Sends files in blocks of a megabyte; the default of 16 KiB costs a system call each.

    Args:
        certificate: the SHA-256, in hex, of the one certificate that the server may have; "" for any.
    """

    def __init__(self, certificate: str = "") -> None:
        self._certificate = certificate
        super().__init__(pool_connections=10, pool_maxsize=10)

    def init_poolmanager(self, *args: Any, **kwargs: Any) -> None:
        fingerprint = self._certificate or None
        super().init_poolmanager(*args, blocksize=CHUNK, assert_fingerprint=fingerprint, **kwargs)
