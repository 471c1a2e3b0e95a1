"""The page of one run, for those who may read its experiment.

What a share link shows of a run is another page (``share_page.py``): it leaves out who ran it and what
clients write by themselves, and stands alone, without the style sheet and the addresses of the server.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

from jupyter_tracking.protocol.artifacts import ArtifactList
from jupyter_tracking.protocol.runs import Run

__all__ = ["FileLink", "Link", "Links", "RunPage", "number_text", "rows", "run_page"]

OWN_TAGS = "mlflow."
"""What the names of tags begin with that clients set for themselves."""
MOST_ROWS = 2000
"""Params, metrics or tags that the page shows; a run may have any number."""
SHOWN_TAGS = frozenset({"mlflow.note.content", "mlflow.parentRunId", "mlflow.source.name"})
"""Those of them that people care for."""


class Link(NamedTuple):
    """A text that leads somewhere."""

    text: str
    href: str


class FileLink(NamedTuple):
    """A file, or a folder, whose ``size`` is None; else it is in bytes."""

    name: str
    href: str
    size: int | None


@dataclass(frozen=True)
class Links:
    """Where the links of a run's page lead.

    Attributes:
        page: from a folder's path and a page token, or "", to this page.
        file: from an artifact's path to its download.
        above: to the run's experiment.
    """

    page: Callable[[str, str], str]
    file: Callable[[str], str]
    above: Link


@dataclass(frozen=True)
class RunPage:
    """What the template ``run.html`` shows.

    Attributes:
        folders: the way down to the folder that is listed; nothing for the run's root.
        more: where the list of files goes on, or "".
        trouble: why there is no list, or "".
    """

    run: Run
    above: Link
    folders: Sequence[Link]
    files: Sequence[FileLink]
    more: str = ""
    trouble: str = ""

    @property
    def tables(self) -> list[tuple[str, list[tuple[str, str]]]]:
        """Headings with rows of key and value, sorted by key."""
        data = self.run.data
        tags = [tag for tag in data.tags if not tag.key.startswith(OWN_TAGS) or tag.key in SHOWN_TAGS]
        return [
            ("Params", rows((item.key, item.value) for item in data.params)),
            ("Metrics", rows((item.key, number_text(item.value)) for item in data.metrics)),
            ("Tags", rows((item.key, item.value) for item in tags)),
        ]


def run_page(run: Run, folder: str, found: ArtifactList | str, links: Links) -> RunPage:
    """The page of a run with the files in one of its folders.

    Args:
        run: whole.
        folder: path of the folder that is listed; "" is the run's root.
        found: the list, or why there is none.
        links: where its links lead.
    """
    folders = [Link("artifacts", links.page("", "")), *_way(folder, links)] if folder else []
    if isinstance(found, str):
        return RunPage(run, links.above, folders, (), trouble=found)
    files = [
        FileLink(
            item.path.rpartition("/")[2],
            links.page(item.path, "") if item.is_dir else links.file(item.path),
            None if item.is_dir else item.file_size or 0,
        )
        for item in found.files
    ]
    more = links.page(folder, found.next_page_token) if found.next_page_token else ""
    return RunPage(run, links.above, folders, files, more)


def rows(pairs: Iterable[tuple[str, str]]) -> list[tuple[str, str]]:
    """Keys and values for a table, sorted, and not too many."""
    found = sorted(pairs)
    left = len(found) - MOST_ROWS
    return [*found[:MOST_ROWS], ("…", f"and {left:,} more")] if left > 0 else found


def _way(folder: str, links: Links) -> Iterable[Link]:
    parts = folder.split("/")
    for depth, name in enumerate(parts, start=1):
        yield Link(name, links.page("/".join(parts[:depth]), ""))


def number_text(value: object) -> str:
    """A metric's value: a float, or the name of one that JSON lacks."""
    return value if isinstance(value, str) else json.dumps(value)
