"""A server whose store can be made to fail, one for each file of tests that wants it."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.object_servers import S3Server
from tests.reliability.faulty_site import OLD, FaultySite, artifact_name, faulty_site


@pytest.fixture(scope="module")
def whole_site(s3_server: S3Server, tmp_path_factory: pytest.TempPathFactory) -> Iterator[FaultySite]:
    """The site; ask for ``site``."""
    with faulty_site(s3_server, tmp_path_factory.mktemp("site")) as site:
        yield site


@pytest.fixture
def site(whole_site: FaultySite) -> Iterator[FaultySite]:
    """The site with a sound line, in the beginning; it never answers 500, and logs no defect."""
    whole_site.proxy.faults = []
    yield whole_site
    whole_site.proxy.faults = []
    assert 500 not in whole_site.statuses
    log = whole_site.server.log.read_text()
    for sign in ("Internal error", "Traceback", "never retrieved"):
        assert sign not in log


@pytest.fixture
def name(site: FaultySite) -> str:
    """The name of an artifact that is there; its content is ``OLD``."""
    found = artifact_name()
    site.keep(found, OLD)
    return found
