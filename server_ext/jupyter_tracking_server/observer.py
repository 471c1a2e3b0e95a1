"""What is told of each request when it is over: to the counters, the access log and the audit log.

The *access log* has every request. The *audit log* has who moved, made, changed or deleted something, or
was refused; metrics, params and tags that are logged to a run are not in it, as they are in the run. Neither
has a query string, a credential or what is in a body.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from jupyter_tracking.protocol.call import Action

from .access import Caller
from .artifact_stores.errors import BrokenRead, StoreFull, StoreUnavailable
from .journal import Journal
from .metrics import Metrics

__all__ = ["CLIENT_GONE", "Exchange", "Observer", "purge_entry"]

CLIENT_GONE = 499
"""The status, in logs alone, of a request whose client went before it was served; as nginx has it."""
_FAULTS = (BrokenRead, StoreFull, StoreUnavailable)
_REFUSED = frozenset({401, 403})


@dataclass(slots=True)
class Exchange:
    """A request that is over, and its reply.

    Attributes:
        endpoint: the call's name, or that of the route.
        path: without the query.
        action: what was done to the things of the subject; None if nothing worth an audit.
        subject: what it was done to: ids and paths by their names on the wire.
        received: bytes of the body.
        sent: bytes of the reply's body.
    """

    endpoint: str
    method: str
    path: str
    peer: str
    status: int
    seconds: float
    caller: Caller | None = None
    action: Action | None = None
    subject: dict[str, str] = field(default_factory=dict)
    received: int = 0
    sent: int = 0


class Observer:
    """Tells the counters and journals of one server.

    Attributes:
        metrics: the counters.
        audits: whether there is an audit log, so that subjects are worth the work of finding them.
    """

    def __init__(self, metrics: Metrics, access: Journal | None = None, audit: Journal | None = None) -> None:
        self.metrics = metrics
        self._access = access
        self._audit = audit
        self.audits = audit is not None

    def ended(self, exchange: Exchange) -> None:
        """A request is over."""
        self.metrics.request(exchange.endpoint, exchange.method, exchange.status, exchange.seconds)
        if self._access is not None:
            self._access.write(_access(exchange))
        refused = exchange.status in _REFUSED
        if self._audit is not None and (refused or exchange.action is not None):
            self._audit.write(_audit(exchange, refused))

    def purged(self, kind: str, name: str, location: str) -> None:
        """A run, logged model or experiment was removed for good by the server itself."""
        if self._audit is not None:
            self._audit.write(purge_entry(kind, name, location))

    def failed(self, error: BaseException | None) -> None:
        """Something raised this error; those that are the artifact store's fault are counted."""
        if isinstance(error, _FAULTS):
            self.metrics.store_error(type(error).__name__)

    def close(self) -> None:
        """Give the files back."""
        for journal in (self._access, self._audit):
            if journal is not None:
                journal.close()


def purge_entry(kind: str, name: str, location: str) -> dict[str, object]:
    """The line of the audit log on what garbage collection removed."""
    return {
        "user": None,
        "endpoint": "gc",
        "subject": {f"{kind}_id": name, "location": location},
        "outcome": "ok",
    }


def _who(exchange: Exchange) -> dict[str, object]:
    caller = exchange.caller
    if caller is None:
        return {"user": None, "peer": exchange.peer}
    return {"user": caller.user, "how": caller.how, "credential": caller.credential, "peer": exchange.peer}


def _access(exchange: Exchange) -> dict[str, object]:
    return {
        **_who(exchange),
        "method": exchange.method,
        "path": exchange.path,
        "endpoint": exchange.endpoint,
        "status": exchange.status,
        "seconds": round(exchange.seconds, 6),
        "received": exchange.received,
        "sent": exchange.sent,
    }


def _audit(exchange: Exchange, refused: bool) -> dict[str, object]:
    outcome = "refused" if refused else "ok" if exchange.status < 400 else "failed"
    return {
        **_who(exchange),
        "endpoint": exchange.endpoint,
        "method": exchange.method,
        "subject": exchange.subject,
        "outcome": outcome,
        "status": exchange.status,
        "received": exchange.received,
        "sent": exchange.sent,
    }
