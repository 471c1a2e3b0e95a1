"""The artifact stores that a command opens by itself."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator, Sequence
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from ..config import ConfigurationError, Settings

if TYPE_CHECKING:
    from ..artifact_stores.base import ArtifactStore
    from ..services.gc_places import Root
    from .opened import Threads

__all__ = ["STORAGE", "check_destination", "open_one", "open_roots"]

STORAGE = (
    "backend_store_uri",
    "artifacts_destination",
    "default_artifact_root",
    "artifacts_role_arn",
    "artifacts_role_external_id",
    "artifacts_role_session_name",
    "durability",
)
"""The settings that say where things are and how they are reached."""


def open_one(settings: Settings, destination: str) -> ArtifactStore:
    """The store at a destination, reached as the settings say.

    Raises:
        ConfigurationError: it cannot be used.
    """
    from ..artifact_stores.registry import open_store  # noqa: PLC0415 - help needs no store
    from ..server import store_options  # noqa: PLC0415 - the same

    try:
        return open_store(destination, store_options(settings))
    except OSError as error:
        raise ConfigurationError(str(error)) from error


@contextlib.asynccontextmanager
async def open_roots(settings: Settings, further: Sequence[str] = ()) -> AsyncIterator[list[Root]]:
    """The stores that bytes may be removed from: the destination first, then those of direct locations.

    Args:
        settings: they name the destination and the default artifact root.
        further: places that the administrator named beside.

    Raises:
        ConfigurationError: one cannot be used.
    """
    from ..services.gc_places import Root  # noqa: PLC0415 - help needs no store

    places = [settings.destination, *further]
    if _is_direct(settings.default_artifact_root):
        places.insert(1, settings.artifact_root)
    async with contextlib.AsyncExitStack() as stack:
        roots: list[Root] = []
        for place in places:
            store = open_one(settings, place)
            stack.push_async_callback(store.close)
            roots.append(Root(store, proxied=not roots))
        yield roots


def _is_direct(root: str) -> bool:
    """Whether an artifact root is a place that a store here can reach."""
    from ..artifact_stores.registry import KINDS  # noqa: PLC0415 - help needs no store

    scheme = urlsplit(root).scheme
    return bool(root) and (len(scheme) < 2 or scheme in KINDS)


async def check_destination(threads: Threads, root: Root) -> None:
    """Refuse to work where the servers do not keep their artifacts.

    Raises:
        ConfigurationError: they said another place.
    """
    from ..store import destination  # noqa: PLC0415 - help needs no database

    said = await threads.read(destination.recall)
    if said and said != root.store.url:
        raise ConfigurationError(
            f"The servers on this database keep artifacts at {said}, but this command was told "
            f"{root.store.url}. Give the same --artifacts-destination; if it has moved, start a server with "
            "the new one first."
        )
