"""Text normalisation of American English: written tokens to the words that are spoken.

One pass from left to right, in time that grows as the text does. Each token is of the first semiotic class (see
text/classes.py) whose pattern matches there and whose verbaliser accepts it.
"""

from collections.abc import Iterator
from typing import NamedTuple
from unicodedata import category

from lightning_vc.text.classes import OTHER, classes

_MARKS = ".,;:!?"


class Token(NamedTuple):
    """A piece of a text.

    Attributes:
        kind: its semiotic class; OTHER for a character that is not spoken.
        written: the piece as it stands in the text.
        spoken: its words and marks; empty where nothing is spoken.
    """

    kind: str
    written: str
    spoken: str


def tokenize(text: str) -> Iterator[Token]:
    """Split a text of `latin` characters into tokens; together they are the text."""
    start, before = 0, ""
    while start < len(text):
        token = _token(text, start, before)
        yield token
        start += len(token.written)
        before = token.kind


def spoken(text: str) -> str:
    """What is spoken of a text: ASCII words, marks of punctuation, — for a pause, · behind letters that are spelled."""
    parts: list[str] = []
    for token in tokenize(text):
        if token.spoken:
            parts += [token.spoken] if token.spoken[0] in _MARKS else [" ", token.spoken]
    return "".join(parts).strip()


def dropped(text: str) -> str:
    """The letters, digits and symbols of a text that are not spoken."""
    left = (token.written for token in tokenize(text) if token.kind == OTHER)
    return "".join(sign for sign in left if (category(sign)[0] in "LNS" and category(sign) != "Sk") or sign in "%‰\\")


def _token(text: str, start: int, before: str) -> Token:
    """The token that begins at a place; `before` is the class of the one before it."""
    for kind in classes(text[start]):
        if kind.behind and before not in kind.behind:
            continue
        if match := kind.pattern.match(text, start):
            said = kind.spoken if isinstance(kind.spoken, str) else kind.spoken(match)
            if said is not None and match[0]:
                return Token(kind.name, match[0], said)
    return Token(OTHER, text[start], "")
