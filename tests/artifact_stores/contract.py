"""What every artifact store does. A store's own test file has a class

    class TestMyStore(ArtifactStoreContract): ...

and gives, as fixtures:

* ``store``: an empty store. Its teardown should look, past the store, that nothing is left over.
* ``open_another``: a function that makes another store object at the place of ``store``, as another process
  would have. The tests close what they open by it, on the loop that they used it on.

The class may set ``flat`` (a file and a folder can have one name), ``snapshot_reads = False`` (a running
read may break when its artifact is replaced; it never delivers mixed bytes) and ``prunes = False`` (an empty
folder stays to be seen). Parts have 5 MiB but the last.

The tests are in ``contract_*.py``, by what they are about; ``transfers.py`` has what they share.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from jupyter_tracking_server.artifact_stores.base import ArtifactStore
from jupyter_tracking_server.artifact_stores.registry import KINDS

from .contract_bytes import BytesContract
from .contract_folders import FoldersContract
from .contract_parts import PartsContract
from .contract_unfinished import UnfinishedContract
from .transfers import MEBIBYTE, everything, get, noise, on_loop, pattern, put, put_part

__all__ = [
    "MEBIBYTE",
    "ArtifactStoreContract",
    "everything",
    "get",
    "noise",
    "on_loop",
    "pattern",
    "put",
    "put_part",
]


class ArtifactStoreContract(BytesContract, FoldersContract, PartsContract, UnfinishedContract):
    """All of the tests; ``store`` is empty at the beginning of each."""

    flat = False
    snapshot_reads = True
    prunes = True

    def test_its_url_names_the_place_and_no_secret(self, store: ArtifactStore) -> None:
        url = urlsplit(store.url)
        assert url.scheme in KINDS
        assert url.password is None
        assert not store.url.endswith("/")
        assert not url.query
