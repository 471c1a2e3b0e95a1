"""How kernels learn where the embedded server is: variables of this process, which kernels inherit.

By further ones stock clients learn how to send big files: in parts where these go straight to the object
store, which takes load off this server; not in parts where they would have to trust this server's
certificate, as clients send parts without that trust. Else nothing is to be gained on one machine. What the
user has set of these stays.

A ``MLFLOW_TRACKING_URI`` that the user has set wins, and then nothing is set. One that a Jupyter server set
from whose terminal this one was started is told apart by ``JUPYTER_TRACKING_URI``, which repeats it.
"""

from __future__ import annotations

import os
import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

__all__ = ["Endpoint", "KernelEnvironment", "Listener", "find_endpoint", "public_endpoint"]

MARK = "JUPYTER_TRACKING_URI"
HANDSHAKE_SECONDS = 5.0
IN_PARTS = "MLFLOW_ENABLE_PROXY_MULTIPART_UPLOAD"
IN_PARTS_FROM = "MLFLOW_MULTIPART_UPLOAD_MINIMUM_FILE_SIZE"
BIG = 100 * 2**20
"""Bytes from which a file goes in parts."""


@dataclass(frozen=True)
class Listener:
    """What a server listens on.

    Attributes:
        ip: as configured: an address, a name, or a word for all interfaces.
        tls: whether it speaks TLS.
        certificate: the file with its certificate, if it is known.
    """

    ip: str
    port: int
    tls: bool
    certificate: str = ""


@dataclass(frozen=True)
class Endpoint:
    """How a kernel on this machine reaches the server.

    Attributes:
        origin: ``http://127.0.0.1:8888``.
        certificate: the file that the client must trust; empty if it trusts the server anyway.
    """

    origin: str
    certificate: str = ""


def find_endpoint(listener: Listener) -> Endpoint | None:
    """Where kernels reach the server.

    With TLS it is tried out: which name does the certificate carry, and does a client trust it as it is?
    That blocks, while the server must be answering.

    Returns:
        None if no name of this machine is in a certificate that clients would trust.
    """
    host = _loopback_of(listener.ip)
    if not listener.tls:
        return Endpoint(f"http://{_bracket(host)}:{listener.port}")
    # Imported here: only servers with TLS need it, and it takes long.
    from requests.utils import DEFAULT_CA_BUNDLE_PATH  # noqa: PLC0415 - see above

    trusts = [DEFAULT_CA_BUNDLE_PATH, *([listener.certificate] if listener.certificate else [])]
    for trust in trusts:
        for name in dict.fromkeys([host, "127.0.0.1", "localhost", socket.gethostname()]):
            if _handshake(name, listener.port, trust):
                certificate = "" if trust == trusts[0] else str(Path(trust).absolute())
                return Endpoint(f"https://{_bracket(name)}:{listener.port}", certificate)
    return None


def public_endpoint(environment: Mapping[str, str] = os.environ) -> Endpoint | None:
    """Where kernels reach a Hub's notebook server as browsers do, if the Hub says it; else None.

    With the Hub's ``internal_ssl`` a notebook server answers the Hub's proxy alone.
    """
    place = urlsplit(environment.get("JUPYTERHUB_PUBLIC_URL", ""))
    return Endpoint(f"{place.scheme}://{place.netloc}") if place.netloc else None


def _loopback_of(ip: str) -> str:
    """The address to connect to for a server that listens on ``ip``."""
    if ip in {"", "0.0.0.0", "*"}:  # noqa: S104 - to recognise it, not to bind
        return "127.0.0.1"
    return "::1" if ip == "::" else ip


def _bracket(host: str) -> str:
    return f"[{host}]" if ":" in host else host


def _handshake(name: str, port: int, trust: str) -> bool:
    """Whether a client that trusts the file ``trust`` gets a TLS connection to ``name``."""
    try:
        context = ssl.create_default_context(cafile=trust)
        with (
            socket.create_connection((name, port), HANDSHAKE_SECONDS) as plain,
            context.wrap_socket(plain, server_hostname=name),
        ):
            return True
    except OSError:
        return False


class KernelEnvironment:
    """The variables, set and taken back.

    Args:
        url: what kernels take as tracking URI.
        token: what they send; a token of ours, never Jupyter's.
        certificate: a file that they must trust, or "".
        direct_parts: parts of uploads go to the object store, not to this server.
        more: further variables.
    """

    def __init__(
        self,
        url: str,
        token: str,
        certificate: str = "",
        *,
        direct_parts: bool = False,
        more: Mapping[str, str] | None = None,
    ) -> None:
        self._ours = {"MLFLOW_TRACKING_URI": url, "MLFLOW_TRACKING_TOKEN": token, MARK: url, **(more or {})}
        if certificate:
            self._ours["MLFLOW_TRACKING_SERVER_CERT_PATH"] = certificate
        self._advice: dict[str, str] = {}
        if direct_parts:
            self._advice = {IN_PARTS: "true", IN_PARTS_FROM: str(BIG)}
        elif certificate:
            self._advice = {IN_PARTS: "false"}
        self._before: dict[str, str | None] = {}

    def set(self) -> bool:
        """Set the variables, unless the user has a tracking server of their own; whether it was done."""
        uri = os.environ.get("MLFLOW_TRACKING_URI")
        if uri and uri != os.environ.get(MARK):
            return False
        advice = {name: value for name, value in self._advice.items() if name not in os.environ}
        ours = {**self._ours, **advice}
        self._before = {name: os.environ.get(name) for name in ours}
        os.environ.update(ours)
        return True

    def renew(self, token: str) -> None:
        """Give kernels that start from now on another token."""
        if self._before:
            os.environ["MLFLOW_TRACKING_TOKEN"] = token

    def unset(self) -> None:
        """Put back what was there before; again is fine."""
        for name, value in self._before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value
        self._before = {}
