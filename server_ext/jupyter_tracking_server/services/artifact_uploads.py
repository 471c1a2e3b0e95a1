"""Rules of uploads in parts, whatever the store.

An upload is its caller's and its path's: asked for by another or for another path, it is not there. Parts
come to this server (``part_urls.py``, ``http/artifact_part.py``), or, where the administrator allows it, to
the store itself.
"""

from __future__ import annotations

import asyncio
import contextlib
import re
import secrets
from collections.abc import AsyncIterator, Iterable, Sequence

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol import artifacts as wire
from jupyter_tracking.protocol.errors import (
    InvalidParameterValue,
    TemporarilyUnavailable,
    TrackingError,
)
from jupyter_tracking.protocol.limits import UPLOAD_PARTS

from ..artifact_stores.base import ArtifactInfo, Part, Upload
from ..artifact_stores.errors import InvalidPart, NoSuchArtifact, NoSuchUpload
from ..artifact_stores.keys import Key, text
from ..context import Context, FilesContext
from ..quotas import Room
from ..store import artifact_uploads
from ..store.artifact_uploads import Terms, UploadRow
from . import artifact_files, artifact_paths, quotas
from .artifact_paths import Place
from .part_urls import lifetime
from .presigned import signer

__all__ = [
    "abort_multipart_upload",
    "complete_multipart_upload",
    "create_multipart_upload",
    "find_open",
    "open_part",
    "part_stored",
    "sweep",
]

IDLE = 24 * 3600
"""Seconds without any part after which an upload is dropped."""
TOUCH = 60_000
"""Milliseconds in which an upload is noted as in use once at most."""
BEAT, SILENCE = 15.0, 60_000
"""A server that completes an upload says so every so many seconds; silent for so many milliseconds, it is
taken for dead."""
WAIT = 45
"""Seconds that a second request to complete an upload waits for the first; proxies wait for 60."""
SWEEP_PAGE = 500
SMALLEST = 5 * 2**20
"""Bytes of a part, but the last, below which S3 and its like do not take it."""

_SEPARATORS = re.compile(r"[/\\]")


async def create_multipart_upload(
    context: FilesContext, request: wire.CreateMultipartUpload
) -> wire.MultipartUpload:
    """Begin an upload, or take up an open one of the same file.

    Raises:
        InvalidParameterValue: the path is unsafe, or the numbers do not fit.
        NoSuchArtifact, PermissionDenied: the path is not the caller's to write.
        ResourceLimitExceeded: it is larger than a quota leaves room for.
    """
    _check_numbers(request)
    key = _key(request.artifact_path, request.path)
    terms = Terms(
        text(key), context.caller.user, request.num_parts, request.size, request.sha256, request.part_size
    )

    def find(reading: Context) -> UploadRow | None:
        place = artifact_paths.proxied(reading, key, "write")
        quotas.check(reading, place, terms.size or 0)
        resumable = terms.size is not None and terms.sha256 is not None
        return artifact_uploads.find_open(reading.tx, terms) if resumable else None

    upload, parts = await _resume(context, await context.read(find))
    if upload is None:
        upload = await _begin(context, key, terms)
    missing = set(range(1, terms.num_parts + 1)).difference(part.number for part in parts)
    return wire.MultipartUpload(
        upload.upload_id,
        await _credentials(context, upload, sorted(missing)),
        [wire.StoredPart(part.number, part.size, part.etag) for part in parts],
        terms.part_size,
    )


def _check_numbers(request: wire.CreateMultipartUpload) -> None:
    if not 1 <= request.num_parts <= UPLOAD_PARTS:
        raise InvalidParameterValue(
            f"num_parts must be between 1 and {UPLOAD_PARTS}, not {request.num_parts}; choose the size of a "
            "part accordingly (MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE)."
        )
    if request.size is not None and request.part_size is not None:
        needed = -(-request.size // request.part_size)
        if needed != request.num_parts:
            raise InvalidParameterValue(
                f"{request.size} bytes in parts of {request.part_size} are {needed} parts, "
                f"not {request.num_parts}."
            )


def _key(folder: str, path: str) -> Key:
    """The artifact that is meant: clients send the whole path of the file on their own machine."""
    name = _SEPARATORS.split(path)[-1]
    if not name:
        raise InvalidParameterValue("'path' must end in the name of a file.")
    return artifact_paths.split(folder, folder=True) + artifact_paths.split(name)


async def _resume(context: FilesContext, found: UploadRow | None) -> tuple[UploadRow | None, list[Part]]:
    """An upload that was found, with its parts, if the store still knows it."""
    if found is None:
        return None, []
    upload_id = found.upload_id
    try:
        parts = await context.artifacts.parts(_key_of(found), found.store_upload)
    except NoSuchUpload:
        await context.write(lambda writing: artifact_uploads.drop(writing.tx, upload_id))
        return None, []
    await context.write(lambda writing: artifact_uploads.touch(writing.tx, upload_id, writing.now()))
    return found, [part for part in parts if part.number <= found.terms.num_parts]


async def _begin(context: FilesContext, key: Key, terms: Terms) -> UploadRow:
    store_upload = await context.artifacts.begin(key)
    upload = UploadRow(secrets.token_urlsafe(24), store_upload, terms, context.now())
    try:
        await context.write(lambda writing: artifact_uploads.add(writing.tx, upload))
    except TrackingError:
        await context.artifacts.abort(key, store_upload)
        raise
    return upload


def _key_of(upload: UploadRow) -> Key:
    return tuple(upload.terms.key.split("/"))


async def _credentials(
    context: FilesContext, upload: UploadRow, numbers: Iterable[int]
) -> list[wire.PartCredential]:
    """Where parts go: to this server, or to the store itself."""
    seconds = lifetime(upload.terms.num_parts)
    signing = signer(context)
    if signing is None:
        expires = context.now() // 1000 + seconds
        return [
            wire.PartCredential(
                context.part_urls.url(context.base_url, upload.upload_id, number, expires), number
            )
            for number in numbers
        ]
    key, found = _key_of(upload), []
    for number in numbers:
        signed = await signing.sign_part(key, upload.store_upload, number, seconds)
        found.append(wire.PartCredential(signed.url, number, signed.headers))
    return found


async def find_open(context: FilesContext, upload_id: str) -> tuple[UploadRow, Room | None]:
    """An upload that takes parts, and how many bytes quotas leave for any of them.

    Raises:
        NoSuchUpload: it is done, or was dropped.
    """

    def find(reading: Context) -> tuple[UploadRow, Room | None]:
        upload = artifact_uploads.find(reading.tx, upload_id)
        if upload is None or upload.made is not None:
            raise NoSuchUpload
        return upload, quotas.room_of(reading, upload.terms.user_id)

    return await context.read(find)


async def open_part(context: FilesContext, upload: UploadRow, number: int, size: int) -> Upload:
    """Begin to write a part of ``size`` bytes of an upload; that it may be sent is known."""
    return await context.artifacts.create_part(_key_of(upload), upload.store_upload, number, size)


async def part_stored(context: FilesContext, upload: UploadRow, part: Part, *, sound: bool) -> None:
    """Keep what is to be known of a part that has come; a ``sound`` one with a checksum that was right."""
    due = context.now() - upload.touched > TOUCH
    checked = upload.terms.sha256 is not None

    def keep(writing: Context) -> None:
        if checked:
            etag = part.etag if sound else None
            artifact_uploads.set_part(writing.tx, upload.upload_id, part.number, etag)
        if due:
            artifact_uploads.touch(writing.tx, upload.upload_id, writing.now())

    if due or checked:
        await context.write(keep)


async def complete_multipart_upload(context: FilesContext, request: wire.CompleteMultipartUpload) -> Empty:
    """Make one artifact of the parts. Asked again, it says so again, as long as that artifact is there.

    Raises:
        InvalidParameterValue: a part is missing, or another one than was said.
        NoSuchUpload: never was, was dropped, or is not this caller's or of this path.
        NoSuchArtifact, PermissionDenied: the path is not the caller's to write.
        ResourceLimitExceeded: it is larger than a quota leaves room for.
        TemporarilyUnavailable: another request is at it, and takes long.
    """
    for _ in range(WAIT):
        place, upload = await _find(context, request)
        if upload.made is not None:
            await _check_made(context, place, upload)
            return Empty()
        if await _claim(context, upload.upload_id):
            await _complete(context, place, upload, request.parts)
            return Empty()
        await asyncio.sleep(1)
    raise TemporarilyUnavailable("The upload is still being put together; ask again.", retry_after=5)


async def _find(
    context: FilesContext, request: wire.CompleteMultipartUpload | wire.AbortMultipartUpload
) -> tuple[Place, UploadRow]:
    key = _key(request.artifact_path, request.path)

    def find(reading: Context) -> tuple[Place, UploadRow]:
        place = artifact_paths.proxied(reading, key, "write")
        upload = artifact_uploads.find(reading.tx, request.upload_id)
        if upload is None or (upload.terms.key, upload.terms.user_id) != (text(key), reading.caller.user):
            raise NoSuchUpload
        return place, upload

    return await context.read(find)


async def _check_made(context: FilesContext, place: Place, upload: UploadRow) -> None:
    try:
        info = await context.artifacts.info(place.key)
    except NoSuchArtifact:
        raise NoSuchUpload from None
    if info.etag != upload.made:
        raise NoSuchUpload


async def _claim(context: FilesContext, upload_id: str) -> bool:
    return await context.write(
        lambda writing: artifact_uploads.begin_completing(writing.tx, upload_id, writing.now(), SILENCE)
    )


async def _complete(
    context: FilesContext, place: Place, upload: UploadRow, asked: Sequence[wire.UploadedPart]
) -> None:
    store, store_upload = context.artifacts, upload.store_upload
    async with _at_it(context, upload.upload_id):
        parts = _chosen(upload.terms, asked, await store.parts(place.key, store_upload))
        await _check_room(context, place, sum(part.size for part in parts))
        try:
            info = await store.complete(place.key, store_upload, parts)
        except InvalidPart:
            _check_sizes(parts)
            raise
    await context.write(lambda writing: _keep_made(writing, place, upload, parts, info))


async def _check_room(context: FilesContext, place: Place, size: int) -> None:
    room = await quotas.room(context, place)
    if room is not None:
        room.check(size)


def _chosen(terms: Terms, asked: Sequence[wire.UploadedPart], stored: Iterable[Part]) -> list[Part]:
    """All parts of an upload, in order.

    Raises:
        InvalidPart: one is not there, or was sent again since the client got its ETag.
        InvalidParameterValue: there are too many, or not as many bytes as were announced.
    """
    told = {part.part_number: part.etag for part in asked}
    there = {part.number: part for part in stored}
    chosen: list[Part] = []
    for number in range(1, terms.num_parts + 1):
        part = there.get(number)
        if part is None or _bare(part.etag) != _bare(told.get(number, "")):
            raise InvalidPart(number)
        chosen.append(part)
    if len(asked) != len(chosen):
        raise InvalidParameterValue(
            f"The upload was begun with {len(chosen)} parts, not {len(asked)}; name each of them once."
        )
    size = sum(part.size for part in chosen)
    if terms.size not in {None, size}:
        raise InvalidParameterValue(
            f"The parts have {size} bytes together, not the {terms.size} that were announced."
        )
    return chosen


def _check_sizes(parts: Sequence[Part]) -> None:
    """Say so if it may be for their size that the store does not take the parts."""
    small = next((part for part in parts[:-1] if part.size < SMALLEST), None)
    if small is not None:
        raise InvalidParameterValue(
            f"Part {small.number} has {small.size} bytes; this artifact store takes none below {SMALLEST} "
            "bytes but the last one. Send larger ones (MLFLOW_MULTIPART_UPLOAD_CHUNK_SIZE)."
        ) from None


def _bare(etag: str) -> str:
    """Without what proxies and clients put around it."""
    return etag.removeprefix("W/").strip('"')


def _keep_made(
    writing: Context, place: Place, upload: UploadRow, parts: Sequence[Part], info: ArtifactInfo
) -> None:
    artifact_uploads.set_made(writing.tx, upload.upload_id, info.etag)
    sha256 = upload.terms.sha256 or ""
    sound = artifact_uploads.sound_parts(writing.tx, upload.upload_id) if sha256 else {}
    if any(sound.get(part.number) != part.etag for part in parts):
        sha256 = ""
    artifact_files.record(writing, place, info, sha256)


@contextlib.asynccontextmanager
async def _at_it(context: FilesContext, upload_id: str) -> AsyncIterator[None]:
    """Say from time to time that this upload is being completed; if that fails it is open again."""

    async def beat() -> None:
        while True:
            await asyncio.sleep(BEAT)
            with contextlib.suppress(TrackingError):
                await context.write(
                    lambda writing: artifact_uploads.keep_completing(writing.tx, upload_id, writing.now())
                )

    beating = asyncio.create_task(beat())
    try:
        yield
    except BaseException:
        with contextlib.suppress(TrackingError):
            await context.write(lambda writing: artifact_uploads.end_completing(writing.tx, upload_id))
        raise
    finally:
        beating.cancel()


async def abort_multipart_upload(context: FilesContext, request: wire.AbortMultipartUpload) -> Empty:
    """Drop an upload and its parts.

    Raises:
        NoSuchUpload: never was, is done or dropped, or is not this caller's or of this path.
        NoSuchArtifact, PermissionDenied: the path is not the caller's to write.
    """
    place, upload = await _find(context, request)
    if upload.made is not None:
        raise NoSuchUpload
    await _drop(context, place.key, upload)
    return Empty()


async def _drop(context: FilesContext, key: Key, upload: UploadRow) -> None:
    """The store first: what is interrupted in between can be done again."""
    if upload.made is None:
        await context.artifacts.abort(key, upload.store_upload)
    await context.write(lambda writing: artifact_uploads.drop(writing.tx, upload.upload_id))


async def sweep(context: FilesContext) -> None:
    """Drop uploads to which nothing has happened for a day, and what the store has of such."""
    before = context.now() - IDLE * 1000
    while True:
        found = await context.read(lambda reading: artifact_uploads.idle(reading.tx, before, SWEEP_PAGE))
        for upload in found:
            await _drop(context, _key_of(upload), upload)
        if len(found) < SWEEP_PAGE:
            break
    await context.artifacts.sweep(IDLE)
