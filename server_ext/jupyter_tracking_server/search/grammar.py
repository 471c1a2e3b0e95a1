"""``grammar.lark`` as a parser. Imported at the first search only: lark costs a tenth of a second."""

from __future__ import annotations

from importlib.resources import files
from typing import Any, Literal

from lark import Lark, Transformer
from lark.exceptions import UnexpectedInput

from .tree import Comparison, Name, Ordering, Value

__all__ = ["Unreadable", "read"]

_QUOTES = "`\"'"


class Unreadable(Exception):
    """The text does not follow the grammar; ``near`` is its word where reading stopped."""

    def __init__(self, near: str) -> None:
        super().__init__(near)
        self.near = near


def read(text: str, start: Literal["filter", "order"]) -> Any:
    """A filter as a tuple of ``Comparison``, an order_by item as an ``Ordering``.

    Raises:
        Unreadable: the text does not follow the grammar.
    """
    try:
        return _PARSER.parse(text, start=start)
    except UnexpectedInput as error:
        rest = text[error.pos_in_stream :].split(maxsplit=1)
        raise Unreadable(rest[0] if rest else text) from None


class _ToTree(Transformer[Any, Any]):
    """Called at each reduction of the parser, so that no tree of lark's own is built."""

    def filter(self, comparisons: list[Comparison]) -> tuple[Comparison, ...]:
        return tuple(comparisons)

    def comparison(self, parts: list[Any]) -> Comparison:
        name, operator, value = parts
        return Comparison(name, _operator(operator), (value,))

    def list_comparison(self, parts: list[Any]) -> Comparison:
        name, operator, *values = parts
        return Comparison(name, _operator(operator), tuple(value for value in values if value is not None))

    def null_comparison(self, parts: list[Any]) -> Comparison:
        name, operator = parts
        return Comparison(name, _operator(operator), ())

    def order(self, parts: list[Any]) -> Ordering:
        name, direction = parts
        return Ordering(name, None if direction is None else direction.upper())

    def name(self, parts: list[str]) -> Name:
        return _name(str(parts[0]))

    def unquoted(self, parts: list[str]) -> Name:
        text = str(parts[0])
        entity, dot, key = text.partition(".")
        return Name(entity if dot else None, key if dot else entity, text, unquoted=True)

    def string(self, parts: list[str]) -> Value:
        return Value("string", str(parts[0])[1:-1], str(parts[0]))

    def number(self, parts: list[str]) -> Value:
        return Value("number", str(parts[0]), str(parts[0]))

    def word(self, parts: list[str]) -> Value:
        return Value("word", str(parts[0]), str(parts[0]))


def _operator(token: str) -> str:
    return " ".join(token.upper().split())


def _name(text: str) -> Name:
    """Split at the first dot that stands outside quotes, and take the quotes off."""
    quote = text[-1]
    opening = text.rindex(quote, 0, -1) if quote in _QUOTES else len(text)
    head, quoted = text[:opening], text[opening + 1 : -1]
    if opening == 0:
        return Name(None, quoted, text)
    entity, dot, rest = head.partition(".")
    return Name(entity.strip(_QUOTES), rest + quoted, text) if dot else Name(None, entity, text)


_PARSER = Lark(
    files(__package__).joinpath("grammar.lark").read_text("utf-8"),
    parser="lalr",
    start=["filter", "order"],
    transformer=_ToTree(),
)
