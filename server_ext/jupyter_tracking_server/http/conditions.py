"""Conditions of requests: ``If-Match``, ``If-None-Match``, ``If-Modified-Since`` and ``If-Range`` (RFC 9110).

An artifact has one entity tag that is told: its sha256 if that is known, else what the store calls it. A
client may have learnt either, so both are taken as names of the artifact as it is.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from email.utils import formatdate

from ..artifact_stores.base import ArtifactInfo

__all__ = ["Validators"]

_TAG = re.compile(r'(W/)?("[^"]*")')


class Validators:
    """What tells one version of an artifact from another.

    Attributes:
        etag: the one that is told.
        sha256: of its bytes, in hex; None if it is not known.
        modified: when it came, as HTTP writes it.
    """

    def __init__(self, info: ArtifactInfo, sha256: str | None = None) -> None:
        self.sha256 = sha256
        self.etag = f'"{sha256}"' if sha256 else info.etag
        self.modified = formatdate(info.modified, usegmt=True)
        self._tags = {self.etag, info.etag}

    def refused(self, headers: Mapping[str, str]) -> bool:
        """Whether ``If-Match`` asks for another version."""
        header = headers.get("If-Match")
        if header is None or header.strip() == "*":
            return False
        return not any(tag in self._tags for weak, tag in _TAG.findall(header) if not weak)

    def unchanged(self, headers: Mapping[str, str]) -> bool:
        """Whether the client has this version: ``If-None-Match``, or ``If-Modified-Since`` in its absence."""
        header = headers.get("If-None-Match")
        if header is None:
            return headers.get("If-Modified-Since") == self.modified
        tags = {tag.removeprefix("W/") for tag in self._tags}
        return header.strip() == "*" or any(tag in tags for _, tag in _TAG.findall(header))

    def continues(self, headers: Mapping[str, str]) -> bool:
        """Whether a part fits what the client has: ``If-Range``."""
        header = headers.get("If-Range")
        return header is None or header.strip() in {*self._tags, self.modified}
