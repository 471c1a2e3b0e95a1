"""Share links: which digest opens which run, and what of it, until when."""

from __future__ import annotations

from typing import TYPE_CHECKING, NamedTuple

from jupyter_tracking.protocol.share_links import ShareLink

if TYPE_CHECKING:
    from .database import Transaction

__all__ = [
    "Found",
    "add",
    "find",
    "get",
    "of_experiment",
    "of_run",
    "remove",
    "remove_expired",
    "remove_made_by",
]

_SELECT = (
    "SELECT share_links.id, runs.run_id, path, created_by, created, expires, runs.experiment "
    "FROM share_links JOIN runs ON runs.rid = share_links.rid"
)


class Found(NamedTuple):
    """A link, and the number of the experiment that its run is in."""

    link: ShareLink
    experiment: int


def add(tx: Transaction, link: ShareLink, digest: bytes) -> None:
    """Store a link to a run that is there."""
    tx.driver(
        "INSERT INTO share_links (id, digest, rid, path, created_by, created, expires) "
        "SELECT ?, ?, rid, ?, ?, ?, ? FROM runs WHERE run_id = ?",
        (link.id, digest, link.path, link.created_by, link.created, link.expires, link.run_id),
    )


def find(tx: Transaction, digest: bytes) -> Found | None:
    """The link that a secret with this digest opens, also an expired one."""
    return _one(tx, "digest = ?", digest)


def get(tx: Transaction, link_id: str) -> Found | None:
    """A link by its id, also an expired one."""
    return _one(tx, "share_links.id = ?", link_id)


def of_run(tx: Transaction, run_id: str, now: int) -> list[ShareLink]:
    """The links to a run, or to what is in it, that have not expired; the newest first."""
    return _several(tx, "runs.run_id = ?", run_id, now)


def of_experiment(tx: Transaction, experiment: int, now: int) -> list[ShareLink]:
    """The same of all runs of an experiment."""
    return _several(tx, "runs.experiment = ?", experiment, now)


def remove(tx: Transaction, link_id: str) -> None:
    """Forget a link."""
    tx.driver("DELETE FROM share_links WHERE id = ?", [link_id])


def remove_expired(tx: Transaction, run_id: str, now: int) -> None:
    """Forget the links to a run that open nothing any more."""
    tx.driver(
        "DELETE FROM share_links WHERE rid = (SELECT rid FROM runs WHERE run_id = ?) AND expires <= ?",
        (run_id, now),
    )


def remove_made_by(tx: Transaction, user: str) -> int:
    """Forget all links that a user made; how many there were."""
    return len(tx.driver("DELETE FROM share_links WHERE created_by = ? RETURNING id", [user]))


def _one(tx: Transaction, condition: str, value: object) -> Found | None:
    rows = tx.driver(f"{_SELECT} WHERE {condition}", [value])
    return Found(ShareLink(*rows[0][:-1]), rows[0][-1]) if rows else None


def _several(tx: Transaction, condition: str, value: object, now: int) -> list[ShareLink]:
    sql = f"{_SELECT} WHERE {condition} AND expires > ? ORDER BY created DESC, share_links.id"
    return [ShareLink(*row[:-1]) for row in tx.driver(sql, [value, now])]
