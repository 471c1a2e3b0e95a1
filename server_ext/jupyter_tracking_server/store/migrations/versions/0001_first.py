"""The first schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import op
from sqlalchemy.dialects import postgresql

revision = "0001"
down_revision = None

String = sa.Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Id = sa.BigInteger().with_variant(sa.Integer(), "sqlite")


def upgrade() -> None:
    """Make all tables."""
    _experiments()
    _runs()
    _metrics()
    _datasets()
    _logged_models()
    _logged_model_data()
    _artifacts()
    _uploads()
    _purges()
    _rights()
    _accounts()
    _ledger()


def _experiments() -> None:
    """Experiments and the names that everything shares."""
    op.create_table(
        "meta",
        sa.Column("name", String, primary_key=True),
        sa.Column("value", String, nullable=False),
    )
    op.create_table(
        "keys",
        sa.Column("id", Id, primary_key=True),
        sa.Column("text", String, nullable=False),
        sa.UniqueConstraint("text"),
    )
    op.create_table(
        "experiments",
        sa.Column("id", Id, primary_key=True),
        sa.Column("name", String, nullable=False),
        sa.Column("artifact_location", String, nullable=False),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("owner", String, nullable=False),
        sa.Column("namespace", String, nullable=False),
        sa.UniqueConstraint("name", "namespace"),
        sqlite_autoincrement=True,
    )
    op.create_table(
        "experiment_tags",
        sa.Column("experiment", Id, sa.ForeignKey("experiments.id"), primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("value", String, nullable=False),
        sqlite_with_rowid=False,
    )


def _runs() -> None:
    """Runs with their params and tags."""
    op.create_table(
        "runs",
        sa.Column("rid", Id, primary_key=True),
        sa.Column("run_id", String, nullable=False),
        sa.Column("experiment", Id, sa.ForeignKey("experiments.id"), nullable=False),
        sa.Column("name", String, nullable=False),
        sa.Column("user_id", String, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("start_time", sa.BigInteger(), nullable=False),
        sa.Column("end_time", sa.BigInteger()),
        sa.Column("deleted_time", sa.BigInteger()),
        sa.Column("artifact_uri", String, nullable=False),
        sa.UniqueConstraint("run_id"),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_runs_page", "runs", ["experiment", "lifecycle", sa.text("start_time DESC"), "run_id"])
    op.create_table(
        "params",
        sa.Column("rid", Id, sa.ForeignKey("runs.rid"), primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("value", String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_params_key_head_rid", "params", ["key", sa.text("substr(value, 1, 200)"), "rid"])
    op.create_table(
        "tags",
        sa.Column("rid", Id, sa.ForeignKey("runs.rid"), primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("value", String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_tags_key_head_rid", "tags", ["key", sa.text("substr(value, 1, 200)"), "rid"])


def _metrics() -> None:
    """The three forms of a metric: latest point, tail and chunks."""
    op.create_table(
        "latest_metrics",
        sa.Column("rid", Id, sa.ForeignKey("runs.rid"), primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("value", sa.Double()),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_latest_metrics_key_value_rid", "latest_metrics", ["key", "value", "rid"])
    op.create_table(
        "metric_tail",
        sa.Column("seq", Id, primary_key=True),
        sa.Column("rid", Id, nullable=False),
        sa.Column("key", Id, nullable=False),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sa.Column("timestamp", sa.BigInteger(), nullable=False),
        sa.Column("value", sa.Double()),
    )
    op.create_index("ix_metric_tail_rid", "metric_tail", ["rid"])
    op.create_table(
        "metric_chunk",
        sa.Column("rid", Id, primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("first_step", sa.BigInteger(), primary_key=True),
        sa.Column("seq", Id, primary_key=True),
        sa.Column("last_step", sa.BigInteger(), nullable=False),
        sa.Column("first_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("last_timestamp", sa.BigInteger(), nullable=False),
        sa.Column("count", sa.Integer(), nullable=False),
        sa.Column("points", sa.LargeBinary(), nullable=False),
        sqlite_with_rowid=False,
    )


def _datasets() -> None:
    """What runs read."""
    op.create_table(
        "datasets",
        sa.Column("id", Id, primary_key=True),
        sa.Column("experiment", Id, sa.ForeignKey("experiments.id"), nullable=False),
        sa.Column("name", String, nullable=False),
        sa.Column("digest", String, nullable=False),
        sa.Column("source_type", String, nullable=False),
        sa.Column("source", String, nullable=False),
        sa.Column("schema", String),
        sa.Column("profile", String),
        sa.UniqueConstraint("experiment", "name", "digest"),
    )
    op.create_table(
        "dataset_inputs",
        sa.Column("rid", Id, sa.ForeignKey("runs.rid"), primary_key=True),
        sa.Column("dataset", Id, sa.ForeignKey("datasets.id"), primary_key=True),
        sa.Column("tags", String, nullable=False),
        sa.Column("context", String),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_dataset_inputs_dataset", "dataset_inputs", ["dataset"])
    op.create_table(
        "model_inputs",
        sa.Column("rid", Id, sa.ForeignKey("runs.rid"), primary_key=True),
        sa.Column("model_id", String, primary_key=True),
        sqlite_with_rowid=False,
    )


def _logged_models() -> None:
    """What runs make."""
    op.create_table(
        "model_outputs",
        sa.Column("rid", Id, sa.ForeignKey("runs.rid"), primary_key=True),
        sa.Column("model_id", String, primary_key=True),
        sa.Column("step", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "logged_models",
        sa.Column("mid", Id, primary_key=True),
        sa.Column("model_id", String, nullable=False),
        sa.Column("experiment", Id, sa.ForeignKey("experiments.id"), nullable=False),
        sa.Column("name", String, nullable=False),
        sa.Column("artifact_uri", String, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("lifecycle", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("updated", sa.BigInteger(), nullable=False),
        sa.Column("model_type", String),
        sa.Column("source_run_id", String),
        sa.Column("status_message", String),
        sa.UniqueConstraint("model_id"),
        sqlite_autoincrement=True,
    )
    op.create_index(
        "ix_logged_models_page",
        "logged_models",
        ["experiment", "lifecycle", sa.text("created DESC"), "model_id"],
    )


def _logged_model_data() -> None:
    """Params, tags and metrics of logged models."""
    op.create_table(
        "logged_model_params",
        sa.Column("mid", Id, sa.ForeignKey("logged_models.mid"), primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("value", String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "logged_model_tags",
        sa.Column("mid", Id, sa.ForeignKey("logged_models.mid"), primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("value", String, nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "logged_model_metrics",
        sa.Column("mid", Id, primary_key=True),
        sa.Column("key", Id, sa.ForeignKey("keys.id"), primary_key=True),
        sa.Column("run_id", String, primary_key=True),
        sa.Column("step", sa.BigInteger(), primary_key=True),
        sa.Column("timestamp", sa.BigInteger(), primary_key=True),
        sa.Column("value", sa.Double()),
        sa.Column("dataset_name", String),
        sa.Column("dataset_digest", String),
        sqlite_with_rowid=False,
    )


def _purges() -> None:
    """What is left of owners that are gone."""
    op.create_table(
        "purges",
        sa.Column("id", Id, primary_key=True),
        sa.Column("kind", String, nullable=False),
        sa.Column("owner", String, nullable=False),
        sa.Column("number", Id, nullable=False),
        sa.Column("location", String, nullable=False),
        sa.Column("since", sa.BigInteger(), nullable=False),
        sqlite_autoincrement=True,
    )


def _artifacts() -> None:
    """What is known of artifacts beside their bytes."""
    op.create_table(
        "artifact_files",
        sa.Column("root", sa.LargeBinary(), primary_key=True),
        sa.Column("file", sa.LargeBinary(), primary_key=True),
        sa.Column("path", String, nullable=False),
        sa.Column("size", sa.BigInteger(), nullable=False),
        sa.Column("store_etag", String, nullable=False),
        sa.Column("sha256", String, nullable=False),
        sa.Column("stored", sa.BigInteger(), nullable=False),
        sa.Column("user_id", String, nullable=False),
        sqlite_with_rowid=False,
    )


def _uploads() -> None:
    """Uploads in parts."""
    op.create_table(
        "artifact_uploads",
        sa.Column("upload_id", String, primary_key=True),
        sa.Column("key", String, nullable=False),
        sa.Column("store_upload", String, nullable=False),
        sa.Column("user_id", String, nullable=False),
        sa.Column("num_parts", sa.Integer(), nullable=False),
        sa.Column("size", sa.BigInteger()),
        sa.Column("sha256", String),
        sa.Column("part_size", sa.BigInteger()),
        sa.Column("touched", sa.BigInteger(), nullable=False),
        sa.Column("completing", sa.BigInteger()),
        sa.Column("made", String),
    )
    op.create_index("ix_artifact_uploads_sha256", "artifact_uploads", ["sha256"])
    op.create_index("ix_artifact_uploads_touched", "artifact_uploads", ["touched"])
    op.create_table(
        "artifact_upload_parts",
        sa.Column("upload_id", String, primary_key=True),
        sa.Column("number", sa.Integer(), primary_key=True),
        sa.Column("etag", String, nullable=False),
        sqlite_with_rowid=False,
    )


def _rights() -> None:
    """Who may do what in experiments."""
    op.create_table(
        "grants",
        sa.Column("experiment", Id, sa.ForeignKey("experiments.id"), primary_key=True),
        sa.Column("kind", String, primary_key=True),
        sa.Column("name", String, primary_key=True),
        sa.Column("role", sa.SmallInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_grants_kind_name", "grants", ["kind", "name", "experiment"])
    op.create_table(
        "share_links",
        sa.Column("id", String, primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("rid", Id, sa.ForeignKey("runs.rid"), nullable=False),
        sa.Column("path", String, nullable=False),
        sa.Column("created_by", String, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger(), nullable=False),
    )
    op.create_index("ix_share_links_digest", "share_links", ["digest"], unique=True)
    op.create_index("ix_share_links_rid", "share_links", ["rid"])


def _accounts() -> None:
    """Users, their groups, their tokens and the sessions that they ended."""
    op.create_table(
        "users",
        sa.Column("name", String, primary_key=True),
        sa.Column("password", String),
        sa.Column("admin", sa.SmallInteger(), nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "memberships",
        sa.Column("user_id", String, primary_key=True),
        sa.Column("group_name", String, primary_key=True),
        sqlite_with_rowid=False,
    )
    op.create_index("ix_memberships_group", "memberships", ["group_name", "user_id"])
    op.create_table(
        "ended_sessions",
        sa.Column("id", String, primary_key=True),
        sa.Column("until", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "tokens",
        sa.Column("id", String, primary_key=True),
        sa.Column("digest", sa.LargeBinary(), nullable=False),
        sa.Column("user_id", String, nullable=False),
        sa.Column("scopes", String, nullable=False),
        sa.Column("note", String, nullable=False),
        sa.Column("created", sa.BigInteger(), nullable=False),
        sa.Column("expires", sa.BigInteger()),
        sa.Column("last_used", sa.BigInteger()),
    )
    op.create_index("ix_tokens_digest", "tokens", ["digest"], unique=True)
    op.create_index("ix_tokens_user_id", "tokens", ["user_id"])


def _ledger() -> None:
    """Who did what, and how much they hold."""
    op.create_table(
        "audit",
        sa.Column("id", Id, primary_key=True),
        sa.Column("at", sa.BigInteger(), nullable=False),
        sa.Column("user_id", String, nullable=False),
        sa.Column("how", String, nullable=False),
        sa.Column("credential", String, nullable=False),
        sa.Column("peer", String, nullable=False),
        sa.Column("endpoint", String, nullable=False),
        sa.Column("method", String, nullable=False),
        sa.Column("subject", String, nullable=False),
        sa.Column("outcome", String, nullable=False),
        sa.Column("status", sa.SmallInteger(), nullable=False),
        sa.Column("received", sa.BigInteger(), nullable=False),
        sa.Column("sent", sa.BigInteger(), nullable=False),
        sa.Column("experiment_id", String),
        sa.Column("run_id", String),
        sqlite_autoincrement=True,
    )
    op.create_index("ix_audit_at", "audit", ["at"])
    op.create_index("ix_audit_user_id", "audit", ["user_id", "at"])
    op.create_index("ix_audit_experiment_id", "audit", ["experiment_id", "at"])
    op.create_index("ix_audit_run_id", "audit", ["run_id", "at"])
    op.create_table(
        "quotas",
        sa.Column("kind", String, primary_key=True),
        sa.Column("name", String, primary_key=True),
        sa.Column("max_bytes", sa.BigInteger()),
        sa.Column("max_runs", sa.BigInteger()),
        sqlite_with_rowid=False,
    )
    op.create_table(
        "usage",
        sa.Column("user_id", String, primary_key=True),
        sa.Column("bytes", sa.BigInteger(), nullable=False),
        sa.Column("runs", sa.BigInteger(), nullable=False),
        sqlite_with_rowid=False,
    )
