"""Settings as flags: made from the one table, so that a setting is declared once."""

from __future__ import annotations

import argparse
from collections.abc import Collection

from ..config import SETTINGS, Setting, Settings, from_environment

__all__ = ["add_flags", "settings_of"]

SHORT = {"port": "-p"}


def add_flags(parser: argparse.ArgumentParser, only: Collection[str] = ()) -> None:
    """Add a flag for each setting, or for ``only`` some."""
    for item in SETTINGS:
        if not only or item.name in only:
            _add(parser, item)


def settings_of(given: argparse.Namespace) -> Settings:
    """The settings: flags before environment before defaults.

    Raises:
        ConfigurationError: they cannot be served.
    """
    flags = {item.name: vars(given)[item.name] for item in SETTINGS if item.name in vars(given)}
    return Settings(**{**from_environment(), **flags})


def _add(parser: argparse.ArgumentParser, item: Setting) -> None:
    names = [SHORT[item.name], item.flag] if item.name in SHORT else [item.flag]
    text = item.help.replace("%", "%%") + (f" [${item.env}]" if item.env else "")
    absent = argparse.SUPPRESS
    if item.default is True:
        parser.add_argument(*names, action=argparse.BooleanOptionalAction, default=absent, help=text)
    elif item.default is False:
        parser.add_argument(*names, action="store_true", default=absent, help=text)
    else:
        parser.add_argument(
            *names, type=type(item.default), choices=item.choices or None, default=absent, help=text
        )
