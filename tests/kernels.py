"""A real IPython kernel in a process of its own, driven over its sockets as a notebook does."""

from __future__ import annotations

import contextlib
import queue
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from jupyter_client.blocking.client import BlockingKernelClient
from jupyter_client.manager import KernelManager

from tests.servers import jupyter_environment

TIMEOUT = 60.0
COLOURS = re.compile(r"\x1b\[[0-9;]*m")


@dataclass
class Output:
    """What a cell showed: ``text`` on standard output, ``errors`` on standard error, results, a traceback."""

    text: str = ""
    errors: str = ""
    shown: list[dict[str, Any]] = field(default_factory=list)
    error: str = ""
    traceback: str = ""

    @property
    def lines(self) -> list[str]:
        """The lines of ``text``."""
        return self.text.splitlines()


class Kernel:
    """A kernel that is up."""

    def __init__(self, manager: KernelManager, client: BlockingKernelClient) -> None:
        self.manager = manager
        self._client = client

    def run(self, cell: str, *, interrupt_at: str | None = None, cell_id: str | None = None) -> Output:
        """Run a cell to its end; interrupt it as soon as it has printed ``interrupt_at``."""
        content = {"code": cell, "silent": False, "store_history": True, "allow_stdin": False}
        message = self._client.session.msg("execute_request", content)
        message["metadata"] = {"cellId": cell_id} if cell_id else {}
        self._client.shell_channel.send(message)
        output = Output()
        while True:
            try:
                found = self._client.get_iopub_msg(timeout=TIMEOUT)
            except queue.Empty:
                raise AssertionError(f"the cell does not end:\n{cell}\n{output}") from None
            if found["parent_header"].get("msg_id") != message["header"]["msg_id"]:
                continue
            if found["msg_type"] == "status" and found["content"]["execution_state"] == "idle":
                return output
            _note(output, found["msg_type"], found["content"])
            if interrupt_at and interrupt_at in output.text:
                interrupt_at = None
                self.manager.interrupt_kernel()

    def ask(self, widget: str, content: Mapping[str, Any]) -> tuple[dict[str, Any], list[bytes]]:
        """Send a widget a message of its own, as its view does; the answer, and the buffers with it."""
        data = {"method": "custom", "content": content}
        message = self._client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        self._client.shell_channel.send(message)
        return self._answer(message["header"]["msg_id"])

    def change(self, widget: str, state: Mapping[str, Any]) -> None:
        """Change a widget's state, as its view does."""
        data = {"method": "update", "state": state, "buffer_paths": []}
        message = self._client.session.msg("comm_msg", {"comm_id": widget, "data": data})
        self._client.shell_channel.send(message)
        self._answer(message["header"]["msg_id"])

    def _answer(self, message_id: str) -> tuple[dict[str, Any], list[bytes]]:
        """What a message to a widget brings until the kernel is idle: a message, or the changed state."""
        answer: dict[str, Any] = {}
        buffers: list[bytes] = []
        while True:
            found = self._client.get_iopub_msg(timeout=TIMEOUT)
            if found["parent_header"].get("msg_id") != message_id:
                continue
            if found["msg_type"] == "status" and found["content"]["execution_state"] == "idle":
                return answer, buffers
            if found["msg_type"] == "comm_msg":
                data = found["content"]["data"]
                answer.update(data["content"] if data["method"] == "custom" else data.get("state", {}))
                buffers += [bytes(buffer) for buffer in found["buffers"]]


@contextlib.contextmanager
def kernel(folder: Path, environment: Mapping[str, str] | None = None) -> Iterator[Kernel]:
    """A kernel whose current folder, home and Jupyter folders are below ``folder``."""
    manager = KernelManager(kernel_name="python3")
    manager.start_kernel(
        cwd=str(folder), env={**jupyter_environment(folder), "PYTHONWARNINGS": "", **(environment or {})}
    )
    client = manager.client()
    try:
        client.start_channels()
        client.wait_for_ready(timeout=TIMEOUT)
        yield Kernel(manager, client)
    finally:
        client.stop_channels()
        if manager.has_kernel:
            manager.shutdown_kernel()


def _note(output: Output, kind: str, content: Mapping[str, Any]) -> None:
    if kind == "stream" and content["name"] == "stdout":
        output.text += content["text"]
    elif kind == "stream":
        output.errors += content["text"]
    elif kind in ("execute_result", "display_data"):
        output.shown.append(content["data"])
    elif kind == "error":
        output.error = content["ename"]
        output.traceback = COLOURS.sub("", "\n".join(content["traceback"]))
