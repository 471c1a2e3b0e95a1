"""Whether this server keeps accounts, which calls about users and tokens need."""

from __future__ import annotations

from jupyter_tracking.protocol.errors import NotImplementedHere

from ..config import Settings

__all__ = ["check_kept"]


def check_kept(settings: Settings) -> None:
    """Go on only where users sign in with accounts of this server.

    Raises:
        NotImplementedHere: they are a Hub's, or there are none.
    """
    if settings.auth == "hub":
        raise NotImplementedHere("The users of this server and their tokens are those of its JupyterHub.")
    if settings.auth != "users":
        raise NotImplementedHere("This server keeps no accounts; start it with --auth users for that.")
