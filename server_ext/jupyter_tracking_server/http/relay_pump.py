"""Moves bytes from one socket to another without looking at them: through a pipe, inside the kernel.

Only Linux can do that, and only where neither side speaks TLS. It takes a few microseconds of the event loop
for each hundred kilobytes, and no memory of ours.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
import sys
from collections.abc import Iterator

from tornado.iostream import IOStream, SSLIOStream

__all__ = ["BULK", "Pump", "SourceEnded", "can_pump", "own_socket"]

BULK = 2**20
"""Bytes from which a body is worth it."""

PIPE = 2**20
"""Bytes that the pipe may hold: what a user may ask of Linux."""
BURST = 8
"""Moves before other work of the event loop has its turn."""
SILENCE = 120.0
"""Seconds in which something must move."""


def can_pump(*streams: IOStream) -> bool:
    """Whether bytes can be moved between these connections."""
    return sys.platform == "linux" and not any(isinstance(stream, SSLIOStream) for stream in streams)


class SourceEnded(ConnectionError):
    """The source ended before all bytes had come."""


@contextlib.contextmanager
def own_socket(stream: IOStream) -> Iterator[socket.socket]:
    """The socket of a connection that nobody else uses from now on; closed at the end.

    What the stream has read already must have been taken from it.
    """
    # A copy, as the event loop may still listen for the stream.
    own = stream.socket.dup()
    own.setblocking(False)
    stream.close()
    with own:
        yield own


class Pump:
    """Moves ``length`` bytes from ``source`` to ``target``, as fast as both can; the sockets stay open.

    Args:
        source: not blocking.
        target: not blocking.
        length: how many bytes.
        watch: notice that the target's peer is gone while the source has nothing.

    Attributes:
        moved: bytes so far.
    """

    def __init__(
        self, source: socket.socket, target: socket.socket, length: int, *, watch: bool = False
    ) -> None:
        self._source, self._target = source, target
        self._unread, self._held = length, 0
        self._watch = watch
        self.moved = 0
        self._loop = asyncio.get_running_loop()
        self._done: asyncio.Future[None] = self._loop.create_future()
        self._watched = False
        self._out, self._in = os.pipe2(os.O_NONBLOCK | os.O_CLOEXEC)
        _widen(self._in)

    async def run(self) -> None:
        """Move them all.

        Raises:
            SourceEnded
        ConnectionError: the target ended before; or nothing moved for too long.
        """
        guard = self._loop.create_task(self._guard())
        try:
            self._step()
            await self._done
        finally:
            guard.cancel()
            self._stop_waiting()
            os.close(self._in)
            os.close(self._out)

    def _step(self) -> None:
        if self._done.done():
            return
        self._stop_waiting()
        try:
            for _ in range(BURST):
                if not self._held and self._unread and not self._fill():
                    return
                if self._held and not self._empty():
                    return
                if not self._held and not self._unread:
                    self._done.set_result(None)
                    return
        except OSError as error:
            self._fail(error)
            return
        self._loop.call_soon(self._step)

    def _fill(self) -> bool:
        """Take in what there is; False if there is nothing yet."""
        try:
            count = _splice(self._source.fileno(), self._in, min(self._unread, PIPE), more=True)
        except ConnectionError as error:
            raise SourceEnded(str(error)) from None
        except BlockingIOError:
            self._loop.add_reader(self._source, self._step)
            if self._watch:
                self._watched = True
                self._loop.add_reader(self._target, self._look)
            return False
        if not count:
            raise SourceEnded("The source ended too early.")
        self._unread -= count
        self._held = count
        return True

    def _empty(self) -> bool:
        """Let out what is held; False if the target cannot take it yet."""
        try:
            # At the end nothing may wait for more to come.
            count = _splice(self._out, self._target.fileno(), self._held, more=self._unread > 0)
        except BlockingIOError:
            self._loop.add_writer(self._target, self._step)
            return False
        self._held -= count
        self.moved += count
        return True

    def _look(self) -> None:
        """The target's peer said something, or went."""
        with contextlib.suppress(BlockingIOError):
            try:
                gone = self._target.recv(1, socket.MSG_PEEK) == b""
            except ConnectionError:
                gone = True
            if gone:
                self._fail(ConnectionResetError("The target is gone."))
        # What it said, nobody will read: this connection ends with the bytes.
        self._watch = False
        self._loop.remove_reader(self._target)

    def _fail(self, error: OSError) -> None:
        if not self._done.done():
            known = error if isinstance(error, ConnectionError) else ConnectionAbortedError(str(error))
            self._done.set_exception(known)

    def _stop_waiting(self) -> None:
        self._loop.remove_reader(self._source)
        self._loop.remove_writer(self._target)
        if self._watched:
            self._loop.remove_reader(self._target)
            self._watched = False

    async def _guard(self) -> None:
        before = -1
        while before != self.moved:
            before = self.moved
            await asyncio.sleep(SILENCE)
        self._fail(ConnectionResetError("Nothing moved for too long."))


if sys.platform == "linux":
    import fcntl

    def _widen(pipe: int) -> None:
        """As far as this user may."""
        with contextlib.suppress(OSError):
            fcntl.fcntl(pipe, fcntl.F_SETPIPE_SZ if hasattr(fcntl, "F_SETPIPE_SZ") else 1031, PIPE)

    def _splice(source: int, target: int, count: int, *, more: bool) -> int:
        flags = os.SPLICE_F_MOVE | os.SPLICE_F_NONBLOCK | (os.SPLICE_F_MORE if more else 0)
        return os.splice(source, target, count, flags=flags)

else:

    def _widen(pipe: int) -> None:
        del pipe

    def _splice(*ends: int, more: bool) -> int:
        del ends, more
        raise OSError("Only Linux can do that.")
