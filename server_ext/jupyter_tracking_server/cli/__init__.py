"""``jupyter tracking …``: parse, call, print. One file for each command."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence

from ..config import ConfigurationError
from .audit import add_command as add_audit
from .db import add_command as add_db
from .doctor import add_command as add_doctor
from .gc import add_command as add_gc
from .hub_service import add_command as add_hub_service
from .quota import add_command as add_quota
from .rights import add_command as add_rights
from .server import add_command as add_server
from .token import add_command as add_token
from .user import add_command as add_user

__all__ = ["main"]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command; the exit code."""
    parser = argparse.ArgumentParser(
        prog="jupyter tracking", description="Experiment tracking with the API of MLflow."
    )
    commands = parser.add_subparsers(required=True, metavar="command")
    add_server(commands)
    add_hub_service(commands)
    add_db(commands)
    add_gc(commands)
    add_doctor(commands)
    add_user(commands)
    add_token(commands)
    add_audit(commands)
    add_quota(commands)
    add_rights(commands)
    given = parser.parse_args(arguments)
    try:
        code: int = given.run(given)
    except ConfigurationError as error:
        print(f"jupyter tracking: {error}", file=sys.stderr)
        return 2
    return code
