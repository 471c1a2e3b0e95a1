"""Writes the pages that derive from the code, or with ``--check`` says which are out of date."""

from __future__ import annotations

import argparse
import inspect
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import msgspec
from msgspec import inspect as shape

import jupyter_tracking
from jupyter_tracking.magic_flags import parser_of
from jupyter_tracking.magic_table import MAGICS, sign
from jupyter_tracking.protocol import CALLS, Call
from jupyter_tracking_server.config import table

DOCS = Path(__file__).parent
NOTE = "<!-- Written by docs/generate.py; change the code, then run `make docs`. -->\n"


def endpoints() -> str:
    """The page of all calls: path, right, fields of request and reply."""
    lines = [
        "# Endpoints",
        "",
        NOTE,
        "Each call is served under `api/2.0/`, `api/3.0/`, `ajax-api/2.0/` and `ajax-api/3.0/`, below the "
        "tracking URI. A field marked * is required. The bytes of artifacts travel as streams: see "
        "[artifacts](artifacts.md).",
        "",
    ]
    for call in CALLS:
        lines += _call(call)
    return "\n".join(lines).rstrip() + "\n"


def _call(call: Call[msgspec.Struct, msgspec.Struct]) -> list[str]:
    path = f"{call.family}/{call.path}" if call.path else call.family
    return [
        f"## {call.name}",
        "",
        call.summary,
        "",
        f"`{' | '.join(call.verbs)} {path}`, right: {call.action}",
        "",
        f"- request: {', '.join(_fields(call.request)) or 'nothing'}",
        f"- reply: {', '.join(_fields(call.reply)) or 'nothing'}",
        "",
    ]


def _fields(cls: type[msgspec.Struct]) -> Iterator[str]:
    info = shape.type_info(cls)
    if isinstance(info, shape.StructType):
        for field in info.fields:
            yield f"`{field.encode_name}`{'*' if field.required else ''}"


def settings() -> str:
    """The page of all settings: flag, trait, environment variable, default."""
    return "\n".join(
        [
            "# Settings",
            "",
            NOTE,
            "The embedded server reads the trait from Jupyter's configuration "
            '(`c.TrackingExtension.durability = "normal"` in `jupyter_server_config.py`); '
            "`jupyter tracking server` takes the flag or the environment variable.",
            "",
            table(),
        ]
    )


def magics() -> str:
    """The page of all magics: how a line is read, then each with its help."""
    lines = ["# Magics", "", NOTE, _part("magics.md")]
    for name, usage in MAGICS.items():
        lines += [f"## `{sign(name)}`", "", usage.summary, "", f"`{sign(name)} {usage.words}`", ""]
        lines += [f"- `{_words(action)}`: {action.help}" for action in parser_of(name)._actions]
        lines.append("")
    return "\n".join(lines).rstrip() + "\n"


def _words(action: argparse.Action) -> str:
    value = "" if action.nargs == 0 else f"{action.metavar or '|'.join(action.choices or ())}"
    return f"{', '.join(action.option_strings)} {value}".strip()


def python() -> str:
    """The page of the Python API: all public names with their signatures."""
    lines = [
        "# Python API",
        "",
        NOTE,
        _part("python.md"),
        "## Names",
        "",
        "| name | what it is |",
        "|---|---|",
    ]
    for name in jupyter_tracking.__all__:
        value = getattr(jupyter_tracking, name)
        words = f"{name}{_arguments(value)}" if inspect.isfunction(value) else name
        lines.append(f"| `{words}` | {(inspect.getdoc(value) or '').splitlines()[0]} |")
    return "\n".join(lines) + "\n"


def _arguments(function: Callable[..., object]) -> str:
    return f"({', '.join(inspect.signature(function).parameters)})"


def _part(name: str) -> str:
    return (DOCS / "parts" / name).read_text(encoding="utf-8")


PAGES = {"endpoints.md": endpoints, "settings.md": settings, "magics.md": magics, "python.md": python}


def main() -> int:
    """Write or check the pages; the number of pages that differ when checking."""
    stale = [name for name, page in PAGES.items() if _old(name) != page()]
    if "--check" not in sys.argv:
        for name in stale:
            (DOCS / name).write_text(PAGES[name](), encoding="utf-8")
        return 0
    for name in stale:
        sys.stderr.write(f"docs/{name} is out of date: run `make docs`\n")
    return len(stale)


def _old(name: str) -> str:
    path = DOCS / name
    return path.read_text(encoding="utf-8") if path.exists() else ""


if __name__ == "__main__":
    sys.exit(main())
