"""How a setting is declared."""

from __future__ import annotations

from dataclasses import field
from typing import Any

__all__ = ["setting"]


def setting(
    default: Any, text: str, *, env: str = "", choices: tuple[str, ...] = (), standalone: bool = False
) -> Any:
    """A field of ``Settings`` with what the derived things need to know of it."""
    return field(
        default=default, metadata={"help": text, "env": env, "choices": choices, "standalone": standalone}
    )
