"""Journals: files of JSON, a line for each thing that happened.

A line is written at once and whole, so that several servers may share a file; one that an administrator
has moved away is made anew. JSON escapes line breaks, so nothing that a client sends can forge a line.
"""

from __future__ import annotations

import logging
import sys
from datetime import datetime, timezone
from logging.handlers import WatchedFileHandler
from pathlib import Path
from typing import Any

import msgspec

from .config import ConfigurationError

__all__ = ["Journal", "open_journal"]


class Journal:
    """Lines in the order in which things ended."""

    def __init__(self, handler: logging.StreamHandler[Any]) -> None:
        self._handler = handler

    def write(self, entry: dict[str, Any]) -> None:
        """Add a line, which begins with the time."""
        at = datetime.now(timezone.utc).isoformat(timespec="milliseconds")
        line = msgspec.json.encode({"time": at, **entry}).decode()
        # Of logging only the care for the file is wanted; its levels would let people lose lines.
        self._handler.handle(logging.LogRecord("journal", logging.INFO, "", 0, line, None, None))

    def close(self) -> None:
        """Give the file back."""
        self._handler.close()


def open_journal(place: str, flag: str) -> Journal | None:
    """The journal at a path; ``-`` is standard error, ``""`` none.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    if not place:
        return None
    if place == "-":
        return Journal(logging.StreamHandler(sys.stderr))
    try:
        path = Path(place).expanduser()
        path.parent.mkdir(parents=True, exist_ok=True)
        return Journal(WatchedFileHandler(path, encoding="utf-8"))
    except OSError as error:
        raise ConfigurationError(f"{flag} {place} cannot be written: {error.strerror}.") from error
