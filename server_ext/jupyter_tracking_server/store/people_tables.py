"""The tables of who may do what, who did what, and how much they hold.

A *subject* is a user, a group, or (kind ``everyone``, with an empty name) each caller that is known. Secrets
are kept as digests only. Times are milliseconds since the epoch.
"""

from __future__ import annotations

from sqlalchemy import BigInteger, Column, ForeignKey, Index, LargeBinary, SmallInteger, Table

from .tables import Id, String, metadata

__all__ = [
    "audit",
    "ended_sessions",
    "grants",
    "memberships",
    "metadata",
    "quotas",
    "share_links",
    "tokens",
    "usage",
    "users",
]

# Roles of subjects in experiments (codes.py).
grants = Table(
    "grants",
    metadata,
    Column("experiment", Id, ForeignKey("experiments.id"), primary_key=True),
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("role", SmallInteger, nullable=False),
    Index("ix_grants_kind_name", "kind", "name", "experiment"),
    sqlite_with_rowid=False,
)

# Accounts of the standalone server. A Hub keeps its own; then there are rows for memberships alone.
users = Table(
    "users",
    metadata,
    Column("name", String, primary_key=True),
    Column("password", String),  # as argon2 writes it; NULL for none
    Column("admin", SmallInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

# Who is in which group: told to the standalone server, or as the Hub said when it was last asked.
memberships = Table(
    "memberships",
    metadata,
    Column("user_id", String, primary_key=True),
    Column("group_name", String, primary_key=True),
    Index("ix_memberships_group", "group_name", "user_id"),
    sqlite_with_rowid=False,
)

# Sessions of browsers whose users signed out, until they would have been over by themselves.
ended_sessions = Table(
    "ended_sessions",
    metadata,
    Column("id", String, primary_key=True),
    Column("until", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

tokens = Table(
    "tokens",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("user_id", String, nullable=False),
    Column("scopes", String, nullable=False),  # separated by spaces
    Column("note", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger),
    Column("last_used", BigInteger),
    Index("ix_tokens_digest", "digest", unique=True),
    Index("ix_tokens_user_id", "user_id"),
)

# Links by which anybody reads a run, or one artifact or folder of it (path).
share_links = Table(
    "share_links",
    metadata,
    Column("id", String, primary_key=True),
    Column("digest", LargeBinary, nullable=False),
    Column("rid", Id, ForeignKey("runs.rid"), nullable=False),
    Column("path", String, nullable=False),
    Column("created_by", String, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("expires", BigInteger, nullable=False),
    Index("ix_share_links_digest", "digest", unique=True),
    Index("ix_share_links_rid", "rid"),
)

# Only ever added to; the server has no statement that changes a row.
audit = Table(
    "audit",
    metadata,
    Column("id", Id, primary_key=True),
    Column("at", BigInteger, nullable=False),
    Column("user_id", String, nullable=False),
    Column("how", String, nullable=False),
    Column("credential", String, nullable=False),
    Column("peer", String, nullable=False),
    Column("endpoint", String, nullable=False),
    Column("method", String, nullable=False),
    Column("subject", String, nullable=False),  # a JSON object of ids and paths
    Column("outcome", String, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("received", BigInteger, nullable=False),
    Column("sent", BigInteger, nullable=False),
    Column("experiment_id", String),  # those that the subject names, for searches
    Column("run_id", String),
    Index("ix_audit_at", "at"),
    Index("ix_audit_user_id", "user_id", "at"),
    Index("ix_audit_experiment_id", "experiment_id", "at"),
    Index("ix_audit_run_id", "run_id", "at"),
    sqlite_autoincrement=True,
)

# What subjects may hold; NULL is no limit.
quotas = Table(
    "quotas",
    metadata,
    Column("kind", String, primary_key=True),
    Column("name", String, primary_key=True),
    Column("max_bytes", BigInteger),
    Column("max_runs", BigInteger),
    sqlite_with_rowid=False,
)

# What users hold: bytes of artifacts that they stored, and runs that they made, until these are purged.
usage = Table(
    "usage",
    metadata,
    Column("user_id", String, primary_key=True),
    Column("bytes", BigInteger, nullable=False),
    Column("runs", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)
