"""Paths that lead elsewhere, sent byte by byte: published attacks on servers of this kind, and kin."""

from __future__ import annotations

import pytest

from .conftest import PROXY, Artifacts
from .raw import answer

TRAVERSALS = [
    "../../../etc/passwd",
    "{root}/../../../../../../etc/passwd",
    "{root}/../x",
    "{root}/./x",
    "{root}//x",
    "/etc/passwd",
    "//etc/passwd",
    "{root}/%2e%2e/%2e%2e/x",
    "%2e%2e/%2e%2e/etc/passwd",
    "..%2f..%2fetc%2fpasswd",
    "%2fetc%2fpasswd",
    "{root}/..%2fx",
    "{root}/..%5cx",
    "{root}/..\\x",
    "..\\..\\windows\\win.ini",
    "{root}/C:/x",
    "C:/windows/win.ini",
    "C:%5Cwindows",
    "\\\\host\\share\\x",
    "{root}/x%00.txt",
    "{root}/x%0d%0aSet-Cookie:%20a=b",
    "{root}/%0a",
    "{root}/%7f",
    "{root}/%c2%85",
    "{root}/%ff%fe",
    "{root}/%ed%a0%80",
    "{root}/%20",
    "{root}/ %09",
    "{root}/" + "x" * 256,
    "{root}/" + "%F0%9F%98%80" * 64,
    "{root}/" + "d/" * 200 + "x",
]


@pytest.mark.parametrize("path", TRAVERSALS)
@pytest.mark.parametrize("verb", ["GET", "HEAD", "PUT", "DELETE"])
def test_a_path_that_leads_elsewhere_is_refused(artifacts: Artifacts, verb: str, path: str) -> None:
    before = artifacts.files()
    target = PROXY + path.format(root=artifacts.root).replace(" ", "%20")
    body = b"Content-Length: 4\r\n\r\nevil" if verb == "PUT" else b"\r\n"
    status, headers, text = answer(artifacts.server, verb, target, body)
    assert status == 400
    if verb != "HEAD":
        assert b"INVALID_PARAMETER_VALUE" in text
        assert b"Invalid path" in text
    assert b"Set-Cookie" not in headers
    assert artifacts.files() == before


def test_a_name_is_decoded_once(artifacts: Artifacts) -> None:
    artifacts.put("A.txt", b"mine")
    for name in ("%2541.txt", "%252e%252e", "%252e%252e%252fx"):
        status, _, _ = answer(
            artifacts.server, "PUT", f"{PROXY}{artifacts.root}/{name}", b"Content-Length: 4\r\n\r\nnote"
        )
        assert status == 200
    assert artifacts.path("A.txt").read_bytes() == b"mine"
    for name in ("%41.txt", "%2e%2e", "%2e%2e%2fx"):
        assert artifacts.path(name).read_bytes() == b"note"
    status, _, _ = answer(artifacts.server, "DELETE", f"{PROXY}{artifacts.root}/%252e%252e", b"\r\n")
    assert status == 200
    assert artifacts.path("A.txt").exists()


@pytest.mark.parametrize(
    "path",
    [
        "",
        "/",
        ".",
        "./",
        "%2e",
        "%20",
        "%20/",
        "..",
        "{experiment}",
        "{experiment}/",
        "{experiment}/{run}",
        "{experiment}/models",
        "{experiment}/../{experiment}",
    ],
)
def test_no_store_experiment_or_run_is_deleted_whole(artifacts: Artifacts, path: str) -> None:
    artifacts.put("kept", b"x")
    before = artifacts.files()
    target = PROXY + path.format(experiment=artifacts.experiment, run=artifacts.run)
    status, _, text = answer(artifacts.server, "DELETE", target, b"\r\n")
    assert (status, b"INVALID_PARAMETER_VALUE" in text) == (400, True)
    assert artifacts.files() == before
