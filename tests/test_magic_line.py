"""How the line behind a magic is read."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from typing import Any

import pytest

from jupyter_tracking.magic_line import (
    LineParser,
    UsageFault,
    named_words,
    read_integer,
    read_name,
    read_text,
    read_word,
    split,
    wants_help,
)


@dataclass
class Settings:
    rate: float
    layers: int


SCOPE: dict[str, Any] = {
    "lr": 0.1,
    "i": 3,
    "name": "tidy",
    "cfg": {"a": 1, "b": [2]},
    "settings": Settings(0.5, 2),
}


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("", []),
        ("  a   1 ", ["a", "1"]),
        ('note "two words" x', ["note", '"two words"', "x"]),
        ("note 'it''s'", ["note", "'it''s'"]),
        (r'note "a \" b" c', ["note", r'"a \" b"', "c"]),
        ("don't stop", ["don't", "stop"]),
        ("x {a + b} y", ["x", "{a + b}", "y"]),
        ('{"a": [1, 2], "b": "}"} z', ['{"a": [1, 2], "b": "}"}', "z"]),
        ("layers [64, 64]", ["layers", "[64, 64]"]),
        ('--name="two words" --step=4', ['--name="two words"', "--step=4"]),
        ("a(b c) d", ["a(b c)", "d"]),
    ],
)
def test_words(line: str, words: list[str]) -> None:
    assert split(line) == words


@pytest.mark.parametrize("line", ['note "open', "x {a", "x [1, (2]"])
def test_what_is_not_closed_is_said(line: str) -> None:
    with pytest.raises(UsageFault, match="is missing at the end"):
        split(line)


@pytest.mark.parametrize(
    ("word", "value", "text"),
    [
        ("1", 1, "1"),
        ("1.10", 1.1, "1.10"),
        ("1e-3", 0.001, "1e-3"),
        ("-0.5", -0.5, "-0.5"),
        ("007", "007", "007"),
        ("True", True, "True"),
        ("true", True, "true"),
        ("null", None, "null"),
        ("[1, 2]", [1, 2], "[1, 2]"),
        ('"lr"', "lr", "lr"),
        ("'{lr}'", "{lr}", "{lr}"),
        ("lr", 0.1, "0.1"),
        ("unknown", "unknown", "unknown"),
        ("tree-3.5", "tree-3.5", "tree-3.5"),
        ("{lr * 2}", 0.2, "0.2"),
        ("{[lr for _ in range(i)]}", [0.1, 0.1, 0.1], "[0.1, 0.1, 0.1]"),
        ('{"a": lr}', {"a": 0.1}, "{'a': 0.1}"),
        ("{**cfg, 'c': i}", {"a": 1, "b": [2], "c": 3}, "{'a': 1, 'b': [2], 'c': 3}"),
        ("{}", {}, "{}"),
        ("$lr", 0.1, "0.1"),
        ("run-{i}-$name", "run-3-tidy", "run-3-tidy"),
        ("$$5", "$5", "$5"),
        ("$unknown-x", "$unknown-x", "$unknown-x"),
    ],
)
def test_what_a_word_stands_for(word: str, value: object, text: str) -> None:
    found = read_word(word, SCOPE)
    assert (found.value, found.text) == (value, text)


@pytest.mark.parametrize(
    ("word", "says"),
    [("{1/0}", "ZeroDivisionError"), ("{nope}", "NameError"), ("$nope", "nope"), ("{1 +}", "Syntax")],
)
def test_an_expression_that_fails_is_one_line(word: str, says: str) -> None:
    with pytest.raises(UsageFault, match=says) as caught:
        read_word(word, SCOPE)
    assert "\n" not in str(caught.value)


def test_several_words_are_a_text() -> None:
    assert read_text(["best", "of", "{i}", '"all runs"'], SCOPE).text == "best of 3 all runs"
    assert read_text(["lr"], SCOPE).text == "0.1"
    assert read_text(["my", "lr"], SCOPE).text == "my lr"


def test_a_name_is_never_a_variables_value() -> None:
    assert [read_name(word, SCOPE) for word in ("lr", '"a b"', "lr_{i}", "$name")] == [
        "lr",
        "a b",
        "lr_3",
        "tidy",
    ]


@pytest.mark.parametrize(
    ("words", "expected"),
    [
        (["lr"], {"lr": "0.1"}),
        (["lr", "0.2"], {"lr": "0.2"}),
        (["lr", "i"], {"lr": "3"}),
        (["rate", "i"], {"rate": "3"}),
        (["cfg"], {"a": "1", "b": "[2]"}),
        (["{cfg}"], {"a": "1", "b": "[2]"}),
        (["settings"], {"rate": "0.5", "layers": "2"}),
        (['{"x": lr}'], {"x": "0.1"}),
        (["lr=0.2", "n=i"], {"lr": "0.2", "n": "3"}),
        (["note", "a=b"], {"note": "a=b"}),
        (["cfg", "{cfg}"], {"cfg": "{'a': 1, 'b': [2]}"}),
    ],
)
def test_names_with_values(words: list[str], expected: dict[str, str]) -> None:
    found = named_words(words, SCOPE, "%track_param")
    assert {name: word.text for name, word in found.items()} == expected


@pytest.mark.parametrize("words", [["nope"], ["{lr}"], ["0.5"], ['"text"']])
def test_a_value_without_a_name_is_explained(words: list[str]) -> None:
    with pytest.raises(UsageFault, match="%track_param"):
        named_words(words, SCOPE, "%track_param")


@pytest.fixture
def parser() -> LineParser:
    made = LineParser("%magic", "[WORDS]", "Does it.")
    made.add_argument("words", nargs="*")
    made.add_argument("-s", "--step")
    made.add_argument("--flag", action="store_true")
    return made


@pytest.mark.parametrize(
    "line", ["loss -0.3 --step -5", "loss -0.3 --step=-5", "-s -5 loss -0.3", "loss -s -5 -0.3"]
)
def test_negative_numbers_are_no_flags(parser: LineParser, line: str) -> None:
    found = parser.read(line)
    assert found == argparse.Namespace(words=["loss", "-0.3"], step="-5", flag=False)


@pytest.mark.parametrize("line", ["a --stepp 3", "a --ste 3", "a -x", "a --step", "a --flag=1"])
def test_unknown_flags_and_missing_words_are_refused(parser: LineParser, line: str) -> None:
    with pytest.raises(UsageFault, match=r"Usage: %magic \[WORDS\]"):
        parser.read(line)


def test_numbers_of_flags() -> None:
    assert [read_integer(word, SCOPE, "--step") for word in (None, "4", "i", "{i * 2}", "5.0")] == [
        None,
        4,
        3,
        6,
        5,
    ]
    for word in ("x", "2.5", '"4"', "lr"):
        with pytest.raises(UsageFault, match="--step needs a whole number"):
            read_integer(word, SCOPE, "--step")


def test_help_is_wanted_by_a_word_of_its_own() -> None:
    lines = ("-h", "a --help", 'note "use -h there"', "note 'open -h")
    assert [wants_help(line) for line in lines] == [True, True, False, False]
