"""Readers of the tables in the folder `rules`, which hold words, patterns and their replacements.

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
    """Return the fields of each line of a table."""
    return [line.split("\t") for line in _lines(_FOLDER / name) if line]


@cache
def word_lists(file: Path = _FOLDER / "words.txt") -> dict[str, tuple[str, ...]]:
    """Return lists of words by name; each is a paragraph of a name, a colon and words."""
    paragraphs = "\n".join(_lines(file)).strip().split("\n\n")
    return {name: tuple(rest.split()) for name, _, rest in (paragraph.partition(":") for paragraph in paragraphs)}


def rules(name: str, patterns: Mapping[str, str]) -> list[list[str]]:
    """Return the rows of a table with each {NAME} replaced by its pattern, from `patterns` or a row of two fields."""
    defined, table = dict(patterns), []
    for row in rows(name):
        row = [_NAME.sub(lambda match: defined[match[1]], field) for field in row]
        if len(row) == 2:
            defined[row[0]] = row[1]
        else:
            table.append(row)
    return table


def any_of(words: Iterable[str]) -> str:
    """Return a pattern that matches any of the words, longer ones first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


def writer(template: str, functions: Mapping[str, Callable[..., Any]]) -> Callable[[re.Match[str]], Any]:
    """Return a function from a match of a pattern to the text that a template describes.

    In a template, {1} is group 1 of the match and {1:name} a function of it; [...] is omitted if the group did not
    match. The template `name()` is a function of the whole match.
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
