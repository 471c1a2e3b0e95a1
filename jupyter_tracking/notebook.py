"""What is known of the running notebook and cell, and of who runs them."""

from __future__ import annotations

import getpass
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True)
class Place:
    """Where code is running.

    Attributes:
        path: the notebook, or the script; empty in a bare console.
        is_notebook: whether ``path`` is a notebook.
        cell_id: the running cell's id, if the front end tells it.
        execution_count: the number in ``In [n]``; 0 outside IPython.
    """

    path: str = ""
    is_notebook: bool = False
    cell_id: str | None = None
    execution_count: int = 0


def shell() -> Any | None:
    """The running IPython shell; None outside IPython, which is then not imported either."""
    ipython = sys.modules.get("IPython")
    return ipython.get_ipython() if ipython is not None else None


def place() -> Place:
    """Where the caller is running now."""
    running = shell()
    if running is None:
        return Place(path=_script())
    # Jupyter Server names the notebook in the kernel's environment, VS Code in the name space.
    path = str(running.user_ns.get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME") or "")
    return Place(
        path=path or _script(),
        is_notebook=bool(path) or hasattr(running, "kernel"),
        cell_id=_cell_id(running),
        execution_count=_number(running),
    )


def user() -> str:
    """Who runs this: the Hub's name for the user, or the operating system's."""
    if name := os.environ.get("JUPYTERHUB_USER"):
        return name
    try:
        return getpass.getuser()
    except (OSError, KeyError, ImportError):
        return str(os.getuid()) if hasattr(os, "getuid") else "unknown"


def _script() -> str:
    """The script being run; empty for a console and for a kernel, whose launcher says nothing."""
    name = sys.argv[0] if sys.argv else ""
    if not name or name.startswith("-") or Path(name).name in ("ipykernel_launcher.py", "ipython"):
        return ""
    return name


def _number(running: Any) -> int:
    """The running cell's number. IPython 9 counts on before a cell runs, older ones after it."""
    found = getattr(running.displayhook, "prompt_count", None)
    return int(running.execution_count if found is None else found)


def _cell_id(running: Any) -> str | None:
    try:
        metadata = running.get_parent().get("metadata", {})
    except (AttributeError, LookupError):
        return None
    found = metadata.get("cellId") or metadata.get("cell_id")
    return str(found) if found else None
