"""The rules of each noun, asked through HTTP, the same suite on SQLite and PostgreSQL."""
