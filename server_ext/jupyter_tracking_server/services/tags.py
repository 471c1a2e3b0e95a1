"""Rules of removing tags; setting one is a matter of ``entries``."""

from __future__ import annotations

from jupyter_tracking.protocol import Empty
from jupyter_tracking.protocol.errors import ResourceDoesNotExist
from jupyter_tracking.protocol.tags import DeleteTag

from ..context import Context
from ..store import tags as store
from . import owners


def delete_tag(context: Context, request: DeleteTag) -> Empty:
    """Remove a tag of a run.

    Raises:
        ResourceDoesNotExist: the run has no such tag.
    """
    owners.active_run(context, request.run_id, "write")
    if not store.delete(context.tx, request.run_id, request.key):
        raise ResourceDoesNotExist(f"No tag with name: {request.key} in run with id {request.run_id}")
    return Empty()
