"""The tables in the folder `rules`: words, patterns, and what is written or spoken in their place.

Fields are separated by tabs. Lines that begin with # are comments.
"""

import re
from collections.abc import Callable, Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

_FOLDER = Path(__file__).with_name("rules")
_NAME = re.compile(r"\{([A-Z]+)\}")
_OPTIONAL = re.compile(r"\[([^]]*\{(\d)[^]]*)\]")
_FIELD = re.compile(r"\{(\d)(?::(\w+))?\}")


def rows(name: str) -> list[list[str]]:
    """The fields of each line of a table."""
    return [line.split("\t") for line in _lines(_FOLDER / name) if line]


@cache
def word_lists(file: Path = _FOLDER / "words.txt") -> dict[str, tuple[str, ...]]:
    """Lists of words by their names: paragraphs of a name with a colon, and its words."""
    paragraphs = "\n".join(_lines(file)).strip().split("\n\n")
    return {name: tuple(rest.split()) for name, _, rest in (each.partition(":") for each in paragraphs)}


def rules(name: str, patterns: Mapping[str, str]) -> list[list[str]]:
    """The rows of a table in which {NAME} stands for a pattern: one of `patterns`, or of a row of name and pattern."""
    known, found = dict(patterns), []
    for row in rows(name):
        row = [_NAME.sub(lambda match: known[match[1]], field) for field in row]
        if len(row) == 2:
            known[row[0]] = row[1]
        else:
            found.append(row)
    return found


def any_of(words: Iterable[str]) -> str:
    """A pattern of any of some words, the longer ones first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def writer(template: str, functions: Mapping[str, Callable[..., Any]]) -> Callable[[re.Match[str]], Any]:
    """What writes a match of a pattern as a template says.

    In a template, {1} is group 1 of the match, {1:name} what a function makes of it, and [...] is left out where the
    match has no such group. The template `name()` is a function of the whole match.
    """
    if template.endswith("()"):
        return functions[template[:-2]]

    def write(match: re.Match[str]) -> str:
        def write_field(field: re.Match[str]) -> str:
            group = match[int(field[1])]
            return functions[field[2]](group) if field[2] else group

        return _FIELD.sub(write_field, _OPTIONAL.sub(lambda part: part[1] if match[int(part[2])] else "", template))

    return write


def _lines(file: Path) -> list[str]:
    return [line for line in file.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
