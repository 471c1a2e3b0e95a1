"""The same bytes inside Jupyter Server, under its base URL and in spite of its limits."""

from __future__ import annotations

from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest

from tests.servers import start_embedded

from .conftest import MEBIBYTE, PROXY, Artifacts, pattern, wait_until
from .raw import RawConnection, answer


@pytest.fixture(scope="module")
def embedded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Artifacts]:
    folder = tmp_path_factory.mktemp("embedded")
    with start_embedded(folder, options=["--ServerApp.max_body_size=100000"]) as server:
        found = Artifacts(server, folder / "data" / "tracking" / "artifacts")
        yield found
        found.session.close()


def test_an_artifact_may_be_larger_than_what_jupyter_takes(embedded: Artifacts) -> None:
    content = pattern(5 * MEBIBYTE)
    embedded.put("known", content)
    reply = embedded.session.put(embedded.url("chunked"), data=iter([content, content]), timeout=30)
    assert reply.status_code == 200
    for name, expected in (("known", content), ("chunked", content + content)):
        assert embedded.session.get(embedded.url(name), timeout=30).content == expected
    part = embedded.session.get(embedded.url("known"), headers={"Range": "bytes=-8"}, timeout=30)
    assert (part.status_code, part.content) == (206, content[-8:])


def test_jupyters_own_headers_do_not_weaken_ours(embedded: Artifacts) -> None:
    embedded.put("a.html", b"<script>alert(1)</script>")
    headers = embedded.session.get(embedded.url("a.html"), timeout=30).headers
    assert headers["Content-Security-Policy"] == "sandbox; default-src 'none'"
    assert headers["X-Content-Type-Options"] == "nosniff"
    assert headers["Content-Disposition"] == 'attachment; filename="a.html"'


def test_a_stranger_is_refused_before_the_body_is_sent(embedded: Artifacts) -> None:
    path = urlsplit(embedded.url("x")).path
    with RawConnection(embedded.server) as connection:
        connection.send(
            f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000000000\r\n\r\n".encode()
        )
        status, _, body = connection.receive()
    assert (status, b"UNAUTHENTICATED" in body) == (401, True)


@pytest.mark.parametrize("path", ["{root}/../x", "%2e%2e/x", "{root}/..%2f..%2fx", "..\\x", "{root}/%00"])
def test_a_path_that_leads_elsewhere_is_refused(embedded: Artifacts, path: str) -> None:
    before = embedded.files()
    base = urlsplit(embedded.server.url).path
    target = f"{base}{PROXY}{path.format(root=embedded.root)}"
    status, _, body = answer(embedded.server, "PUT", target, b"Content-Length: 4\r\n\r\nevil")
    assert (status, b"Invalid path" in body) == (400, True)
    assert embedded.files() == before


def test_a_client_that_goes_leaves_nothing(embedded: Artifacts) -> None:
    before = embedded.files()
    path = urlsplit(embedded.url("new")).path
    with RawConnection(embedded.server) as connection:
        connection.send(
            f"PUT {path} HTTP/1.1\r\nHost: localhost\r\nAuthorization: Bearer {embedded.server.token}\r\n"
            "Content-Length: 100000000\r\n\r\n".encode()
        )
        connection.send(bytes(5 * MEBIBYTE))
        wait_until(lambda: embedded.files() != before)
    wait_until(lambda: embedded.files() == before)
