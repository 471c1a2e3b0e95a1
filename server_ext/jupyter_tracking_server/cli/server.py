"""``jupyter tracking server``: the server on its own, with the flags of ``mlflow server``."""

from __future__ import annotations

import argparse
import asyncio
import logging
from typing import TYPE_CHECKING

from .flags import add_flags, settings_of

if TYPE_CHECKING:
    Commands = argparse._SubParsersAction[argparse.ArgumentParser]

__all__ = ["add_command"]

_LOCAL = {"host": "127.0.0.1", "port": 0, "auth": "token", "static_prefix": ""}


def add_command(commands: Commands) -> None:
    """Add the command."""
    parser: argparse.ArgumentParser = commands.add_parser(
        "server",
        help="serve the API on a port of its own",
        description="Serve the tracking API and the artifact proxy until SIGTERM or Ctrl-C. "
        "Prints what a client must export to reach it.",
    )
    add_flags(parser)
    parser.add_argument(
        "--local",
        action="store_true",
        help="serve this user's kernels only: a free loopback port, a token in the runtime file",
    )
    parser.add_argument(
        "--idle-exit", type=float, default=0.0, metavar="SECONDS", help="end after so long without a request"
    )
    parser.set_defaults(run=_run)


def _run(given: argparse.Namespace) -> int:
    if given.local:
        for name, value in _LOCAL.items():
            setattr(given, name, value)
    settings = settings_of(given)
    logging.basicConfig(format="%(asctime)s %(levelname)s %(message)s", level=logging.WARNING)
    # Imported here: help and mistakes in flags need no server.
    from ..http.standalone import Mode, serve  # noqa: PLC0415 - see above

    asyncio.run(serve(settings, Mode(local=given.local, idle_exit=given.idle_exit)))
    return 0
