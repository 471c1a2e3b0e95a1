"""The flags and words that each magic takes, as argparse has them; every magic also takes -q, -o and -h."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from .magic_line import LineParser
from .magic_table import MAGICS, sign

Argument = tuple[tuple[str, ...], Mapping[str, Any]]


def _argument(*flags: str, **settings: Any) -> Argument:
    return flags, settings


_NEW_RUN = (
    _argument("name", nargs="?", metavar="NAME", help="the run's name; a random one by default"),
    _argument("-n", "--name", dest="named", metavar="NAME", help="the same, as a flag"),
    _argument("-e", "--experiment", metavar="NAME", help="the experiment; it is made if it is not there"),
    _argument("-t", "--tag", action="append", default=[], metavar="KEY=VALUE", help="a tag; may be repeated"),
    _argument("--nested", action="store_true", help="inside the active run, which stays active"),
    _argument("-r", "--resume", metavar="RUN", help="go on with an older run, by its id or name"),
)
_NAMED = (
    _argument(
        "words", nargs="+", metavar="NAME VALUE", help="a name and its value, a variable, a dictionary"
    ),
)
_STATUSES = ("FINISHED", "FAILED", "KILLED")
_CARD = (_argument("what", nargs="?", metavar="RUN|help", help="a run's id or name, or help"),)
_STEP = _argument("-s", "--step", metavar="N", help="the step; 0 by default")
_ARGUMENTS: dict[str, tuple[Argument, ...]] = {
    "track": _CARD,
    "track_artifact": (
        _argument("source", metavar="PATH|VAR", help="a file, a folder, or a variable"),
        _argument(
            "name", nargs="?", metavar="NAME", help="its name in the run; the ending says the form: plot.svg"
        ),
    ),
    "track_artifacts": (
        _argument("run", nargs="?", metavar="RUN", help="its id or name; by default the active run"),
    ),
    "track_end": (_argument("--status", default="FINISHED", choices=_STATUSES, help="how it ended"),),
    "track_experiment": (_argument("name", nargs="*", metavar="NAME", help="the experiment's name"),),
    "track_metric": (*_NAMED, _STEP),
    "track_metrics": (*_NAMED, _STEP),
    "track_param": _NAMED,
    "track_params": _NAMED,
    "track_quota": (),
    "track_run": _NEW_RUN,
    "track_runs": (
        _argument("experiment", nargs="*", metavar="EXPERIMENT", help="its name; the current one by default"),
        _argument("-f", "--filter", default="", metavar="TEXT", help="such as 'metrics.loss < 0.1'"),
        _argument(
            "--order-by", action="append", default=[], metavar="TEXT", help="such as 'metrics.loss ASC'"
        ),
        _argument("--limit", default="1000", metavar="N", help="runs at most; 1000 by default"),
    ),
    "track_share": (
        _argument("user", nargs="?", default="", metavar="USER", help="a user's name"),
        _argument("-g", "--group", default="", metavar="GROUP", help="a group's name"),
        _argument("--everyone", action="store_true", help="all who sign in"),
        _argument(
            "--role",
            default="reader",
            metavar="ROLE",
            help="reader (the default), editor, which logs, or owner",
        ),
        _argument("--remove", action="store_true", help="take the role away"),
    ),
    "track_start": _NEW_RUN,
    "track_status": _CARD,
    "track_tag": _NAMED,
}


def parser_of(name: str) -> LineParser:
    """Reads the line of a magic."""
    parser = LineParser(sign(name), MAGICS[name].words, MAGICS[name].summary)
    for flags, settings in _ARGUMENTS[name]:
        parser.add_argument(*flags, **settings)
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="say nothing; a ; at the end does the same"
    )
    parser.add_argument("-o", "--output", metavar="VAR", help="put the result into this variable")
    return parser
