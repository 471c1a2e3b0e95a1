"""What the ``%track`` magics do: read the line, call a fluent function, say in one line what was done.

An error is one line too, with the cure, and does not stop the cell: training goes on. Only what the user's
own cell raises under ``%%track_run`` is passed on.
"""

from __future__ import annotations

import argparse
import sys
import traceback
from collections import Counter
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from . import fluent, notebook
from .cards import Card, quota_lines, run_card, status_card
from .cell_run import run_cell, user_traceback
from .client.retries import hurried
from .current_run import ActiveRun, status_after
from .magic_flags import parser_of
from .magic_line import (
    Scope,
    UsageFault,
    named_words,
    read_integer,
    read_name,
    read_pair,
    read_word,
    wants_help,
)
from .magic_table import MAGICS, sign
from .progress_bar import NOTICEABLE_SIZE, described, watched
from .protocol.errors import ResourceDoesNotExist, TrackingError
from .run_list import Runs
from .sharing import role_lines, share, unshare
from .tracker import tracker
from .widgets.artifact_browser import ArtifactBrowser
from .widgets.run_table import RunTable

LOUD_POINTS = 3
"""Points of a metric that one cell announces; a training loop would flood it."""
TRACEBACK_FILE = "error/traceback.txt"


@dataclass
class Use:
    """One use of a magic.

    Attributes:
        words: the arguments on its line.
        scope: the variables that the line may name.
        quiet: whether to say nothing.
    """

    words: argparse.Namespace
    scope: Scope
    quiet: bool

    def say(self, text: str) -> None:
        """Print the one line of output."""
        if not self.quiet:
            print(text)


def run(name: str, line: str, cell: str | None, local_ns: Scope) -> Any:
    """Carry out a magic; the entry that IPython calls."""
    __tracebackhide__ = True
    if wants_help(line):
        print(parser_of(name).format_help().strip())
        return None
    shell = notebook.shell()
    scope = {**(shell.user_ns if shell else {}), **local_ns}
    line = line.rstrip()
    try:
        words = parser_of(name).read(line.rstrip(";"))
    except UsageFault as fault:
        _complain(fault)
        words = None
    if cell is not None:
        _track_cell(words, scope, cell)
        return None
    if words is None:
        return None
    use = Use(words, scope, quiet=words.quiet or line.endswith(";"))
    result = _guarded(lambda: _BODIES[name](use))
    if words.output and shell:
        shell.user_ns[words.output] = result
        return None
    return result


def _track_experiment(use: Use) -> None:
    if use.words.name:
        found = fluent.set_experiment(_joined_name(use.words.name, use.scope))
    else:
        found = tracker.client.experiment(tracker.experiment_id())
    use.say(f"experiment {found.name} (id {found.experiment_id})")


def _track_start(use: Use) -> ActiveRun:
    ended = ""
    active = fluent.active_run()
    if active is not None and not use.words.nested:
        active.end()
        ended = f"run {active.name} finished; "
    started = _begin(use)
    use.say(f"{ended}run {started.name} {'resumed' if use.words.resume else 'started'} · {started.url}")
    started.announced_in = notebook.place().execution_count
    return started


def _track_end(use: Use) -> None:
    active = fluent.active_run()
    if active is None:
        use.say("no run is active")
        return
    active.end(use.words.status)
    use.say(f"run {active.name} {use.words.status.lower()} · {active.url}")


def _track_run(use: Use) -> None:  # noqa: ARG001 - the shape of a body
    raise UsageFault("%%track_run must be the very first line of its cell; this cell is not tracked by it")


def _track_cell(words: argparse.Namespace | None, scope: Scope, cell: str) -> None:
    """``%%track_run``: whatever the server does, the cell runs, and what it raises is raised."""
    __tracebackhide__ = True
    started: ActiveRun | None = None
    if words is not None:
        use = Use(words, scope, quiet=words.quiet)
        started = _guarded(lambda: _begin(use))
        if started is not None:
            use.say(f"run {started.name} started · {started.url}")
    try:
        run_cell(notebook.shell(), cell)
    except BaseException as error:
        if started is not None:
            _guarded(partial(_finish, started, error))
        raise
    if started is not None:
        _guarded(partial(_finish, started, None))


def _track_param(use: Use) -> None:
    words = named_words(use.words.words, use.scope, "%track_param")
    active = fluent.active_run()
    known = active.params if active else {}
    texts = {name: word.text for name, word in words.items() if known.get(name) != word.text}
    if not texts:
        return
    if taken := sorted(known.keys() & texts.keys()):
        raise _taken(taken[0], known)
    try:
        fluent.log_params(texts)
    except TrackingError as error:
        raise _explained(error, texts) from None
    _say_logged(use, ", ".join(f"{name} = {text}" for name, text in texts.items()), active)


def _track_metric(use: Use) -> None:
    words = named_words(use.words.words, use.scope, "%track_metric")
    step = read_integer(use.words.step, use.scope, "--step")
    active = fluent.active_run()
    fluent.log_metrics({name: word.value for name, word in words.items()}, step=step)
    said = _times_said(", ".join(words))
    if said <= LOUD_POINTS:
        what = ", ".join(f"{name} = {word.text}" for name, word in words.items())
        at = "" if step is None else f" (step {step})"
        _say_logged(
            use, what + at, active, " · further points in this cell: silent" if said == LOUD_POINTS else ""
        )


def _track_tag(use: Use) -> None:
    words = named_words(use.words.words, use.scope, "%track_tag")
    active = fluent.active_run()
    fluent.set_tags({name: word.text for name, word in words.items()})
    _say_logged(use, ", ".join(f"{name}: {word.text}" for name, word in words.items()), active)


def _track_artifact(use: Use) -> None:
    source = use.words.source
    active = fluent.active_run()
    value = read_word(source, use.scope).value
    name = read_name(use.words.name, use.scope) if use.words.name else ""
    path = _existing(value)
    variable = source.strip("{} $")
    if path is not None:
        name = f"{name}{path.name}" if name.endswith("/") else name or path.resolve().name
        stored = _upload(path, name, use)
    elif source[0] in "{$" or source in use.scope:
        if not name and not variable.isidentifier():
            raise UsageFault(f"give it a name: %track_artifact {source} NAME")
        stored = fluent.log_value(value, name or variable)
    else:
        raise UsageFault(f"there is no file, folder or variable {source}")
    _say_logged(use, stored, active)


def _upload(source: Path, name: str, use: Use) -> str:
    """Store a file or folder; what to say of it, which is more than its name if it is large."""
    run = fluent.active_run() or fluent.start_run()
    report = watched(
        lambda watcher: tracker.artifacts(run.run_id, watcher).upload(source, name=name),
        quiet=use.quiet,
        say=False,
    )
    return described(report) if report.were_there or report.size > NOTICEABLE_SIZE else name


def _track_runs(use: Use) -> RunTable:
    words = use.words
    names = [_joined_name(words.experiment, use.scope)] if words.experiment else None
    condition = read_name(words.filter, use.scope)
    order = [read_name(text, use.scope) for text in words.order_by]
    limit = read_integer(words.limit, use.scope, "--limit") or 0

    def search() -> Runs:
        return fluent.search_runs(None, condition, limit, order, names)

    return RunTable(search(), search)


def _track_artifacts(use: Use) -> ArtifactBrowser:
    return ArtifactBrowser(_run_id(use.words.run, use.scope))


def _track_quota(use: Use) -> None:
    for line in quota_lines():
        use.say(line)


def _track_share(use: Use) -> None:
    words = use.words
    if words.user or words.group or words.everyone:
        give, role = (unshare, {}) if words.remove else (share, {"role": words.role})
        give(words.user, group=words.group, everyone=words.everyone, **role)
    for line in role_lines():
        use.say(line)


def _track(use: Use) -> Card | None:
    what = use.words.what
    if what == "help":
        for name, usage in MAGICS.items():
            print(f"{sign(name)} {usage.words}\n    {usage.summary}")
        return None
    return run_card(_run_id(what, use.scope)) if what else status_card()


_BODIES: dict[str, Callable[[Use], Any]] = {
    "track": _track,
    "track_artifact": _track_artifact,
    "track_artifacts": _track_artifacts,
    "track_end": _track_end,
    "track_experiment": _track_experiment,
    "track_metric": _track_metric,
    "track_metrics": _track_metric,
    "track_param": _track_param,
    "track_params": _track_param,
    "track_quota": _track_quota,
    "track_run": _track_run,
    "track_runs": _track_runs,
    "track_share": _track_share,
    "track_start": _track_start,
    "track_status": _track,
    "track_tag": _track_tag,
}


def _guarded(work: Callable[[], Any]) -> Any:
    """Do something with little patience; what goes wrong is said in one line."""
    try:
        with hurried():
            return work()
    except (TrackingError, UsageFault, OSError) as error:
        _complain(error)
    except Exception as error:
        where = traceback.extract_tb(error.__traceback__)[-1]
        _complain(UsageFault(f"{type(error).__name__}: {error} ({Path(where.filename).name}:{where.lineno})"))
    return None


def _complain(error: BaseException) -> None:
    sys.stdout.flush()
    print(f"track: {' '.join(str(error).split())}", file=sys.stderr)


def _begin(use: Use) -> ActiveRun:
    words, scope = use.words, use.scope
    if words.experiment:
        fluent.set_experiment(read_name(words.experiment, scope))
    if words.resume:
        return fluent.start_run(_run_id(words.resume, scope), nested=True)
    name = words.named or words.name
    return tracker.start(
        experiment_id=None,
        name=read_name(name, scope) if name else None,
        nested=words.nested,
        tags=dict(read_pair(word, scope) for word in words.tag),
    )


def _finish(started: ActiveRun, error: BaseException | None) -> None:
    if started.ended:
        return
    try:
        if error is not None:
            text = user_traceback(error).encode()
            tracker.artifacts(started.run_id).upload_bytes(text, TRACEBACK_FILE)
    finally:
        started.end(status_after(error).value)


def _run_id(word: str | None, scope: Scope) -> str:
    """The run that a word names by id or name; the active run, or else the last one, if there is no word."""
    if word is None:
        last = fluent.last_active_run()
        if last is None:
            raise UsageFault("no run is active; give a run's id or name")
        return last.run_id
    name = read_name(word, scope)
    value = scope.get(name)
    if isinstance(value, ActiveRun):
        return value.run_id
    try:
        return tracker.client.run(name).info.run_id
    except ResourceDoesNotExist:
        quoted = name.replace("'", "\\'")
        found = fluent.search_runs(filter_string=f"attributes.run_name = '{quoted}'", max_results=1)
        if not found:
            raise UsageFault(f"there is no run {name} in this experiment") from None
        return str(found[0]["run_id"])


def _joined_name(words: list[str], scope: Scope) -> str:
    return " ".join(read_name(word, scope) for word in words)


def _existing(value: object) -> Path | None:
    if not isinstance(value, str | Path) or not str(value) or "\n" in str(value):
        return None
    path = Path(value).expanduser()
    try:
        return path if path.exists() else None
    except (OSError, ValueError):
        return None


def _explained(error: TrackingError, texts: Mapping[str, str]) -> Exception:
    """A refusal of params: if one of them has another value already, that is what to say."""
    active = fluent.active_run()
    if active is None:
        return error
    stored = {param.key: param.value for param in tracker.client.run(active.run_id).data.params}
    clash = [name for name, text in texts.items() if stored.get(name, text) != text]
    return _taken(clash[0], stored) if clash else error


def _taken(name: str, known: Mapping[str, str]) -> UsageFault:
    return UsageFault(
        f"{name} is {known[name]} in this run and a param stays as it is; "
        "start a new run with %track_start, or log it under another name"
    )


_said: tuple[int, Counter[str]] = (-1, Counter())


def _times_said(what: str) -> int:
    """How often this has been announced in the running cell, this time included."""
    global _said  # noqa: PLW0603 - what one cell has said is forgotten with the next
    count = notebook.place().execution_count
    if _said[0] != count:
        _said = (count, Counter())
    _said[1][what] += 1
    return _said[1][what]


def _say_logged(use: Use, what: str, before: ActiveRun | None, more: str = "") -> None:
    active = fluent.active_run()
    what = what if len(what) <= 120 else what[:119] + "…"
    if active is not None:
        use.say(
            f"{what} → {active.name}{more}"
            if before
            else f"{what} → run {active.name} (started) · {active.url}"
        )
