"""What a share link shows in a browser: plain pages without a script. All text of users is escaped."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from html import escape
from urllib.parse import quote

from jupyter_tracking.protocol.artifacts import ArtifactList
from jupyter_tracking.protocol.runs import Run

from ..sizes import show_size
from .page import moment
from .run_page import number_text, rows

__all__ = ["MISSING", "POLICY", "Folder", "folder_page", "run_page"]

NAME_TAG, NOTE_TAG = "mlflow.runName", "mlflow.note.content"
_HIDDEN = ("mlflow.", "jupyter.")
"""Tags that clients write by themselves begin so; they tell of people and their machines."""
_STYLE = """
:root { color-scheme: light dark; }
body { max-width: 60rem; margin: 2rem auto; padding: 0 1rem; font: 15px/1.5 system-ui, sans-serif; }
h1 { font-size: 1.5rem; overflow-wrap: anywhere; }
h2 { margin: 1.5rem 0 .25rem; font-size: 1.05rem; }
table { width: 100%; border-collapse: collapse; table-layout: fixed; }
th, td { padding: .25rem .5rem .25rem 0; border-top: 1px solid #8884; text-align: left; vertical-align: top; }
th { width: 40%; font-weight: normal; opacity: .8; }
th, td, li { overflow-wrap: anywhere; }
td { font-variant-numeric: tabular-nums; white-space: pre-wrap; }
ul { padding: 0; list-style: none; }
li { display: flex; justify-content: space-between; gap: 1rem; }
li { padding: .2rem 0; border-top: 1px solid #8884; }
p.note { white-space: pre-wrap; }
footer { margin-top: 2rem; font-size: .85rem; opacity: .8; }
"""
_HASH = base64.b64encode(hashlib.sha256(_STYLE.encode()).digest()).decode()
POLICY = (
    f"default-src 'none'; style-src 'sha256-{_HASH}'; base-uri 'none'; form-action 'none'; "
    "frame-ancestors 'none'"
)
"""The Content-Security-Policy of the pages: nothing but their own style."""


@dataclass(frozen=True)
class Folder:
    """A page of a shared folder.

    Attributes:
        shared: the path that the link is for; the addresses of what is in the folder leave it out.
        path: of this folder; both from the run's root.
        top: the address of the link itself, relative to the page.
    """

    shared: str
    path: str
    top: str
    listing: ArtifactList


def run_page(run: Run, folder: Folder | None, expires: int) -> str:
    """What a run logged.

    Args:
        run: whose own tags are shown, and of those that clients write only name and note.
        folder: its artifacts; None if this server cannot tell them.
        expires: when the link ends, in milliseconds.
    """
    tags = {tag.key: tag.value for tag in run.data.tags}
    name = tags.get(NAME_TAG) or run.info.run_id
    times = (("Started", run.info.start_time), ("Ended", run.info.end_time))
    facts = [("Status", run.info.status.value.lower()), *((name, moment(at)) for name, at in times if at)]
    note = tags.get(NOTE_TAG, "")
    parts = [
        f'<p class="note">{escape(note)}</p>' if note else "",
        _table("Run", facts),
        _table("Metrics", ((one.key, number_text(one.value)) for one in run.data.metrics)),
        _table("Parameters", ((one.key, one.value) for one in run.data.params)),
        _table("Tags", (pair for pair in tags.items() if not pair[0].startswith(_HIDDEN))),
        "<h2>Artifacts</h2>",
        "<p>They are kept elsewhere.</p>" if folder is None else _entries(folder),
    ]
    return _page(name, "".join(parts), expires)


def folder_page(title: str, folder: Folder, expires: int) -> str:
    """What is in a folder of a run; ``expires`` as in ``run_page``."""
    return _page(title, _entries(folder), expires)


def _entries(folder: Folder) -> str:
    listing = folder.listing
    if not listing.files:
        return "<p>None.</p>"
    here = _address(folder, folder.path)
    items = []
    for file in listing.files:
        name = file.path.rpartition("/")[2]
        address = escape(_address(folder, file.path))
        size = "" if file.file_size is None else show_size(file.file_size)
        shown = escape(name) + ("/" if file.is_dir else "")
        items.append(f'<li><a href="{address}">{shown}</a><span>{size}</span></li>')
    links = [f'<a href="{escape(here)}?format=zip">Download all as zip</a>']
    if listing.next_page_token:
        links.append(f'<a href="{escape(here)}?page={quote(listing.next_page_token, safe="")}">More</a>')
    return f"<ul>{''.join(items)}</ul><p>{' · '.join(links)}</p>"


def _address(folder: Folder, path: str) -> str:
    inner = path[len(folder.shared) :].lstrip("/") if folder.shared else path
    return f"{folder.top}/artifacts{'/' if inner else ''}{quote(inner)}"


def _table(title: str, pairs: Iterable[tuple[str, str]]) -> str:
    lines = [
        f'<tr><th scope="row">{escape(key)}</th><td>{escape(value)}</td></tr>' for key, value in rows(pairs)
    ]
    return f"<h2>{title}</h2><table>{''.join(lines)}</table>" if lines else ""


def _page(title: str, body: str, expires: int | None) -> str:
    end = f"<footer>Shared until {moment(expires)} with Jupyter Tracking.</footer>" if expires else ""
    return (
        '<!DOCTYPE html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(title)}</title><style>{_STYLE}</style></head>"
        f"<body><main><h1>{escape(title)}</h1>{body}</main>{end}</body></html>\n"
    )


MISSING = _page(
    "Nothing is shared here",
    "<p>The link is not complete, or it has ended. Ask the person who sent it for a new one.</p>",
    None,
)
