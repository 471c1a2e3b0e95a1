"""A list of artifacts as text and as HTML without script, for saved notebooks; all text is escaped."""

from __future__ import annotations

import html
from collections.abc import Sequence

from ..protocol.artifacts import FileInfo
from ..sizes import size_of


def to_text(run_name: str, files: Sequence[FileInfo]) -> str:
    """The files for a terminal."""
    if not files:
        return f"run {run_name} has no artifacts"
    width = max(len(entry.path) for entry in files)
    lines = [f"  {entry.path:<{width}}  {size_of(entry.file_size or 0):>8}" for entry in files]
    return "\n".join([f"artifacts of run {run_name}", *lines])


def to_html(run_name: str, files: Sequence[FileInfo]) -> str:
    """The files for a saved notebook."""
    if not files:
        return f"<p>Run {html.escape(run_name)} has no artifacts.</p>"
    rows = "".join(
        f'<tr><td style="text-align:left">{html.escape(entry.path)}</td>'
        f"<td>{html.escape(size_of(entry.file_size or 0))}</td></tr>"
        for entry in files
    )
    head = '<tr><th scope="col" style="text-align:left">File</th><th scope="col">Size</th></tr>'
    caption = f"<caption>Artifacts of run {html.escape(run_name)}</caption>"
    return f"<table>{caption}<thead>{head}</thead><tbody>{rows}</tbody></table>"
