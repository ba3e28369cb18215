"""Text normalisation of American English: written tokens to the words that are spoken.

One pass from left to right, in linear time. Each token belongs to the first semiotic class (Sproat and Jaitly 2016) of
`rules/tokens.tsv` whose pattern matches at its start and whose function accepts it.
"""

import re
from collections.abc import Callable, Iterator
from functools import cache
from typing import NamedTuple
from unicodedata import category

from lightning_vc.text import verbalise
from lightning_vc.text.letters import SERIES
from lightning_vc.text.numbers import CURRENCIES, SCALES
from lightning_vc.text.tables import any_of, rules, word_lists, writer

_MARKS = ".,;:!?"
_OTHER = "OTHER"  # class of characters that are not spoken
_NUMERIC = frozenset(
    {"CARDINAL", "DATE", "DECIMAL", "DIGIT", "FRACTION", "MEASURE", "MONEY", "ORDINAL", "ROMAN", "TELEPHONE", "TIME"}
)
_PATTERNS = {
    "CURRENCY": any_of(CURRENCIES),
    "CODE": any_of(code for code in CURRENCIES if code.isalpha()),
    "SIGN": any_of(sign for sign in CURRENCIES if not sign.isalpha()),
    "SCALE": any_of(SCALES),
    "LETTER": any_of(scale for scale in SCALES if len(scale) < 4),
    "MONTH": any_of(word_lists()["months"]),
    "ACRONYM": any_of(word_lists()["acronyms"]),
    "INITIALISM": any_of((*word_lists()["initialisms"], *word_lists()["words_or_initialisms"])),
    "SERIES": SERIES,
    "SOVEREIGN": any_of(word_lists()["sovereigns"]),
}


class Token(NamedTuple):
    """A piece of a text."""

    kind: str  # semiotic class; OTHER for a character that is not spoken
    written: str
    spoken: str  # words and marks of punctuation; may be empty


class _Class(NamedTuple):
    """A row of the table of semiotic classes."""

    name: str
    first: re.Pattern[str]
    pattern: re.Pattern[str]
    spoken: Callable[[re.Match[str]], str | None]
    after_number: bool


def tokenize(text: str) -> Iterator[Token]:
    """Split a text of `latin` characters into tokens, whose concatenation is the text."""
    start, previous = 0, ""
    while start < len(text):
        token = _token(text, start, previous in _NUMERIC)
        yield token
        start += len(token.written)
        previous = token.kind


def spoken(text: str) -> str:
    """Convert a text to spoken form: ASCII words, punctuation, — for a pause, · after letters that are spelled."""
    parts: list[str] = []
    for token in tokenize(text):
        if token.spoken:
            parts += [token.spoken] if token.spoken[0] in _MARKS else [" ", token.spoken]
    return "".join(parts).strip()


def dropped(text: str) -> str:
    """Return the letters, digits and symbols of a text that are not spoken."""
    left = (token.written for token in tokenize(text) if token.kind == _OTHER)
    return "".join(sign for sign in left if (category(sign)[0] in "LNS" and category(sign) != "Sk") or sign in "%‰\\")


def _token(text: str, start: int, after_number: bool) -> Token:
    """Return the token that begins at a position of a text."""
    for kind in _classes(text[start]):
        if kind.after_number and not after_number:
            continue
        match = kind.pattern.match(text, start)
        if match and match[0] and (words := kind.spoken(match)) is not None:
            return Token(kind.name, match[0], words)
    return Token(_OTHER, text[start], "")


@cache
def _classes(first: str) -> tuple[_Class, ...]:
    """Return the classes of tokens that can begin with a character."""
    return tuple(kind for kind in _table() if kind.first.match(first))


@cache
def _table() -> tuple[_Class, ...]:
    functions: dict[str, Callable[..., str | None]] = {function.__name__: function for function in verbalise.TOKENS}
    functions |= verbalise.WORDS
    classes = []
    for name, first, pattern, *rest in rules("tokens.tsv", _PATTERNS):
        template, condition = (*rest, "", "")[:2]
        speak = writer(template, functions)
        classes.append(_Class(name, re.compile(f"[{first}]"), re.compile(pattern), speak, condition == "number"))
    return tuple(classes)
