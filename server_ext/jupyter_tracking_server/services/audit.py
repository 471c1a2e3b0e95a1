"""Rules of the ledger: administrators read it, nobody changes it."""

from __future__ import annotations

import msgspec

from jupyter_tracking.protocol import audit as wire

from ..context import Context
from ..search.pages import Pages
from ..store import audit as store
from ..store.page_secret import page_secret

__all__ = ["search_audit", "told"]


def search_audit(context: Context, request: wire.SearchAudit) -> wire.FoundAudit:
    """The newest entries first, a page at a time.

    Raises:
        InvalidParameterValue: the page token is another search's.
    """
    wanted = store.Wanted(
        request.user,
        request.endpoint,
        request.experiment_id,
        request.run_id,
        request.outcome.value if request.outcome else "",
        request.since,
        request.until,
    )
    pages = Pages(page_secret(context.tx), ("audit", *map(str, wanted)))
    cursor = pages.cursor(request.page_token)
    after = None if cursor is None else (int(cursor[0] or 0), int(cursor[1] or 0))
    found = store.page(context.tx, wanted, after, request.max_results + 1)
    shown = found[: request.max_results]
    token = pages.token((shown[-1][1].at, shown[-1][0])) if len(found) > len(shown) else None
    return wire.FoundAudit([told(*row) for row in shown], token)


def told(number: int, entry: store.Entry) -> wire.AuditEntry:
    """An entry as the wire has it."""
    return wire.AuditEntry(
        number,
        entry.at,
        entry.user_id,
        entry.how,
        entry.credential,
        entry.peer,
        entry.endpoint,
        entry.method,
        msgspec.json.decode(entry.subject, type=dict[str, str]),
        entry.outcome,
        entry.status,
        entry.received,
        entry.sent,
    )
