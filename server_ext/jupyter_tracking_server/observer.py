"""What is told of each request when it is over: to counters, access log, audit log and ledger.

The *access log* has every request. The *audit log* has who moved, made, changed or deleted something, or
was refused; metrics, params and tags that are logged to a run are not in it, as they are in the run. The
*ledger* is the same in the database, but for what strangers were refused, so that nobody can fill it from
outside. None has a query string, a credential or what is in a body.
"""

from __future__ import annotations

import re
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import msgspec

from jupyter_tracking.protocol.call import Action

from .artifact_stores.errors import BrokenRead, StoreFull, StoreUnavailable
from .journal import Journal
from .ledger import Ledger
from .metrics import Metrics
from .store.audit import Entry

if TYPE_CHECKING:
    from .access import Caller

__all__ = ["CLIENT_GONE", "Exchange", "Observer", "purge_entry", "row"]

CLIENT_GONE = 499
"""The status, in logs alone, of a request whose client went before it was served; as nginx has it."""
_FAULTS = (BrokenRead, StoreFull, StoreUnavailable)
_REFUSED = frozenset({401, 403})
# A path of the proxy begins with the experiment and holds the run, unless a location says otherwise.
_EXPERIMENT_OF = re.compile(r"([0-9]{1,18})(?:/|$)")
_RUN_OF = re.compile(r"(?:^|/)([0-9a-f]{32})/artifacts(?:/|$)")


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
        denied: it was answered as if the thing were missing, as the caller may not know of it.
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
    denied: bool = False


class Observer:
    """Tells the counters and journals of one server.

    Attributes:
        metrics: the counters.
        ledger: the audit in the database, if one is kept.
        audits: whether there is an audit of any kind, so that subjects are worth the work of finding them.

    Args:
        own_defaults: what the experiment id 0 stands for, by user, if it does not mean itself.
    """

    def __init__(
        self,
        metrics: Metrics,
        access: Journal | None = None,
        audit: Journal | None = None,
        ledger: Ledger | None = None,
        own_defaults: Mapping[str, int] | None = None,
    ) -> None:
        self.metrics = metrics
        self._own_defaults = {} if own_defaults is None else own_defaults
        self.ledger = ledger
        self._access = access
        self._audit = audit
        self.audits = audit is not None or ledger is not None

    def ended(self, exchange: Exchange) -> None:
        """A request is over."""
        self.metrics.request(exchange.endpoint, exchange.method, exchange.status, exchange.seconds)
        if self._access is not None:
            self._access.write(_access(exchange))
        refused = exchange.status in _REFUSED or exchange.denied
        if self.audits and (refused or exchange.action is not None):
            entry = _audit(exchange, refused, self._meant(exchange))
            if self._audit is not None:
                self._audit.write(entry)
            if self.ledger is not None and exchange.caller is not None:
                self.ledger.add(row(entry))

    def _meant(self, exchange: Exchange) -> dict[str, str]:
        """The subject, with the experiment that the id 0 stands for in the place of 0."""
        subject, caller = exchange.subject, exchange.caller
        said = subject.get("experiment_id", "")
        if caller is None or not said or said.strip("0") or caller.user not in self._own_defaults:
            return subject
        return {**subject, "experiment_id": str(self._own_defaults[caller.user])}

    async def brake(self) -> None:
        """Before a request that is audited: let the ledger catch up, if it must."""
        if self.ledger is not None:
            await self.ledger.brake()

    @property
    def is_full(self) -> bool:
        """Whether ``brake`` would take time."""
        return self.ledger is not None and self.ledger.is_full

    def purged(self, kind: str, name: str, location: str) -> None:
        """A run, logged model or experiment was removed for good by the server itself.

        The ledger has that from the transaction that removed it.
        """
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


def purge_entry(kind: str, name: str, location: str) -> dict[str, Any]:
    """The line of the audit log on what garbage collection removed."""
    return {
        "user": None,
        "endpoint": "gc",
        "subject": {f"{kind}_id": name, "location": location},
        "outcome": "ok",
    }


def row(entry: dict[str, Any], at: int | None = None) -> Entry:
    """A line of the audit log as the ledger has it; what it does not say is "" or 0.

    Args:
        entry: the line.
        at: when it happened, in milliseconds since the epoch; by default now.
    """
    experiment_id, run_id = _named(entry["subject"])
    return Entry(
        at=time.time_ns() // 1_000_000 if at is None else at,
        user_id=entry.get("user") or "",
        how=entry.get("how") or "",
        credential=entry.get("credential") or "",
        peer=entry.get("peer") or "",
        endpoint=entry["endpoint"],
        method=entry.get("method") or "",
        subject=msgspec.json.encode(entry["subject"]).decode(),
        outcome=entry["outcome"],
        status=entry.get("status") or 0,
        received=entry.get("received") or 0,
        sent=entry.get("sent") or 0,
        experiment_id=experiment_id,
        run_id=run_id,
    )


def _named(subject: Mapping[str, str]) -> tuple[str | None, str | None]:
    """The experiment and the run that a subject names, or an artifact's path does; None for none."""
    experiment, run = subject.get("experiment_id"), subject.get("run_id")
    path = subject.get("artifact_path") or subject.get("path") or ""
    if experiment or run or "model_id" in subject:
        # Then a path, if there is one, is that of an artifact in the run or model.
        return experiment, run
    found, ran = _EXPERIMENT_OF.match(path), _RUN_OF.search(path)
    return found and found[1], ran and ran[1]


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


def _audit(exchange: Exchange, refused: bool, subject: Mapping[str, str]) -> dict[str, object]:
    outcome = "refused" if refused else "ok" if exchange.status < 400 else "failed"
    return {
        **_who(exchange),
        "endpoint": exchange.endpoint,
        "method": exchange.method,
        "subject": subject,
        "outcome": outcome,
        "status": exchange.status,
        "received": exchange.received,
        "sent": exchange.sent,
    }
