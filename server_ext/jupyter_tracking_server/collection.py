"""The server's own garbage collection, from time to time: ``--gc-after``."""

from __future__ import annotations

import logging

from .age import parse_age
from .services.gc import Collector, Tools
from .store.trash import Choice

__all__ = ["DELAY", "PAUSE", "collect"]

DELAY = 300.0
"""Seconds after the start: who starts the server with a wrong age has time to stop it."""
PAUSE = 3600.0

_log = logging.getLogger("jupyter_tracking")


async def collect(age: str, tools: Tools) -> None:
    """Remove what has been in the trash for longer than ``age``, and log what was done.

    Raises:
        TrackingError: the database failed; it goes on the next time.
    """
    collector = Collector(tools)
    try:
        await collector.collect(Choice(before=tools.now() - int(parse_age(age) * 1000)))
    finally:
        report = collector.report
        if not report.is_empty:
            numbers = ", ".join(f"{kind}s: {number}" for kind, number in report.removed.items())
            _log.info("Removed for good: %s; folders of artifacts: %d.", numbers, report.folders)
        for word, items in (("left", report.left), ("kept", report.kept), ("failed", report.failed)):
            for item in items:
                _log.warning("Garbage collection %s: %s", word, item)
