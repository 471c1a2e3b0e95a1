"""Azure's Blob service, as far as ``obstore`` does not speak it: pages of a listing, blocks, conditions.

Requests run in threads, are signed with the account's key, its given signature or a token, and name no
credential in a log or an error: addresses may hold a signature, so no address is told either.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import logging
import time
from collections.abc import Mapping
from concurrent.futures import Executor
from email.utils import formatdate, parsedate_to_datetime
from typing import NamedTuple, cast
from urllib.parse import quote, unquote, urlencode, urlsplit
from xml.etree import ElementTree

import requests
from requests.adapters import HTTPAdapter

from .azure_account import Account
from .errors import StoreUnavailable
from .part_sender import SEND_TIMEOUT, Body

__all__ = ["Answer", "BlobService", "Listing", "is_directory"]

VERSION = "2021-12-02"
"""The first one whose listings can hold every name, and that all of Azure's clouds know."""
TRIES = 3
PAUSE = 0.2
AT_ONCE = 64

log = logging.getLogger("jupyter_tracking")
Answer = requests.Response


class Blob(NamedTuple):
    """A blob in a listing: bytes, and seconds since the epoch."""

    name: str
    size: int
    modified: float


class Listing(NamedTuple):
    """A page of names.

    Attributes:
        blobs: those with bytes.
        folders: what names have in common up to a delimiter, and it.
        directories: blobs that stand for a folder.
        marker: leads to the next page; ``""`` if there is none.
    """

    blobs: list[Blob]
    folders: list[str]
    directories: list[str]
    marker: str


class _Refused(StoreUnavailable):
    """The service does not know this server, or does not let it: not to be tried again."""


class _Request(NamedTuple):
    url: str
    headers: dict[str, str]


class BlobService:
    """One container.

    Args:
        account: it and what opens it.
        threads: where requests run; None for the loop's own.
        stall: seconds without a byte after which a request is given up.
    """

    def __init__(self, account: Account, threads: Executor | None, stall: float = SEND_TIMEOUT[1]) -> None:
        self._account = account
        self._timeout = (min(SEND_TIMEOUT[0], stall), stall)
        self._threads = threads
        self._session = requests.Session()
        adapter = HTTPAdapter(pool_maxsize=AT_ONCE)
        self._session.mount("https://", adapter)
        self._session.mount("http://", adapter)

    async def ask(
        self,
        method: str,
        name: str,
        query: Mapping[str, str],
        body: bytes = b"",
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """The answer to a request, which is repeated if the service could not deal with it.

        Args:
            method: the verb.
            name: of the blob in the container, or ``""`` for the container.
            query: what is asked about it.
            body: what is sent.
            headers: besides those that every request has.

        Raises:
            StoreUnavailable: no answer, or one that refuses this server; others are the caller's to judge.
        """
        loop = asyncio.get_running_loop()
        for attempt in range(1, TRIES + 1):
            try:
                return await loop.run_in_executor(
                    self._threads, self.send, method, name, query, body, headers or {}
                )
            except _Refused:
                raise
            except StoreUnavailable:
                if attempt == TRIES:
                    raise
            await asyncio.sleep(PAUSE * 2**attempt)
        raise StoreUnavailable

    def send(
        self,
        method: str,
        name: str,
        query: Mapping[str, str],
        body: bytes | Body,
        headers: Mapping[str, str],
    ) -> Answer:
        """The answer to one request; to be called in a thread.

        Raises:
            StoreUnavailable: as ``ask`` says.
        """
        what = f"{method} {query.get('comp', 'blob')}"
        try:
            request = self._signed(method, name, query, len(body), headers)
            answer = self._session.request(
                method, request.url, data=body or None, headers=request.headers, timeout=self._timeout
            )
        except requests.RequestException as error:
            # Its text has the address.
            log.warning("artifact store: Azure did not answer (%s): %s", what, type(error).__name__)
            raise StoreUnavailable from None
        if answer.status_code in {401, 403, 408, 429} or answer.status_code >= 500:
            code = answer.headers.get("x-ms-error-code", "no error code")
            log.warning("artifact store: Azure refused (%s): %d, %s", what, answer.status_code, code)
            raise _Refused if answer.status_code in {401, 403} else StoreUnavailable
        return answer

    async def names(self, prefix: str, marker: str = "", limit: int = 1000, delimiter: str = "") -> Listing:
        """A page of the names that begin with ``prefix``, in their order.

        Raises:
            StoreUnavailable
        """
        query = {"restype": "container", "comp": "list", "include": "metadata", "maxresults": str(limit)}
        optional = {"prefix": prefix, "marker": marker, "delimiter": delimiter}
        query |= {word: value for word, value in optional.items() if value}
        answer = await self.ask("GET", "", query)
        self.require(answer, 200)
        page = self.parsed(answer)
        blobs, directories = [], []
        for line in page.iterfind("Blobs/Blob"):
            if is_directory(line.findtext("Metadata/hdi_isfolder")):
                directories.append(_name(line))
            else:
                size = int(line.findtext("Properties/Content-Length", "0"))
                modified = parsedate_to_datetime(line.findtext("Properties/Last-Modified", ""))
                blobs.append(Blob(_name(line), size, modified.timestamp()))
        folders = [_name(line) for line in page.iterfind("Blobs/BlobPrefix")]
        return Listing(blobs, folders, directories, page.findtext("NextMarker") or "")

    def require(self, answer: Answer, *expected: int) -> None:
        """Accept these statuses only.

        Raises:
            StoreUnavailable: it is another one.
        """
        if answer.status_code not in expected:
            code = answer.headers.get("x-ms-error-code", "no error code")
            log.warning("artifact store: Azure answered %d, %s", answer.status_code, code)
            raise StoreUnavailable

    def parsed(self, answer: Answer) -> ElementTree.Element:
        """What the service says in XML.

        Raises:
            StoreUnavailable: it is no XML.
        """
        try:
            return ElementTree.fromstring(answer.content)  # noqa: S314 - of the store itself
        except ElementTree.ParseError:
            log.warning("artifact store: Azure's answer is no XML")
            raise StoreUnavailable from None

    def close(self) -> None:
        """Close the connections."""
        self._session.close()

    def _signed(
        self, method: str, name: str, query: Mapping[str, str], length: int, headers: Mapping[str, str]
    ) -> _Request:
        if not {".", ".."}.isdisjoint(name.split("/")):
            # On its way it would become another name. We write none of these.
            log.warning("artifact store: a blob has a name that cannot be asked for")
            raise StoreUnavailable
        path = f"{self._account.container}/{quote(name, safe='/')}" if name else self._account.container
        url = f"{self._account.endpoint}/{path}"
        words = urlencode(query, quote_via=quote)
        sent = {"x-ms-version": VERSION, "x-ms-date": formatdate(time.time(), usegmt=True), **headers}
        credential = cast("Mapping[str, object]", self._account.credential())
        if "sas_token" in credential:
            words = f"{words}&{credential['sas_token']}" if words else str(credential["sas_token"])
        elif "token" in credential:
            sent["Authorization"] = f"Bearer {credential['token']}"
        else:
            text = _to_sign(method, length, sent) + f"/{self._account.name}{urlsplit(url).path}"
            text += "".join(f"\n{word}:{query[word]}" for word in sorted(query))
            key = base64.b64decode(str(credential["access_key"]))
            signature = base64.b64encode(hmac.digest(key, text.encode(), hashlib.sha256)).decode()
            sent["Authorization"] = f"SharedKey {self._account.name}:{signature}"
        return _Request(f"{url}?{words}" if words else url, sent)


def _to_sign(method: str, length: int, headers: Mapping[str, str]) -> str:
    """What a key signs of a request's verb and headers; the resource comes behind it."""
    given = {name.lower(): value for name, value in headers.items()}
    lines = [method, "", "", str(length or ""), "", given.get("content-type", ""), "", ""]
    lines += [given.get("if-match", ""), given.get("if-none-match", ""), "", given.get("range", "")]
    lines += [f"{name}:{given[name]}" for name in sorted(given) if name.startswith("x-ms-")]
    return "\n".join(lines) + "\n"


def is_directory(mark: str | None) -> bool:
    """Whether a blob stands for a folder, by the metadata ``hdi_isfolder`` that Azure's file systems use."""
    return (mark or "").lower() == "true"


def _name(line: ElementTree.Element) -> str:
    name = line.find("Name")
    if name is None or not name.text:
        return ""
    return unquote(name.text) if name.get("Encoded") == "true" else name.text
