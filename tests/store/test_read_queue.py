"""One thread at a time serves short reads; a long one does not hold up the others."""

from __future__ import annotations

import threading
import time

from jupyter_tracking_server.store.read_queue import ReadQueue

FOREVER = 3600.0


class Taker(threading.Thread):
    """Takes one job, and keeps it."""

    def __init__(self, queue: ReadQueue[str]) -> None:
        super().__init__(daemon=True)
        self._queue = queue
        self.job: str | None = "not yet"

    def run(self) -> None:
        self.job = self._queue.take_one()


def until_it_watches(queue: ReadQueue[str]) -> None:
    deadline = time.monotonic() + 30
    while not queue._watched:
        assert time.monotonic() < deadline
        time.sleep(0.001)


def test_short_reads_are_left_to_the_thread_that_is_at_work() -> None:
    queue: ReadQueue[str] = ReadQueue(10, patience=FOREVER)
    queue.put("a")
    assert queue.take_one() == "a"
    other = Taker(queue)
    other.start()
    until_it_watches(queue)
    queue.put("b")
    queue.put("c")
    assert not queue.done()
    assert queue.take_one() == "b"
    assert not queue.done()
    assert queue.take_one() == "c"
    assert queue.done()
    queue.close()
    other.join(30)
    assert other.job is None


def test_a_long_read_holds_up_no_other() -> None:
    queue: ReadQueue[str] = ReadQueue(10, patience=0.001)
    queue.put("long")
    assert queue.take_one() == "long"
    for name in ("b", "c"):
        other = Taker(queue)
        other.start()
        queue.put(name)
        other.join(30)
        assert other.job == name


def test_what_waits_is_handed_out_before_it_closes() -> None:
    queue: ReadQueue[str] = ReadQueue(10, patience=FOREVER)
    for name in ("a", "b"):
        queue.put(name)
    assert queue.take_one() == "a"
    queue.close()
    other = Taker(queue)
    other.start()
    other.join(30)
    assert (other.job, queue.take_one()) == ("b", None)
