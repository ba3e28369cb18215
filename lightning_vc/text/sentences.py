"""A text to sentences, none of them longer than what can be read at once."""

import re
from collections.abc import Iterator

from lightning_vc.text.abbreviations import ends_sentence

LONGEST = 1000  # characters of a sentence; a longer one is cut where it has a blank
_NEAR = 80  # characters before and behind a full stop that tell whether a sentence ends there
_BLANKS = re.compile(r"[^\S\n]+")
_END = re.compile(r"(?<=[.?!…])[\"'”’)\]]*\s+(?=[\"'“‘(\[{]*[^\W_a-z])|\s?\n\s?\n\s*")
_QUESTION = re.compile(r"\?[\"'”’)\]]*\s*$")


def sentences(text: str) -> Iterator[str]:
    """Cut a text behind full stops, question and exclamation marks, and at blank lines; not behind abbreviations.

    What stands in braces stays whole if it is shorter than `LONGEST` characters.
    """
    text, start = _BLANKS.sub(" ", text), 0
    for end in _END.finditer(text):
        if _in_braces(text, end.start()) or not (end[0].count("\n") > 1 or _ends(text, start, end)):
            continue
        yield from _parts(text[start : end.end()].strip())
        start = end.end()
    yield from _parts(text[start:].strip())


def _ends(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether a sentence ends at a mark that stands before a blank."""
    if text[end.start() - 1] != ".":
        return True
    before = text[max(start, end.start() - _NEAR) : end.start()]
    answers = bool(_QUESTION.search(text, max(0, start - _NEAR), start))
    return ends_sentence(before, text[end.end() : end.end() + _NEAR], answers)


def _in_braces(text: str, place: int) -> bool:
    first = max(0, place - LONGEST)
    return text.rfind("{", first, place) > text.rfind("}", first, place)


def _parts(sentence: str) -> Iterator[str]:
    """A sentence, or parts of one that is too long; nothing where it is empty."""
    start = 0
    while len(sentence) - start > LONGEST:
        end = sentence.rfind(" ", start + 1, start + LONGEST) + 1 or start + LONGEST
        if _in_braces(sentence, end) and (opening := sentence.rfind("{", start, end)) > start:
            end = opening
        yield sentence[start:end].strip()
        start = end
    if sentence[start:]:
        yield sentence[start:]
