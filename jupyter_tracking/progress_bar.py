"""A bar for transfers that take a while: a widget in a notebook, a line on a terminal, nothing in a log.

``MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR`` set to false turns it off; set to true, a log gets it as well.
When it is over the bar goes. What stays in its place, and in a saved notebook, is one line of text.
"""

from __future__ import annotations

import contextlib
import os
import sys
import threading
import time
from collections.abc import Callable, Mapping
from importlib import import_module
from typing import Any, Protocol

from . import notebook
from .client.artifacts import Report
from .client.credentials import flag
from .client.progress import Progress, Told, Watcher
from .sizes import size_of

NOTICEABLE_SIZE = 10_000_000
"""Bytes of which people expect that they take a while."""
NOTICEABLE_TIME = 0.5
"""Seconds after which a bar appears whatever the size."""
REDRAW = 0.2
"""Seconds between two notes beside the bar."""
SWITCH = "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR"


class Drawing(Protocol):
    """A bar on the screen."""

    def show(self, done: int, note: str) -> None:
        """So many bytes are done."""

    def close(self, line: str) -> None:
        """Leave only this line, or nothing."""


Draw = Callable[[str, "int | None"], Drawing]
"""Makes a bar with a name and the bytes in all, if known."""


class Bar(Watcher):
    """Draws one bar for all the files of a call, once the call proves long."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._drawing: Drawing | None = None
        self._what = ""
        self._total: int | None = None
        self._since = time.monotonic()
        self._of_path: dict[str, int] = {}
        self._done = 0
        self._over = False
        self._lock = threading.RLock()

    def begin(self, what: str, total: int | None) -> None:
        """It may be large enough to show the bar at once."""
        with self._lock:
            self._what, self._total = what, total
            self._show()

    def checked(self, path: str, done: int, total: int) -> None:
        """Said beside the bar, which counts what has been moved."""
        with self._lock:
            self._show(f"checking {path.rpartition('/')[2]} {100 * done // max(total, 1)} %")

    def moved(self, path: str, done: int, total: int | None) -> None:
        """The bar grows."""
        with self._lock:
            self._done += done - self._of_path.get(path, 0)
            self._of_path[path] = done
            self._total = total if self._total is None else self._total
            self._show()

    def end(self, line: str = "") -> None:
        """The bar goes; the line is for those who saw it."""
        with self._lock:
            self._over = True
            if self._drawing is not None:
                self._drawing.close(line)

    def _show(self, note: str = "") -> None:
        if self._over:
            return
        if self._drawing is None:
            if (self._total or 0) <= NOTICEABLE_SIZE and time.monotonic() - self._since < NOTICEABLE_TIME:
                return
            self._drawing = self._draw(self._what, self._total)
        self._drawing.show(self._done, note)


class _TqdmBar:
    """A bar of tqdm."""

    def __init__(self, module: str, what: str, total: int | None, **settings: Any) -> None:
        cls = import_module(module).tqdm
        self._bar = cls(total=total, desc=what, unit="B", unit_scale=True, leave=False, **settings)
        self._noted = 0.0

    def show(self, done: int, note: str) -> None:
        """Draw it anew, though not too often."""
        self._bar.set_postfix_str(note, refresh=False)
        self._bar.update(done - self._bar.n)
        # By itself tqdm looks at the count only.
        if note and time.monotonic() - self._noted > REDRAW:
            self._noted = time.monotonic()
            self._bar.refresh()


class TerminalBar(_TqdmBar):
    """A line on standard error."""

    def __init__(self, what: str, total: int | None) -> None:
        super().__init__("tqdm.std", what, total, file=sys.stderr, dynamic_ncols=True)

    def close(self, line: str) -> None:
        """Wipe it out."""
        self._bar.close()
        if line:
            sys.stderr.write(f"{line}\n")


class NotebookBar(_TqdmBar):
    """A widget, in an output of its own that can be replaced."""

    def __init__(self, what: str, total: int | None) -> None:
        super().__init__("tqdm.notebook", what, total, display=False)
        self._output = import_module("IPython.display").display(self._bar.container, display_id=True)

    def close(self, line: str) -> None:
        """Put text in its place: a saved notebook would hold a widget that nobody can open."""
        self._bar.close()
        self._output.update({"text/plain": line}, raw=True)
        for widget in (*self._bar.container.children, self._bar.container):
            for part in (getattr(widget, "style", None), widget.layout, widget):
                if part is not None:
                    part.close()


def watched(
    transfer: Callable[[Watcher], Report],
    progress: Progress | None = None,
    *,
    quiet: bool = False,
    say: bool = True,
) -> Report:
    """Make a transfer under somebody's eyes.

    Args:
        transfer: does it, and tells the watcher.
        progress: a function to be told in place of a bar.
        quiet: whether to show nothing.
        say: whether a bar that was seen leaves a line; not if the caller says it anyway.
    """
    draw = None if quiet or progress else drawing()
    watcher = Told(progress) if progress else Bar(draw) if draw else Watcher()
    line = ""
    try:
        report = transfer(watcher)
        line = described(report) if say else ""
    finally:
        watcher.end(line)
    return report


def drawing(environment: Mapping[str, str] = os.environ) -> Draw | None:
    """How to draw bars here; None for not at all."""
    if not flag(environment, SWITCH, default=True):
        return None
    if _in_notebook():
        return NotebookBar
    terminal = sys.stderr is not None and sys.stderr.isatty()
    return TerminalBar if terminal or SWITCH in environment else None


def described(report: Report) -> str:
    """A transfer in a few words: ``model.bin: 1.2 GB, already there``."""
    some = f"{report.files} files, " if report.files != 1 else ""
    there = ""
    if report.were_there:
        there = (
            ", already there" if report.were_there == report.files else f", {report.were_there} already there"
        )
    return f"{report.name}: {some}{size_of(report.size)}{there}"


def _in_notebook() -> bool:
    """Whether the cells' output is shown by something that knows widgets."""
    running = notebook.shell()
    if running is None or not hasattr(running, "kernel") or "SPY_PYTHONPATH" in os.environ:
        return False
    with contextlib.suppress(ImportError):
        return import_module("tqdm.notebook").IProgress is not None
    return False
