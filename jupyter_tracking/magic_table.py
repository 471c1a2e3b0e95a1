"""The names of the magics and what they are for. Their code is loaded when the first of them is used."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from importlib import import_module
from typing import Any, Literal


@dataclass(frozen=True)
class Usage:
    """How a magic is written, and what it does."""

    words: str
    summary: str
    kind: Literal["line", "line_cell"] = "line"


_PARAM = Usage(
    "NAME VALUE | NAME | DICT",
    "Log a param. `lr` alone logs the variable of that name; a dictionary or dataclass logs all it has.",
)
_METRIC = Usage(
    "NAME VALUE [--step N] | NAME | DICT",
    "Log a point of a metric. `loss` alone logs the variable of that name; a dictionary logs several.",
)
_CARD = Usage("[RUN|help]", "Show where things stand: server, experiment, active run. With RUN, that run.")

MAGICS = {
    "track": _CARD,
    "track_artifact": Usage(
        "PATH|VAR [NAME]",
        "Store a file or a folder, or a variable by its type: figure, table, dictionary, text, image, array.",
    ),
    "track_artifacts": Usage("[RUN]", "Browse the artifacts of a run: look into them, download them."),
    "track_end": Usage("[--status FINISHED|FAILED|KILLED]", "End the active run."),
    "track_experiment": Usage(
        "[NAME]", "Choose the experiment in which runs start; without NAME, say which."
    ),
    "track_metric": _METRIC,
    "track_metrics": _METRIC,
    "track_param": _PARAM,
    "track_params": _PARAM,
    "track_quota": Usage("", "Show what you hold on the server, and may hold: artifacts and runs."),
    "track_run": Usage(
        "[NAME] [-e EXPERIMENT] [-t KEY=VALUE] [--nested]",
        "First line of a cell: run the cell as a run of its own. It ends as FAILED, with the traceback "
        "kept, if the cell raises, and as KILLED if it is interrupted.",
        "line_cell",
    ),
    "track_runs": Usage(
        "[EXPERIMENT] [--filter TEXT] [--order-by TEXT] [--limit N]",
        "Show a table of runs to sort and filter; its `.selected` are the runs chosen in it.",
    ),
    "track_share": Usage(
        "[USER] [-g GROUP] [--everyone] [--role reader|editor|owner] [--remove]",
        "Share the current experiment with a user, a group or everyone; alone, say who has which role in it.",
    ),
    "track_start": Usage(
        "[NAME] [-e EXPERIMENT] [-t KEY=VALUE] [--nested] [-r RUN]",
        "Start a run. It stays active over cells until %track_end or the next %track_start.",
    ),
    "track_status": _CARD,
    "track_tag": Usage("NAME VALUE | DICT", "Set a tag; an older value is replaced."),
}


def sign(name: str) -> str:
    """A magic's name as it is written."""
    return ("%%" if MAGICS[name].kind == "line_cell" else "%") + name


def register(shell: Any) -> None:
    """Make the magics known to a shell."""
    for name, usage in MAGICS.items():
        shell.register_magic_function(_entry(name, usage), usage.kind, name)
    # A %%track_run below the first line reaches IPython as a line magic with a % in its name.
    shell.register_magic_function(_entry("track_run", MAGICS["track_run"]), "line", "%track_run")


def _entry(name: str, usage: Usage) -> Callable[..., Any]:
    def entry(line: str, cell: str | None = None, local_ns: Mapping[str, Any] | None = None) -> Any:
        __tracebackhide__ = True  # IPython leaves such frames out of what it shows
        return import_module(".magics", __package__).run(name, line, cell, local_ns or {})

    entry.__name__ = name
    entry.__doc__ = f"{sign(name)} {usage.words}\n\n{usage.summary}\n\n{sign(name)} -h shows all flags."
    # The words of the line become values, not text, so IPython must not expand them before.
    vars(entry).update(_ipython_magic_no_var_expand=True, needs_local_scope=True)
    return entry
