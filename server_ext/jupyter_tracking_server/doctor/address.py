"""A running server as its clients see it, and the address that it tells them."""

from __future__ import annotations

import base64
import json
import os
import ssl
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from email.utils import parsedate_to_datetime
from http.client import HTTPException
from typing import NamedTuple
from urllib.parse import urlsplit

from jupyter_tracking.protocol import API_VERSION

from ..config import Settings, is_loopback
from .findings import Finding, bad, look, ok

__all__ = ["check_public_url", "check_running"]

PATIENCE = 10.0
SKEW = 60.0
"""Seconds by which two clocks may differ."""


class _Answer(NamedTuple):
    status: int
    date: str
    body: bytes


def check_public_url(settings: Settings) -> Iterator[Finding]:
    """Whether parts of big uploads will find their way back to this server."""
    if settings.public_url:
        yield ok(f"Clients are told {settings.public_url}.")
    elif not is_loopback(settings.host):
        yield look(
            "Clients are told the address by which they came.",
            "If a proxy stands before the server, let it send X-Forwarded-Proto, -Host and -Prefix, or set "
            "--public-url.",
        )


def check_running(url: str) -> Iterator[Finding]:
    """Ask a server as a client does, with the credential that the environment has."""
    url = url.rstrip("/")
    if urlsplit(url).scheme not in {"http", "https"}:
        yield bad(f"{url} is no address of a server.", "Write it as http://host:port/path.")
        return
    try:
        health = _ask(f"{url}/health")
        if health.status != 200:
            yield bad(
                f"{url}/health answers {health.status}.", "Check the path; a server behind a prefix has it."
            )
            return
        yield ok(f"The server at {url} is healthy.")
        yield from _clock(health)
        yield from _version(_ask(f"{url}/version"))
        yield from _capabilities(_ask(f"{url}/api/3.0/mlflow/server-info"))
        yield from _rights(url)
    except (OSError, HTTPException) as error:
        reason = error.reason if isinstance(error, urllib.error.URLError) else error
        yield bad(
            f"The server at {url} does not answer: {reason}.", "Check the address, and whether it runs."
        )


def _ask(url: str) -> _Answer:
    request = urllib.request.Request(url, headers=_headers())  # noqa: S310 - its scheme has been looked at
    authorities = os.environ.get("MLFLOW_TRACKING_SERVER_CERT_PATH")
    trusted = ssl.create_default_context(cafile=authorities) if authorities else None
    try:
        with urllib.request.urlopen(request, timeout=PATIENCE, context=trusted) as reply:  # noqa: S310 - the same
            return _Answer(reply.status, reply.headers.get("Date", ""), reply.read(2**20))
    except urllib.error.HTTPError as error:
        with error:
            return _Answer(error.code, error.headers.get("Date", ""), error.read(2**20))


def _headers() -> dict[str, str]:
    """As stock clients have it, a password goes before a token."""
    user, password, token = (
        os.environ.get(f"MLFLOW_TRACKING_{name}") for name in ("USERNAME", "PASSWORD", "TOKEN")
    )
    if user and password:
        return {"Authorization": f"Basic {base64.b64encode(f'{user}:{password}'.encode()).decode()}"}
    return {"Authorization": f"Bearer {token}"} if token else {}


def _clock(answer: _Answer) -> Iterator[Finding]:
    if not answer.date:
        return
    skew = abs(parsedate_to_datetime(answer.date).timestamp() - time.time())
    if skew > SKEW:
        yield look(f"Its clock differs from this machine's by {skew:.0f} s.", "Run a time service on both.")


def _version(answer: _Answer) -> Iterator[Finding]:
    text = answer.body.decode(errors="replace")[:40]
    if answer.status == 200 and text == API_VERSION:
        yield ok(f"It speaks the API of MLflow {text}.")
    else:
        yield look(f"It says version {text!r}, this one {API_VERSION}.", "Is it a server of this version?")


def _capabilities(answer: _Answer) -> Iterator[Finding]:
    try:
        info = json.loads(answer.body) if answer.status == 200 else {}
    except ValueError:
        info = {}
    parts = isinstance(info, dict) and info.get("multipart_uploads_enabled") is True
    yield ok(f"It takes big files {'in parts' if parts else 'as one'}.")


def _rights(url: str) -> Iterator[Finding]:
    answer = _ask(f"{url}/api/2.0/mlflow/experiments/search?max_results=1")
    if answer.status == 200:
        yield ok("It lets this client in.")
    elif answer.status in {401, 403}:
        yield look(
            "It does not let this client in.",
            "Set MLFLOW_TRACKING_TOKEN, or _USERNAME and _PASSWORD, as it asks.",
        )
    elif answer.status == 501:
        yield ok("It serves artifacts only.")
    else:
        yield bad(f"It answers {answer.status} when asked for experiments.", "Its log says why.")
