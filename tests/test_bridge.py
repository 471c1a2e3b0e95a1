"""Results of threads reach the event loop, many by one wake-up."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import Callable
from concurrent.futures import Future
from functools import partial

import pytest

from jupyter_tracking_server.bridge import Bridge


class Counting(asyncio.SelectorEventLoop):
    """An event loop that counts how often it is woken up."""

    woken = 0

    def _write_to_self(self) -> None:
        self.woken += 1
        super()._write_to_self()  # type: ignore[misc]  # the stubs leave out what is private


def in_thread(work: Callable[[], None]) -> None:
    """Run to its end, while the event loop waits for nothing."""
    thread = threading.Thread(target=work)
    thread.start()
    thread.join()


def test_what_is_ready_together_crosses_together() -> None:
    loop = Counting()
    futures: list[Future[int]] = [Future() for _ in range(100)]

    async def cross() -> list[int]:
        bridge = Bridge()
        waiting = [bridge.wait(future) for future in futures]

        def resolve() -> None:
            for number, future in enumerate(futures):
                future.set_result(number)
            bridge.wake()

        in_thread(resolve)
        return await asyncio.gather(*waiting)

    try:
        assert loop.run_until_complete(cross()) == list(range(100))
        assert loop.woken == 1
    finally:
        loop.close()


def test_what_comes_later_is_not_forgotten() -> None:
    async def cross() -> list[int]:
        bridge = Bridge()
        found = []
        for number in range(3):
            future: Future[int] = Future()
            waiting = bridge.wait(future)
            in_thread(partial(future.set_result, number))
            bridge.wake()
            found.append(await waiting)
        return found

    assert asyncio.run(cross()) == [0, 1, 2]


def test_an_error_crosses_as_one() -> None:
    async def cross() -> None:
        future: Future[int] = Future()
        waiting = Bridge().wait(future)
        in_thread(lambda: future.set_exception(KeyError("x")))
        await waiting

    with pytest.raises(KeyError):
        asyncio.run(cross())


def test_who_gives_up_takes_the_work_out_of_the_queue() -> None:
    async def give_up() -> Future[int]:
        future: Future[int] = Future()
        waiting = Bridge().wait(future)
        waiting.cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiting
        return future

    assert asyncio.run(give_up()).cancelled()


def test_a_loop_that_is_closed_does_no_harm_to_the_thread() -> None:
    future: Future[int] = Future()

    async def leave() -> None:
        Bridge().carry(future, lambda _: None)

    asyncio.run(leave())
    in_thread(lambda: future.set_result(1))
    assert future.result() == 1


def test_what_no_thread_announces_crosses_all_the_same() -> None:
    async def cross() -> int:
        future: Future[int] = Future()
        waiting = Bridge().wait(future)
        in_thread(lambda: future.set_result(7))
        return await waiting

    assert asyncio.run(cross()) == 7


def test_a_result_that_nobody_can_take_holds_up_no_other() -> None:
    async def cross() -> tuple[int, list[str]]:
        reported: list[str] = []
        asyncio.get_running_loop().set_exception_handler(lambda _, found: reported.append(found["message"]))
        bridge, futures = Bridge(), [Future[int](), Future[int]()]
        bridge.carry(futures[0], lambda future: print(1 // future.result()))
        waiting = bridge.wait(futures[1])
        for number, future in enumerate(futures):
            future.set_result(number)
        return await waiting, reported

    assert asyncio.run(cross()) == (1, ["A result was not taken"])
