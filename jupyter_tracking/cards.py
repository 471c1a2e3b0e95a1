"""Small summaries for the output of a cell: lines of a name and a text, as plain text and as HTML."""

from __future__ import annotations

import html
from typing import Any

from . import fluent, notebook
from .protocol import quotas
from .protocol.grants import SubjectKind
from .run_list import duration
from .sizes import size_of
from .tracker import tracker

SHOWN = 12
"""Metrics and params that a card shows; the table and the panel show all."""


class Card:
    """A title and lines; shown as HTML where that is possible."""

    def __init__(self, title: str, lines: list[tuple[str, str]], link: str = "") -> None:
        self.title = title
        self.lines = lines
        self.link = link

    def __repr__(self) -> str:
        width = max((len(name) for name, _ in self.lines), default=0)
        return "\n".join(
            [self.title, *(f"  {name:<{width}}  {text}" for name, text in self.lines), *self._links()]
        )

    def _repr_html_(self) -> str:
        rows = "".join(
            f'<tr><th scope="row" style="text-align:left">{html.escape(name)}</th>'
            f'<td style="text-align:left">{html.escape(text)}</td></tr>'
            for name, text in self.lines
        )
        title = html.escape(self.title)
        if self.link:
            title = f'<a href="{html.escape(self.link)}" rel="noopener" target="_blank">{title}</a>'
        return f"<table><caption>{title}</caption><tbody>{rows}</tbody></table>"

    def _links(self) -> list[str]:
        return [f"  {self.link}"] if self.link else []


def status_card() -> Card:
    """Where things stand: server, experiment, notebook, active run."""
    server, client = tracker.server, tracker.client
    experiment = client.experiment(tracker.experiment_id())
    place = notebook.place()
    active = fluent.active_run()
    lines = [
        ("server", f"{client.url} ({server.kind})"),
        ("experiment", f"{experiment.name} (id {experiment.experiment_id})"),
        ("user", notebook.user()),
        *([("notebook" if place.is_notebook else "script", place.path)] if place.path else []),
        ("active run", active.name if active else "none; %track_start or the first %track_param starts one"),
    ]
    if active is None:
        return Card("Jupyter Tracking", lines)
    return Card("Jupyter Tracking", [*lines, *_run_lines(fluent.get_run(active.run_id))], active.url)


def quota_lines() -> list[str]:
    """What the user, and each group of theirs with a quota, holds and may hold."""
    found = tracker.client.send(quotas.get_usage, quotas.GetUsage()).usage
    return [
        f"{'' if one.kind is SubjectKind.USER else f'group {one.name}: '}"
        f"{size_of(one.bytes)}{'' if one.max_bytes is None else f' of {size_of(one.max_bytes)}'}, "
        f"{one.runs}{'' if one.max_runs is None else f' of {one.max_runs}'} runs"
        for one in found
    ]


def run_card(run_id: str) -> Card:
    """One run."""
    run = fluent.get_run(run_id)
    link = f"{tracker.client.url}/#/experiments/{run['experiment_id']}/runs/{run_id}"
    return Card(f"run {run['run_name']}", [("id", run_id), *_run_lines(run)], link)


def _run_lines(run: dict[str, Any]) -> list[tuple[str, str]]:
    took = duration(run)
    lines = [("status", run["status"].lower() + (f", {int(took.total_seconds())} s" if took else ""))]
    for kind in ("params", "metrics"):
        found = [(key.partition(".")[2], value) for key, value in run.items() if key.startswith(f"{kind}.")]
        shown = [
            f"{name} = {value:.6g}" if kind == "metrics" else f"{name} = {value:.60}" for name, value in found
        ]
        if len(shown) > SHOWN:
            shown = [*shown[:SHOWN], f"and {len(shown) - SHOWN} more"]
        if shown:
            lines.append((kind, ", ".join(shown)))
    return lines
