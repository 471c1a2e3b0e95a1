"""Accounts of a server with `--auth users`, made as an administrator makes them: by the commands."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.servers import jupyter_environment

__all__ = ["PASSWORD", "Accounts"]

PASSWORD = "correct horse: battery"
"""It holds what a careless reader of `Basic` headers stumbles over."""


@dataclass(frozen=True)
class Accounts:
    """The accounts in one database, which has its schema already.

    Attributes:
        folder: for the commands' own files.
        backend: the database's URI.
    """

    folder: Path
    backend: str

    def run(self, *command: str, typed: str = "") -> subprocess.CompletedProcess[str]:
        """`jupyter tracking …` on this database, with a line on its standard input."""
        program = [sys.executable, "-m", "jupyter_tracking_server"]
        return subprocess.run(
            [*program, *command, "--backend-store-uri", self.backend],
            env=jupyter_environment(self.folder),
            input=typed,
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )

    def must(self, *command: str, typed: str = "") -> str:
        """What a command prints that must succeed."""
        done = self.run(*command, typed=typed)
        assert done.returncode == 0, (command, done.stderr)
        return done.stdout

    def create(
        self, name: str, password: str | None = PASSWORD, *, admin: bool = False, groups: Sequence[str] = ()
    ) -> None:
        """Make a user."""
        flags = ["--no-password"] if password is None else ["--password-stdin"]
        flags += ["--admin"] if admin else []
        flags += [part for group in groups for part in ("--group", group)]
        self.must("user", "create", name, *flags, typed=f"{password}\n")

    def token(self, name: str, *flags: str) -> str:
        """A new token's secret."""
        return self.must("token", "create", "--user", name, *flags).strip()

    def migrate(self) -> None:
        """Make the schema, before any server has."""
        self.must("db", "upgrade")
