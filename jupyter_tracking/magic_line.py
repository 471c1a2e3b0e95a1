"""Reads the line behind a magic: words, flags, and the values that words stand for.

A *word* is a stretch without blanks; blanks inside quotes or brackets do not end it. A word stands for

* ``"text"`` or ``'text'``: that text;
* ``{expression}``: its value, as in an f-string; ``{"a": 1}`` is a dictionary;
* ``$name``: the variable's value;
* a number or other literal of Python or JSON: that;
* the bare name of a variable: its value;
* anything else: itself, with ``{expression}`` and ``$name`` inside it replaced.
"""

from __future__ import annotations

import argparse
import ast
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, fields, is_dataclass
from typing import Any, NoReturn

_CLOSING = {"(": ")", "[": "]", "{": "}"}
_PLAIN_NAME = re.compile(r"\$([A-Za-z_]\w*)\Z")
_INSIDE = re.compile(r"\$\$|\$([A-Za-z_]\w*)|\{([^{}]+)\}")
_LIKE_A_NUMBER = re.compile(r"-(\d|\.\d|inf|nan)", re.IGNORECASE)
_PAIR = re.compile(r"[A-Za-z_][\w./-]*=[^=]")
_GUARD = "\0"
"""Put before a negative number, so that argparse does not take it for a flag."""

Scope = Mapping[str, Any]


class UsageFault(Exception):
    """The line can't be read; the text says why and what to write instead."""


@dataclass(frozen=True)
class Word:
    """What a word stands for: a value, and the text to store for it (a literal as it was typed)."""

    value: Any
    text: str


class LineParser(argparse.ArgumentParser):
    """argparse for magics: no abbreviations, no exits, negative numbers are words, ``-h`` is left to us."""

    def __init__(self, name: str, usage: str, summary: str) -> None:
        super().__init__(
            prog=name,
            usage=f"{name} {usage}".replace("%", "%%"),  # argparse formats it
            description=summary,
            add_help=False,
            allow_abbrev=False,
            formatter_class=argparse.RawDescriptionHelpFormatter,
        )

    def read(self, line: str) -> argparse.Namespace:
        """The arguments on a line; words are left as they were typed.

        Raises:
            UsageFault: a flag is not known, or a word is missing or too much.
        """
        words = [_GUARD + word if _LIKE_A_NUMBER.match(word) else word for word in split(line)]
        found = self.parse_intermixed_args(words)
        for name, value in vars(found).items():
            setattr(found, name, _unguarded(value))
        return found

    def error(self, message: str) -> NoReturn:
        """Raise instead of ending the process."""
        usage = (self.usage or "").replace("%%", "%")
        raise UsageFault(f"{message.replace(_GUARD, '')}. Usage: {usage}")


def wants_help(line: str) -> bool:
    """Whether ``-h`` or ``--help`` is a word of the line."""
    try:
        return not {"-h", "--help"}.isdisjoint(split(line))
    except UsageFault:
        return False


def split(line: str) -> list[str]:
    """The words of a line, as typed, with their quotes.

    Raises:
        UsageFault: a quote or bracket is not closed.
    """
    words: list[str] = []
    word, quote, open_brackets = "", "", ""
    previous = ""
    for sign in line:
        if quote:
            quote = "" if sign == quote and previous != "\\" else quote
        elif sign in "\"'" and (not word or open_brackets or word[-1] in "=,:"):
            quote = sign
        elif sign in _CLOSING:
            open_brackets += _CLOSING[sign]
        elif open_brackets and sign == open_brackets[-1]:
            open_brackets = open_brackets[:-1]
        elif sign.isspace() and not open_brackets:
            if word:
                words.append(word)
            word = previous = ""
            continue
        word += sign
        previous = "" if previous == "\\" else sign
    if quote or open_brackets:
        raise UsageFault(f"{quote or open_brackets[-1]} is missing at the end of {word!r}")
    return [*words, word] if word else words


def read_word(word: str, scope: Scope) -> Word:
    """What a word stands for.

    Raises:
        UsageFault: its expression fails.
    """
    if _is_quoted(word):
        text = str(ast.literal_eval(word))
        return Word(text, text)
    if word.startswith("{") and word.endswith("}"):
        value = _braces(word, scope)
        return Word(value, str(value))
    if found := _PLAIN_NAME.match(word):
        value = _evaluate(found[1], scope)
        return Word(value, str(value))
    try:
        return Word(_literal(word), word)
    except ValueError:
        pass
    if word.isidentifier() and word in scope:
        return Word(scope[word], str(scope[word]))
    text = fill(word, scope)
    return Word(text, text)


def read_text(words: list[str], scope: Scope) -> Word:
    """What several words stand for: one by its own rules, more as a text."""
    if len(words) == 1:
        return read_word(words[0], scope)
    text = " ".join(str(ast.literal_eval(word)) if _is_quoted(word) else fill(word, scope) for word in words)
    return Word(text, text)


def named_words(words: list[str], scope: Scope, magic: str) -> dict[str, Word]:
    """``NAME VALUE``, ``NAME=VALUE ...``, a variable's name alone, or a dictionary: names and their values.

    Raises:
        UsageFault: it is none of these.
    """
    if len(words) > 1 and not all(_PAIR.match(word) for word in words):
        return {read_name(words[0], scope): read_text(words[1:], scope)}
    if all(_PAIR.match(word) for word in words):
        pairs = (word.partition("=") for word in words)
        return {name: read_word(value, scope) for name, _, value in pairs}
    word = words[0]
    is_name = word.isidentifier()
    if is_name and word not in scope:
        raise UsageFault(f"there is no variable {word}; give it a value: {magic} {word} VALUE")
    found = read_word(word, scope)
    members = _members(found.value)
    if members is not None:
        return {str(name): Word(value, str(value)) for name, value in members.items()}
    if is_name:
        return {word: found}
    raise UsageFault(f"give a name and a value: {magic} NAME {word}")


def read_name(word: str, scope: Scope) -> str:
    """A name: as typed, without quotes, ``{expression}`` and ``$name`` replaced; no bare variable."""
    return str(ast.literal_eval(word)) if _is_quoted(word) else fill(word, scope)


def read_pair(word: str, scope: Scope) -> tuple[str, str]:
    """The name and the text in ``NAME=VALUE``.

    Raises:
        UsageFault: there is no ``=``.
    """
    quoted = _is_quoted(word)
    name, equals, value = (read_name(word, scope) if quoted else word).partition("=")
    if not equals:
        raise UsageFault(f"--tag needs KEY=VALUE, not {word}")
    return (name, value) if quoted else (read_name(name, scope), read_word(value, scope).text)


def read_integer(word: str | None, scope: Scope, flag: str) -> int | None:
    """The whole number that a flag's word stands for; None if the flag is not there."""
    if word is None:
        return None
    value = read_word(word, scope).value
    try:
        if int(value) == value:
            return int(value)
    except (TypeError, ValueError, OverflowError):
        pass
    raise UsageFault(f"{flag} needs a whole number, not {word}")


def fill(text: str, scope: Scope) -> str:
    """A text with its ``{expression}`` and ``$name`` replaced; ``$$`` is a dollar sign."""

    def replace(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        if found[1]:
            return str(scope[found[1]]) if found[1] in scope else found[0]
        return str(_evaluate(found[2], scope))

    return _INSIDE.sub(replace, text)


def _members(value: Any) -> Mapping[Any, Any] | None:
    """What a dictionary, a dataclass or parsed arguments hold by name; None for anything else."""
    if isinstance(value, Mapping):
        return value
    if is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in fields(value)}
    return vars(value) if isinstance(value, argparse.Namespace) else None


def _unguarded(value: Any) -> Any:
    if isinstance(value, list):
        return [_unguarded(item) for item in value]
    return value.removeprefix(_GUARD) if isinstance(value, str) else value


def _is_quoted(word: str) -> bool:
    if len(word) < 2 or word[0] not in "\"'" or word[-1] != word[0]:
        return False
    try:
        return isinstance(ast.literal_eval(word), str)
    except (ValueError, SyntaxError):
        return False


def _literal(word: str) -> Any:
    """The value of a literal of Python or JSON; ValueError if it is none."""
    try:
        return ast.literal_eval(word)
    except (ValueError, SyntaxError, MemoryError, RecursionError):
        return json.loads(word)


def _braces(word: str, scope: Scope) -> Any:
    """``{expression}`` or, where that is none, a dictionary."""
    inside = word[1:-1].strip()
    try:
        ast.parse(inside, mode="eval")
    except SyntaxError:
        return _evaluate(word, scope)
    return _evaluate(inside, scope)


def _evaluate(expression: str, scope: Scope) -> Any:
    try:
        return eval(expression, dict(scope))  # noqa: S307 - the user's own code, in the user's own kernel
    except Exception as error:
        raise UsageFault(f"{expression}: {type(error).__name__}: {error}") from None
