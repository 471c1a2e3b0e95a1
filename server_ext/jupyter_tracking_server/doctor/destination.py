"""Can artifacts be written, read, listed and deleted where they are to be kept?"""

from __future__ import annotations

import os
import secrets
import shutil
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

from jupyter_tracking.protocol.errors import TrackingError

from ..artifact_stores.base import ArtifactStore, ByteRange
from ..artifact_stores.errors import NoSuchArtifact
from ..artifact_stores.keys import Key
from ..artifact_stores.registry import secrets_of
from ..config import Settings
from .findings import Finding, bad, look, ok, size

__all__ = ["check_credentials", "check_space", "check_store"]

PROBE = 64 * 1024
SCARCE, NONE_LEFT = 5 * 2**30, 100 * 2**20
"""Free bytes below which one should look, and below which it is bad."""


def check_credentials(settings: Settings) -> Iterator[Finding]:
    """Of what kind the credentials are; never what they are."""
    scheme = urlsplit(settings.store).scheme
    if scheme == "s3":
        yield _aws(settings)
        return
    known = secrets_of(settings.store)
    found = [name for name in known if os.environ.get(name)]
    if found:
        yield ok(f"Credentials for {scheme}:// come from ${', $'.join(found)}.")
    elif known:
        yield look(
            f"No variable holds credentials for {scheme}://; the library looks for others by itself.",
            f"Should it find none, set one of: {', '.join(known)}.",
        )


def _aws(settings: Settings) -> Finding:
    import boto3  # noqa: PLC0415 - slow to import, and only for s3
    from botocore.exceptions import BotoCoreError  # noqa: PLC0415 - the same

    try:
        found = boto3.Session().get_credentials()
    except BotoCoreError as error:
        return bad(f"AWS credentials cannot be found: {error}", "Mend the profile or variable that it names.")
    if found is None:
        return bad(
            "There are no AWS credentials.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE, or give the machine a role.",
        )
    role = settings.artifacts_role_arn
    return ok(
        f"AWS credentials are of the kind {found.method}{f'; with them the role {role}' if role else ''}."
    )


async def check_store(store: ArtifactStore) -> AsyncIterator[Finding]:
    """Write a probe, read a part of it, find it in a list, delete it."""
    folder = (f"jupyter-tracking-doctor-{secrets.token_hex(8)}",)
    began = time.monotonic()
    try:
        fault = await _probe(store, (*folder, "probe"))
    except (TrackingError, OSError) as error:
        message = error.message if isinstance(error, TrackingError) else str(error)
        yield bad(
            f"The artifact store {store.url} does not do all that is asked of it: {message}",
            "The lines above, from its log, say why; check address, credentials and their rights to read, "
            "write, list and delete.",
        )
        return
    if fault:
        yield bad(f"The artifact store {store.url} {fault}.", "It cannot be used as it is.")
        return
    took = (time.monotonic() - began) * 1000
    yield ok(
        f"The artifact store {store.url} writes, reads a range, lists and deletes: {took:.0f} ms in all."
    )


async def _probe(store: ArtifactStore, key: Key) -> str:
    """What is wrong, if nothing raises."""
    content = secrets.token_bytes(PROBE)
    try:
        async with await store.create(key) as upload:
            await upload.write(content)
            await upload.finish(PROBE)
        async with await store.read(key, ByteRange(1000, 1999)) as download:
            if b"".join([chunk async for chunk in download]) != content[1000:2000]:
                return "gives other bytes back than it was given"
        page = await store.entries(key[:-1])
        if [(entry.name, entry.size) for entry in page.entries] != [(key[-1], PROBE)]:
            return "does not list what it was given"
    finally:
        await store.delete(key)
    try:
        await store.info(key)
    except NoSuchArtifact:
        return ""
    return "does not delete"


def check_space(settings: Settings) -> Iterator[Finding]:
    """Room on the disks of this machine that are written to."""
    places: dict[str, str] = {}
    if settings.backend_store_uri.startswith("sqlite:///") or not settings.backend_store_uri:
        places["database"] = settings.database_url.removeprefix("sqlite:///")
    store = urlsplit(settings.store)
    if len(store.scheme) < 2 or store.scheme == "file":
        places["artifacts"] = unquote(store.path) if store.scheme == "file" else settings.store
    for what, place in places.items():
        folder = Path(place).expanduser().absolute()
        while not folder.exists():
            folder = folder.parent
        free = shutil.disk_usage(folder).free
        text = f"The disk of the {what} has {size(free)} free."
        if free < NONE_LEFT:
            yield bad(text, "Make room: jupyter tracking gc removes what is in the trash.")
        elif free < SCARCE:
            yield look(text, "Make room soon: jupyter tracking gc removes what is in the trash.")
        else:
            yield ok(text)
