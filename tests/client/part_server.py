"""A server that takes files in parts, as ours is meant to, and fails as it is told to.

It keeps everything in memory. Each request goes through ``before``, which may answer in its place: that is
how a test makes addresses expire, answers get lost and the like.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import json
import re
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from tests.client.scripted import Answer, Asked

API = "/api/2.0/mlflow-artifacts/"
PART = re.compile(r"/part/(\w+)/(\d+)\?")


@dataclass
class OpenUpload:
    """An upload in parts."""

    path: str
    request: dict[str, Any]
    parts: dict[int, bytes] = field(default_factory=dict)


class PartServer(ThreadingHTTPServer):
    """What it was asked is in ``asked``, what it has in ``artifacts`` and ``uploads``."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Handler)
        self.asked: list[Asked] = []
        self.artifacts: dict[str, bytes] = {}
        self.uploads: dict[str, OpenUpload] = {}
        self.before: Callable[[Asked], Answer | None] = lambda _: None
        self.lost: Callable[[Asked], bool] = lambda _: False
        """Whether the answer to a request, which was carried out, shall not arrive."""
        self.parts_host = self.url

    @property
    def url(self) -> str:
        """The tracking URI."""
        return f"http://127.0.0.1:{self.server_address[1]}"

    def count(self, method: str, path: str) -> int:
        """How many requests there were to paths with this in it."""
        return sum(asked.method == method and path in asked.path for asked in self.asked)

    def answer(self, asked: Asked) -> Answer:
        """Carry a request out."""
        path, _, _ = asked.path.partition("?")
        if path.endswith("/server-info"):
            return Answer(body=b'{"multipart_uploads_enabled": true}')
        if found := PART.search(asked.path):
            return self._part(found[1], int(found[2]), asked)
        for name in ("create", "complete", "abort"):
            if path.startswith(f"{API}mpu/{name}/"):
                folder = path.removeprefix(f"{API}mpu/{name}/")
                request = json.loads(asked.body)
                return Answer(body=json.dumps(getattr(self, f"_{name}")(folder, request)).encode())
        return self._artifact(path.removeprefix(f"{API}artifacts/"), asked)

    def _artifact(self, path: str, asked: Asked) -> Answer:
        if asked.method == "PUT":
            self.artifacts[path] = asked.body
            return Answer()
        content = self.artifacts.get(path)
        if content is None:
            return not_found("artifact")
        sha256 = hashlib.sha256(content)
        digest = base64.b64encode(sha256.digest()).decode()
        headers = {"ETag": f'"{sha256.hexdigest()}"', "Digest": f"sha-256={digest}"}
        return Answer(body=content, headers=headers)

    def _part(self, upload_id: str, number: int, asked: Asked) -> Answer:
        upload = self.uploads.get(upload_id)
        if upload is None:
            return not_found("upload")
        if hashlib.sha256(asked.body).hexdigest() != asked.headers["x-checksum-sha256"]:
            return Answer(400, b'{"error_code": "INVALID_PARAMETER_VALUE", "message": "checksum"}')
        upload.parts[number] = asked.body
        return Answer(headers={"ETag": f'"{number}-{len(asked.body)}"'})

    def _create(self, folder: str, request: dict[str, Any]) -> dict[str, Any]:
        path = f"{folder}/{request['path']}"
        same = ("size", "sha256", "num_parts", "part_size")
        for known, upload in self.uploads.items():
            if upload.path == path and all(upload.request[name] == request[name] for name in same):
                upload_id = known
                break
        else:
            upload_id = f"u{len(self.asked)}"
            upload = self.uploads[upload_id] = OpenUpload(path, request)
        return {
            "upload_id": upload_id,
            "part_size": upload.request["part_size"],
            "parts": [
                {"part_number": number, "size": len(content), "etag": f'"{number}-{len(content)}"'}
                for number, content in upload.parts.items()
            ],
            "credentials": [
                {
                    "url": f"{self.parts_host}/part/{upload_id}/{number}?signature=secret",
                    "part_number": number,
                    "headers": {"x-needed": str(number)},
                }
                for number in range(1, request["num_parts"] + 1)
                if number not in upload.parts
            ],
        }

    def _complete(self, folder: str, request: dict[str, Any]) -> dict[str, Any]:
        upload = self.uploads.pop(request["upload_id"])
        parts = [upload.parts[part["part_number"]] for part in request["parts"]]
        self.artifacts[f"{folder}/{request['path']}"] = b"".join(parts)
        return {}

    def _abort(self, _folder: str, request: dict[str, Any]) -> dict[str, Any]:
        self.uploads.pop(request["upload_id"], None)
        return {}


def not_found(what: str) -> Answer:
    """There is no such thing."""
    body = {"error_code": "RESOURCE_DOES_NOT_EXIST", "message": f"No such {what}."}
    return Answer(404, json.dumps(body).encode())


@contextlib.contextmanager
def part_server() -> Iterator[PartServer]:
    """A server for the length of a ``with`` block."""
    with PartServer() as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.01,))
        thread.start()
        try:
            yield server
        finally:
            server.shutdown()
            thread.join()


class _Handler(BaseHTTPRequestHandler):
    server: PartServer

    def _answer(self) -> None:
        self.close_connection = True
        body = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        asked = Asked(self.command, self.path, dict(self.headers), body)
        self.server.asked.append(asked)
        answer = self.server.before(asked) or self.server.answer(asked)
        if self.server.lost(asked):
            return
        self.send_response(answer.status)
        for name, value in answer.headers.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(answer.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(answer.body)

    do_GET = do_HEAD = do_POST = do_PUT = _answer  # noqa: N815 - names that http.server calls

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - its name there
        """Keep the tests' output clean."""
