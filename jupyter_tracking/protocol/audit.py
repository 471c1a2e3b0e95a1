"""The ledger: who did what to what, and how it ended; for administrators."""

from __future__ import annotations

from enum import Enum
from typing import Annotated

import msgspec
from msgspec import Meta

from .call import Call
from .limits import PageToken, Timestamp

Word = Annotated[str, Meta(max_length=256)]
EntriesPerPage = Annotated[int, Meta(ge=1, le=1000)]


class Outcome(Enum):
    """How a request ended: done, not allowed, or failed for another reason."""

    OK = "ok"
    REFUSED = "refused"
    FAILED = "failed"


class AuditEntry(msgspec.Struct, frozen=True):
    """One thing that somebody did or was refused; ``at`` is in milliseconds since the epoch.

    ``credential`` tells credentials apart and opens nothing. ``subject`` are ids and paths by their names.
    """

    id: int
    at: int
    user: str
    how: str
    credential: str
    peer: str
    endpoint: str
    method: str
    subject: dict[str, str]
    outcome: str
    status: int
    received: int
    sent: int


class SearchAudit(msgspec.Struct, frozen=True):
    """The entries of the ledger, the newest first; ``since`` is included, ``until`` is not."""

    user: Word = ""
    endpoint: Word = ""
    experiment_id: Word = ""
    run_id: Word = ""
    outcome: Outcome | None = None
    since: Timestamp | None = None
    until: Timestamp | None = None
    max_results: EntriesPerPage = 100
    page_token: PageToken = ""


class FoundAudit(msgspec.Struct, frozen=True, omit_defaults=True):
    """A page of entries."""

    entries: list[AuditEntry]
    next_page_token: str | None = None


search_audit = Call(
    "search_audit",
    ("GET",),
    "audit/search",
    SearchAudit,
    FoundAudit,
    action="admin",
    family="jupyter-tracking",
)
