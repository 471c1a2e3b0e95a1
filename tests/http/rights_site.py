"""Starts a server where users have rights, with everybody who is to call it."""

from __future__ import annotations

import contextlib
import io
import secrets
from collections.abc import Iterator, Sequence
from pathlib import Path

from jupyter_tracking_server.cli import main
from tests.http.rights_scene import GROUP, PEOPLE, Site
from tests.servers import start_standalone


@contextlib.contextmanager
def start_site(
    folder: Path, backend: str | None = None, *, options: Sequence[str] = (), **variables: str
) -> Iterator[Site]:
    """A standalone server on SQLite in ``folder``, or on the ``backend``; its users have tokens.

    ``options`` are further flags of the server, ``variables`` of its environment.
    """
    database = backend or f"sqlite:///{folder / 'tracking.db'}"
    with start_standalone(
        folder, backend=database, auth="users", options=options, variables=variables
    ) as server:
        yield Site(server.url, database, {who: _token(database, who) for who in PEOPLE})


def join(site: Site, *groups: str) -> str:
    """The name of a new user, who has made nothing yet."""
    name = f"user-{secrets.token_hex(6)}"
    site.tokens[name] = _token(site.database, name, groups)
    return name


def command(database: str, *arguments: str) -> tuple[int, str]:
    """Run a command of ours on the database: its exit code, and what it prints."""
    printed = io.StringIO()
    with contextlib.redirect_stdout(printed):
        code = main([*arguments, "--backend-store-uri", database])
    return code, printed.getvalue()


def _token(database: str, who: str, groups: Sequence[str] = ()) -> str:
    """A token of a person, who is made a user first."""
    user, scopes = ("owner", ["--scopes", "read"]) if who == "read-only" else (who, [])
    if user == who:
        groups = [*groups, GROUP] if who == "editor" else groups
        more = [f"--group={group}" for group in groups] + ["--admin"] * (who == "admin")
        code, _ = command(database, "user", "create", user, "--no-password", *more)
        assert code == 0
    code, token = command(database, "token", "create", "--user", user, *scopes)
    assert code == 0
    return token.strip()
