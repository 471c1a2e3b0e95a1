"""Chores: done at once and again, whatever happens in them, until they are stopped."""

from __future__ import annotations

import asyncio
import logging

import pytest

from jupyter_tracking.protocol.errors import TemporarilyUnavailable
from jupyter_tracking_server.schedule import Schedule


def test_a_chore_goes_on_after_failures(caplog: pytest.LogCaptureFixture) -> None:
    failures: list[Exception] = [ValueError("broken"), TemporarilyUnavailable("the store is away")]

    async def scene() -> None:
        schedule, done, other = Schedule(), asyncio.Event(), asyncio.Event()

        async def chore() -> None:
            if failures:
                raise failures.pop(0)
            done.set()

        async def once() -> None:
            assert not other.is_set()
            other.set()

        schedule.every(0, chore, "The chore")
        schedule.every(3600, once, "The other")
        await asyncio.wait_for(asyncio.gather(done.wait(), other.wait()), 30)
        await schedule.stop()
        await schedule.stop()

    with caplog.at_level(logging.WARNING, "jupyter_tracking"):
        asyncio.run(scene())
    assert failures == []
    assert [record.levelname for record in caplog.records] == ["ERROR", "WARNING"]
    assert "the store is away" in caplog.text


def test_stopping_breaks_off_what_runs() -> None:
    async def scene() -> bool:
        schedule, begun, broken = Schedule(), asyncio.Event(), asyncio.Event()

        async def chore() -> None:
            begun.set()
            try:
                await asyncio.Event().wait()
            finally:
                broken.set()

        schedule.every(3600, chore, "The chore")
        await asyncio.wait_for(begun.wait(), 30)
        await schedule.stop()
        return broken.is_set()

    assert asyncio.run(scene())
