"""The schema's history, for Alembic; ``HEAD`` is the version that this server reads and writes."""

HEAD = "0001"
