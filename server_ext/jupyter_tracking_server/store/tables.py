"""The schema, the same on SQLite and PostgreSQL.

``rid`` and ``mid`` are internal integers of runs and logged models; ``run_id`` and ``model_id`` are the
ids on the wire. ``key`` refers to ``keys``, the one dictionary of metric, param and tag names. Times are
milliseconds since the epoch. A NaN value is stored as NULL, as SQLite can hold no NaN. ``status`` and
``lifecycle`` are small numbers (``codes.py``).
"""

from __future__ import annotations

from sqlalchemy import (
    BigInteger,
    Column,
    Double,
    ForeignKey,
    Index,
    Integer,
    LargeBinary,
    MetaData,
    SmallInteger,
    Table,
    Text,
    UniqueConstraint,
    func,
    text,
)
from sqlalchemy.dialects import postgresql

VALUE_HEAD = 200
"""Characters of a param or tag value that an index holds; PostgreSQL's entries stop near 2,700 bytes."""

metadata = MetaData(
    naming_convention={
        "ix": "ix_%(table_name)s_%(column_0_N_name)s",
        "uq": "uq_%(table_name)s_%(column_0_N_name)s",
        "fk": "fk_%(table_name)s_%(column_0_N_name)s",
        "pk": "pk_%(table_name)s",
    }
)

# Byte order on both databases; SQLite numbers rows only in a column spelled INTEGER.
String = Text().with_variant(postgresql.TEXT(collation="C"), "postgresql")
Id = BigInteger().with_variant(Integer(), "sqlite")


def _value_index(table: str, column: Column[str]) -> Index:
    return Index(f"ix_{table}_key_head_rid", text("key"), func.substr(column, 1, VALUE_HEAD), text("rid"))


meta = Table(
    "meta",
    metadata,
    Column("name", String, primary_key=True),
    Column("value", String, nullable=False),
)

experiments = Table(
    "experiments",
    metadata,
    Column("id", Id, primary_key=True),
    Column("name", String, nullable=False),
    Column("artifact_location", String, nullable=False),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("owner", String, nullable=False),
    Column("namespace", String, nullable=False),
    UniqueConstraint("name", "namespace"),
    sqlite_autoincrement=True,
)

keys = Table(
    "keys",
    metadata,
    Column("id", Id, primary_key=True),
    Column("text", String, nullable=False),
    UniqueConstraint("text"),
)

experiment_tags = Table(
    "experiment_tags",
    metadata,
    Column("experiment", Id, ForeignKey("experiments.id"), primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("value", String, nullable=False),
    sqlite_with_rowid=False,
)

runs = Table(
    "runs",
    metadata,
    Column("rid", Id, primary_key=True),
    Column("run_id", String, nullable=False),
    Column("experiment", Id, ForeignKey("experiments.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("start_time", BigInteger, nullable=False),
    Column("end_time", BigInteger),
    Column("deleted_time", BigInteger),
    Column("artifact_uri", String, nullable=False),
    UniqueConstraint("run_id"),
    sqlite_autoincrement=True,
)
Index(
    "ix_runs_page",
    runs.c.experiment,
    runs.c.lifecycle,
    runs.c.start_time.desc(),
    runs.c.run_id,
)

params = Table(
    "params",
    metadata,
    Column("rid", Id, ForeignKey("runs.rid"), primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("value", String, nullable=False),
    sqlite_with_rowid=False,
)
_value_index("params", params.c.value)

tags = Table(
    "tags",
    metadata,
    Column("rid", Id, ForeignKey("runs.rid"), primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("value", String, nullable=False),
    sqlite_with_rowid=False,
)
_value_index("tags", tags.c.value)

latest_metrics = Table(
    "latest_metrics",
    metadata,
    Column("rid", Id, ForeignKey("runs.rid"), primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("value", Double),
    Column("step", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Index("ix_latest_metrics_key_value_rid", "key", "value", "rid"),
    sqlite_with_rowid=False,
)

# Points as they come, until the writer folds whole series of them into metric_chunk.
metric_tail = Table(
    "metric_tail",
    metadata,
    Column("seq", Id, primary_key=True),
    Column("rid", Id, nullable=False),
    Column("key", Id, nullable=False),
    Column("step", BigInteger, nullable=False),
    Column("timestamp", BigInteger, nullable=False),
    Column("value", Double),
    Index("ix_metric_tail_rid", "rid"),
)

# Points outlive the row of their run or model for a while when it is purged: no foreign key to it, and its
# number is never given again.
metric_chunk = Table(
    "metric_chunk",
    metadata,
    Column("rid", Id, primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("first_step", BigInteger, primary_key=True),
    Column("seq", Id, primary_key=True),
    Column("last_step", BigInteger, nullable=False),
    Column("first_timestamp", BigInteger, nullable=False),
    Column("last_timestamp", BigInteger, nullable=False),
    Column("count", Integer, nullable=False),
    Column("points", LargeBinary, nullable=False),
    sqlite_with_rowid=False,
)

datasets = Table(
    "datasets",
    metadata,
    Column("id", Id, primary_key=True),
    Column("experiment", Id, ForeignKey("experiments.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("digest", String, nullable=False),
    Column("source_type", String, nullable=False),
    Column("source", String, nullable=False),
    Column("schema", String),
    Column("profile", String),
    UniqueConstraint("experiment", "name", "digest"),
)

dataset_inputs = Table(
    "dataset_inputs",
    metadata,
    Column("rid", Id, ForeignKey("runs.rid"), primary_key=True),
    Column("dataset", Id, ForeignKey("datasets.id"), primary_key=True),
    Column("tags", String, nullable=False),  # JSON list of {key, value}, in the order given
    Column("context", String),  # the tag mlflow.data.context, which searches ask for
    Index("ix_dataset_inputs_dataset", "dataset"),
    sqlite_with_rowid=False,
)

model_inputs = Table(
    "model_inputs",
    metadata,
    Column("rid", Id, ForeignKey("runs.rid"), primary_key=True),
    Column("model_id", String, primary_key=True),
    sqlite_with_rowid=False,
)

model_outputs = Table(
    "model_outputs",
    metadata,
    Column("rid", Id, ForeignKey("runs.rid"), primary_key=True),
    Column("model_id", String, primary_key=True),
    Column("step", BigInteger, nullable=False),
    sqlite_with_rowid=False,
)

logged_models = Table(
    "logged_models",
    metadata,
    Column("mid", Id, primary_key=True),
    Column("model_id", String, nullable=False),
    Column("experiment", Id, ForeignKey("experiments.id"), nullable=False),
    Column("name", String, nullable=False),
    Column("artifact_uri", String, nullable=False),
    Column("status", SmallInteger, nullable=False),
    Column("lifecycle", SmallInteger, nullable=False),
    Column("created", BigInteger, nullable=False),
    Column("updated", BigInteger, nullable=False),
    Column("model_type", String),
    Column("source_run_id", String),
    Column("status_message", String),
    UniqueConstraint("model_id"),
    sqlite_autoincrement=True,
)
Index(
    "ix_logged_models_page",
    logged_models.c.experiment,
    logged_models.c.lifecycle,
    logged_models.c.created.desc(),
    logged_models.c.model_id,
)

logged_model_params = Table(
    "logged_model_params",
    metadata,
    Column("mid", Id, ForeignKey("logged_models.mid"), primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("value", String, nullable=False),
    sqlite_with_rowid=False,
)

logged_model_tags = Table(
    "logged_model_tags",
    metadata,
    Column("mid", Id, ForeignKey("logged_models.mid"), primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("value", String, nullable=False),
    sqlite_with_rowid=False,
)

logged_model_metrics = Table(
    "logged_model_metrics",
    metadata,
    Column("mid", Id, primary_key=True),
    Column("key", Id, ForeignKey("keys.id"), primary_key=True),
    Column("run_id", String, primary_key=True),
    Column("step", BigInteger, primary_key=True),
    Column("timestamp", BigInteger, primary_key=True),
    Column("value", Double),
    Column("dataset_name", String),
    Column("dataset_digest", String),
    sqlite_with_rowid=False,
)

# What is left of runs, logged models and experiments that are gone: points and bytes still to be removed.
purges = Table(
    "purges",
    metadata,
    Column("id", Id, primary_key=True),
    Column("kind", String, nullable=False),
    Column("owner", String, nullable=False),  # its id on the wire
    Column("number", Id, nullable=False),  # rid or mid
    Column("location", String, nullable=False),
    Column("since", BigInteger, nullable=False),
    sqlite_autoincrement=True,
)

# What is known of stored artifacts beside what their store says. `root` and `file` are hashes
# (artifact_files.py), since PostgreSQL could not index the paths themselves.
artifact_files = Table(
    "artifact_files",
    metadata,
    Column("root", LargeBinary, primary_key=True),
    Column("file", LargeBinary, primary_key=True),
    Column("path", String, nullable=False),
    Column("size", BigInteger, nullable=False),
    Column("store_etag", String, nullable=False),
    Column("sha256", String, nullable=False),
    Column("stored", BigInteger, nullable=False),
    Column("user_id", String, nullable=False),
    sqlite_with_rowid=False,
)

# Uploads in parts: open while `made` is NULL, else it is the ETag of the artifact that the upload became.
artifact_uploads = Table(
    "artifact_uploads",
    metadata,
    Column("upload_id", String, primary_key=True),
    Column("key", String, nullable=False),
    Column("store_upload", String, nullable=False),
    Column("user_id", String, nullable=False),
    Column("num_parts", Integer, nullable=False),
    Column("size", BigInteger),
    Column("sha256", String),
    Column("part_size", BigInteger),
    Column("touched", BigInteger, nullable=False),
    Column("completing", BigInteger),  # when the server that is at it last said so
    Column("made", String),
    Index("ix_artifact_uploads_touched", "touched"),
    Index("ix_artifact_uploads_sha256", "sha256"),
)

# The parts that came with a checksum that was right. No foreign key: a part may come while its upload goes.
artifact_upload_parts = Table(
    "artifact_upload_parts",
    metadata,
    Column("upload_id", String, primary_key=True),
    Column("number", Integer, primary_key=True),
    Column("etag", String, nullable=False),
    sqlite_with_rowid=False,
)
