"""Artifacts behind another tracking server: a proxy before a proxy.

``http(s)://host[:port][/prefix]`` is a server as clients name it; ``mlflow-artifacts://host:port/folder`` and
``http(s)://…/api/2.0/mlflow-artifacts/artifacts/folder`` are a folder of its artifacts. The server must store
any path, as ``mlflow server --artifacts-only`` does. One like this, which stores only what belongs to its own
runs, answers 404 to all else.

It is reached with the credentials of this server's account (``MLFLOW_TRACKING_USERNAME`` and ``_PASSWORD``,
or ``_TOKEN``; ``_SERVER_CERT_PATH``, ``_CLIENT_CERT_PATH``, ``_INSECURE_TLS``), never with a caller's.

What the protocol cannot do: a listing comes in one reply, and a folder that has become empty stays to be seen
where the upstream keeps folders.
"""

from __future__ import annotations

import os
import re
from urllib.parse import unquote, urlsplit

import requests

from .base import Options
from .registry import UnusableDestination
from .remote_threads import RemoteThreads
from .upstream_api import UpstreamApi
from .upstream_store import UpstreamStore

__all__ = ["open_store"]

API = "/api/2.0/mlflow-artifacts/artifacts"
THREADS = 32
SENDERS = 64


def open_store(destination: str, options: Options) -> UpstreamStore:  # noqa: ARG001 - the upstream's own matter
    """The store behind a server; nothing is asked of it yet.

    Raises:
        UnusableDestination: the URL or a credential is wrong.
    """
    url = urlsplit(destination)
    try:
        right = bool(url.hostname) and url.port != 0 and not url.query and not url.fragment
    except ValueError:
        right = False
    if not right or re.search(r"/\.{1,2}(/|$)", unquote(url.path)):
        raise UnusableDestination("An upstream tracking server looks like https://host:port/prefix.")
    if "@" in url.netloc:
        raise UnusableDestination(
            "Credentials in a URL could be seen by every user of this machine, so none are taken. "
            "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN."
        )
    path = url.path.rstrip("/")
    if url.scheme.lower() == "mlflow-artifacts":
        base, folder = f"http://{url.netloc}{API}", path
    else:
        prefix, found, folder = path.partition(API)
        base = f"{url.scheme.lower()}://{url.netloc}{prefix}{API}"
        folder = folder if found else ""
    key = tuple(unquote(name) for name in folder.split("/") if name)
    api = UpstreamApi(base, _session(), RemoteThreads("artifact-upstream", THREADS))
    return UpstreamStore(api, key, RemoteThreads("artifact-upstream-put", SENDERS))


def _session() -> requests.Session:
    """Requests with this server's own credentials."""
    session = requests.Session()
    adapter = requests.adapters.HTTPAdapter(pool_maxsize=THREADS + SENDERS)
    session.mount("http://", adapter)
    session.mount("https://", adapter)
    given = {name: os.environ.get(f"MLFLOW_TRACKING_{name}") or "" for name in _NAMES}
    insecure = given["INSECURE_TLS"].lower() in {"true", "1"}
    if insecure and given["SERVER_CERT_PATH"]:
        raise UnusableDestination(
            "MLFLOW_TRACKING_INSECURE_TLS and MLFLOW_TRACKING_SERVER_CERT_PATH exclude each other."
        )
    session.verify = given["SERVER_CERT_PATH"] or not insecure
    session.cert = given["CLIENT_CERT_PATH"] or None
    session.auth = _auth(given["USERNAME"], given["PASSWORD"], given["TOKEN"])
    return session


_NAMES = ("USERNAME", "PASSWORD", "TOKEN", "INSECURE_TLS", "SERVER_CERT_PATH", "CLIENT_CERT_PATH")


class _Bearer(requests.auth.AuthBase):
    """Sends a token, or nothing; with it, ``requests`` does not look into ``~/.netrc``."""

    def __init__(self, token: str) -> None:
        self._token = token

    def __call__(self, request: requests.PreparedRequest) -> requests.PreparedRequest:
        if self._token:
            request.headers["Authorization"] = f"Bearer {self._token}"
        return request


def _auth(user: str, password: str, token: str) -> requests.auth.AuthBase:
    if user and password:
        return requests.auth.HTTPBasicAuth(user.encode(), password.encode())
    return _Bearer(token)
