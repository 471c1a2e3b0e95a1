"""A TCP proxy that does harm: between our server and a real store.

It reads as much of HTTP as it needs to tell requests apart (their heads, by ``Content-Length``) and else
passes bytes on as they are, with the ``Host`` that was signed. Each fault hits the requests that its ``verb``
and ``times`` say.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import socket
import struct
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from concurrent.futures import Future
from dataclasses import dataclass, field
from urllib.parse import urlsplit

from tests.servers import free_port

HEAD_END = b"\r\n\r\n"
LENGTH = re.compile(rb"(?im)^content-length: *(\d+)\r$")
CHUNK = 65_536


@dataclass
class Fault:
    """What happens to some requests.

    Attributes:
        kind: ``status`` answers with ``status`` and ``code`` without asking the store; ``cut up`` and ``cut
            down`` end the connection after ``byte`` bytes of the request's or answer's body; ``stall up`` and
            ``stall down`` stop there; ``flip up`` and ``flip down`` change the byte there; ``silence`` takes
            the request and never answers; ``cut head`` has the store do it, and drops the answer.
        verb: of the requests that are hit.
        times: how many are hit; then the fault is over.
        byte: where.
        least: bytes that the body has at least, so that small ones are left alone.
        match: what the request's line has in it.
        hits: how many were hit.
    """

    kind: str
    verb: str = "GET"
    times: int = 1
    byte: int = 0
    least: int = 0
    match: str = ""
    status: int = 500
    code: str = "InternalError"
    hits: int = 0
    lock: threading.Lock = field(default_factory=threading.Lock)

    def takes(self, head: bytes, length: int) -> bool:
        """Whether this request is hit."""
        line = head.partition(b"\r\n")[0].decode("latin-1")
        with self.lock:
            if self.hits >= self.times or not line.startswith(f"{self.verb} ") or self.match not in line:
                return False
            if self.kind.endswith("up") and length < self.least:
                return False
            self.hits += 1
            return True


class FaultProxy:
    """The proxy; ``faults`` may be changed at any time.

    Args:
        target: the store's endpoint.
    """

    def __init__(self, target: str) -> None:
        url = urlsplit(target)
        self._host, self._port = url.hostname or "", url.port or 80
        self.faults: list[Fault] = []
        self.port = free_port()
        self.endpoint = f"http://127.0.0.1:{self.port}"
        # Never set.
        self._forever = asyncio.Event()
        # asyncio forgets a connection's task when the connection is lost, whatever the task still waits for.
        self._tasks: set[asyncio.Task[None] | None] = set()

    async def serve(self, ready: Future[Callable[[], object]]) -> None:
        """Serve until what ``ready`` gives is called, in any thread."""
        stop, loop = asyncio.Event(), asyncio.get_running_loop()
        server = await asyncio.start_server(self._connection, "127.0.0.1", self.port, limit=2**20)
        ready.set_result(lambda: loop.call_soon_threadsafe(stop.set))
        await stop.wait()
        server.close()

    async def _connection(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._tasks.add(asyncio.current_task())
        # A cancelled one is a stall that is over, as the proxy is.
        with contextlib.suppress(OSError, EOFError, asyncio.CancelledError):
            while await self._request(reader, writer):
                pass
        writer.close()
        self._tasks.discard(asyncio.current_task())

    async def _request(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> bool:
        """One request and its answer; False if the connection is over."""
        head = await reader.readuntil(HEAD_END)
        length = _length(head)
        fault = next((fault for fault in self.faults if fault.takes(head, length)), None)
        if fault is not None and fault.kind == "status":
            async for _ in _body(reader, length):
                pass
            writer.write(_refusal(fault))
            await writer.drain()
            return False
        if fault is not None and fault.kind == "silence":
            await self._forever.wait()
        up, down = await asyncio.open_connection(self._host, self._port, limit=2**20)
        try:
            down.write(head)
            if await self._pass_on(_body(reader, length), down, fault, "up"):
                return False
            answer = await up.readuntil(HEAD_END)
            if fault is not None and fault.kind == "cut head":
                return False
            writer.write(answer)
            size = _length(answer) if not head.startswith(b"HEAD ") else 0
            return not await self._pass_on(_body(up, size), writer, fault, "down")
        except (OSError, EOFError):
            # The store sees it break off, too: a reset, where an ordinary close may look like an end.
            down.get_extra_info("socket").setsockopt(
                socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0)
            )
            raise
        finally:
            down.close()

    async def _pass_on(
        self, chunks: AsyncIterator[bytes], writer: asyncio.StreamWriter, fault: Fault | None, way: str
    ) -> bool:
        """Pass a body on; True if the connection is to be cut."""
        position = 0
        async for chunk in chunks:
            at = fault.byte - position if fault is not None and fault.kind.endswith(way) else -1
            if fault is None or not 0 <= at < len(chunk):
                writer.write(chunk)
            elif fault.kind.startswith("flip"):
                writer.write(chunk[:at] + bytes([chunk[at] ^ 1]) + chunk[at + 1 :])
            else:
                writer.write(chunk[:at])
                await writer.drain()
                if fault.kind.startswith("stall"):
                    await self._forever.wait()
                return True
            await writer.drain()
            position += len(chunk)
        return False


async def _body(reader: asyncio.StreamReader, length: int) -> AsyncIterator[bytes]:
    while length:
        chunk = await reader.read(min(CHUNK, length))
        if not chunk:
            raise EOFError
        length -= len(chunk)
        yield chunk


def _length(head: bytes) -> int:
    found = LENGTH.search(head)
    return int(found[1]) if found else 0


def _refusal(fault: Fault) -> bytes:
    body = f"<Error><Code>{fault.code}</Code><Message>m</Message></Error>".encode()
    head = (
        f"HTTP/1.1 {fault.status} Fault\r\nContent-Type: application/xml\r\nContent-Length: {len(body)}\r\n"
    )
    return head.encode() + b"Connection: close\r\n\r\n" + body


@contextlib.contextmanager
def fault_proxy(target: str) -> Iterator[FaultProxy]:
    """A proxy in a thread with a loop of its own, for the length of a ``with`` block."""
    proxy, ready = FaultProxy(target), Future[Callable[[], object]]()
    thread = threading.Thread(target=lambda: asyncio.run(proxy.serve(ready)), name="fault-proxy")
    thread.start()
    stop = ready.result(20)
    try:
        yield proxy
    finally:
        stop()
        thread.join(20)
