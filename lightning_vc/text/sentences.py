"""A text to sentences, none longer than what can be read at once, and abbreviations, whose full stop may end one."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from lightning_vc.text.numbers import DOTTED_UNITS, counted
from lightning_vc.text.tables import any_of, rows, rules, word_lists, writer

LONGEST = 1000  # characters of a sentence; a longer one is cut where it has a blank
_NEAR = 80  # characters before and behind a full stop that tell whether a sentence ends there
_BLANKS = re.compile(r"[^\S\n]+")
_END = re.compile(r"(?<=[.?!…])[\"'”’)\]]*\s+(?=[\"'“‘(\[{]*[^\W_a-z])|\s?\n\s?\n\s*")
_QUESTION = re.compile(r"\?[\"'”’)\]]*\s*$")

_KINDS: dict[str, dict[str, str]] = {}  # title, street, suffix, month, day, reference, link -> abbreviation -> words
for _kind_of, _short, _long in rows("abbreviations.tsv"):
    _KINDS.setdefault(_kind_of, {})[_short] = _long
_TITLES, _STREETS, _REFERENCES, _LINKS = (_KINDS[kind] for kind in ("title", "street", "reference", "link"))
_LOWER_TITLES = ("mr", "mrs", "ms", "dr", "prof")

# Words that begin sentences and, with a capital inside of one, are hardly names.
_OPENERS = frozenset(word_lists()["openers"])
_BEFORE_THE_WORD_NO = ("is", "was", "say", "says", "said", "answered", "or", "and", "means", "not", "a")
_QUOTES = "\"'“‘”’()[]"
_INITIALISM = re.compile(r"(?:[A-Za-z]{1,2}\.){2,}|[A-Z]\.")
_LETTER = re.compile(r"[IVXLC]+\b|[A-Z]\b")  # or a Roman number
_CLOSERS = rf"[{re.escape(_QUOTES)}]*\s*$"
_FINAL = re.compile(rf"(?<!\.)\.(?={_CLOSERS})")
_DOUBLED = re.compile(rf"(?<!\.)\.\.(?={_CLOSERS})")
_ITEM = re.compile(r"(?:\d{1,2}|[A-Za-z])\.")  # of a list: 1. Open the door.


# What ends a sentence at the full stop of an abbreviation if it follows: a number, an opener, another word.
_NEVER, _OPENER, _WORD, _ALWAYS = (), ("opener",), ("opener", "word"), ("number", "opener", "word")


def sentences(text: str) -> Iterator[str]:
    """Cut a text behind full stops, question and exclamation marks, and at blank lines; not behind abbreviations.

    What stands in braces stays whole if it is shorter than `LONGEST` characters.
    """
    text, start = _BLANKS.sub(" ", text), 0
    for end in _END.finditer(text):
        if _in_braces(text, end.start()) or not (end[0].count("\n") > 1 or _is_end(text, start, end)):
            continue
        yield from _parts(text[start : end.end()].strip())
        start = end.end()
    yield from _parts(text[start:].strip())


def _is_end(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether a sentence ends at a mark that stands before a blank."""
    if text[end.start() - 1] != ".":
        return True
    before = text[max(start, end.start() - _NEAR) : end.start()]
    answers = bool(_QUESTION.search(text, max(0, start - _NEAR), start))
    return _ends_sentence(before, text[end.end() : end.end() + _NEAR], answers)


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


def _ends_sentence(before: str, after: str, answers: bool) -> bool:
    """Whether the full stop at the end of `before` ends a sentence; `answers` if a question stands before it."""
    *earlier, last = (word.strip(_QUOTES) for word in before.split())
    if not earlier and _ITEM.fullmatch(last):
        return False
    following = after.lstrip(_QUOTES)
    word = re.split(r"[^\w'’]", following, maxsplit=1)[0].replace("’", "'").lower()
    kind = "number" if word[:1].isdigit() else "opener" if word in _OPENERS else "word"
    return kind in _ends(earlier, last, following, answers)


def _ends(earlier: Sequence[str], last: str, following: str, answers: bool) -> tuple[str, ...]:
    """What ends the sentence behind a word with a full stop; anything if it is no abbreviation."""
    stem, previous = last.removesuffix("."), earlier[-1] if earlier else ""
    lower, name = stem.lower(), stem.capitalize() if stem.isupper() else stem
    if last.lower() in ("a.m.", "p.m."):  # At 5 p.m. Bob left: no sentence is as short as that
        date = following[:3].capitalize() in {day[:3] for day in (*_KINDS["month"], *_KINDS["day"], "May")}
        return _OPENER if len(earlier) < 4 or date else _WORD
    if last.lower() in ("e.g.", "i.e.") or lower in _LINKS:
        return {"al": _OPENER, "etc": _ALWAYS}.get(lower, _NEVER)
    if _INITIALISM.fullmatch(last):
        return _OPENER
    if lower in DOTTED_UNITS and re.match(r"\d|(?:sq|cu)\b", previous):
        return _WORD
    if name in _TITLES or stem in _LOWER_TITLES:
        behind_name = re.match(r"[A-Z]\w|\d+(?:st|nd|rd|th)$", previous)  # Main St., 5th St.
        return _OPENER if name in _STREETS and behind_name else _NEVER
    if lower == "no":  # a word too
        spoken = answers and not previous if stem != "no" else not previous.isalpha() or previous in _BEFORE_THE_WORD_NO
        return _ALWAYS if spoken else _WORD
    if lower in _REFERENCES:
        return _NEVER if _LETTER.match(following) else _WORD
    if name in _KINDS["day"]:
        return _ALWAYS if previous.lower() == "the" else _OPENER  # the Sun
    if name in _KINDS["month"] or name in _STREETS or stem.capitalize() in _KINDS["suffix"]:
        return _OPENER
    return _ALWAYS


def expand(sentence: str) -> str:
    """Write the abbreviations of a sentence in full: Dr. Hill of 5th St. has 5 lb. of it, see p. 3, or come on Jan 3.

    A full stop that ends the sentence stays, whatever it stands behind.
    """
    sentence = _FINAL.sub("..", sentence)  # one for the abbreviation, one for the sentence
    for pattern, write in _RULES:
        sentence = pattern.sub(write, sentence)
    return _DOUBLED.sub(".", sentence)


def _in_full(kind: Mapping[str, str], short: str) -> str:
    return kind[short.lower()]


def _unit(match: re.Match[str]) -> str:
    """Write 5 lb. as 5 pounds, 1 sq. ft. as 1 square foot."""
    number, square, symbol = match.groups()
    return f"{number} {'square ' if square else ''}{counted(number, DOTTED_UNITS[symbol.lower()])}"


# Patterns of any abbreviation of a kind, as it is or in capitals.
_PATTERNS = {kind.upper(): any_of({*words, *map(str.upper, words)}) for kind, words in _KINDS.items()}
_PATTERNS |= {"ANYTITLE": "|".join((_PATTERNS["TITLE"], *_LOWER_TITLES)), "UNIT": any_of(DOTTED_UNITS)}
_WRITERS = {kind: partial(_in_full, {short.lower(): long for short, long in _KINDS[kind].items()}) for kind in _KINDS}
_RULES = [
    (re.compile(pattern), writer(template, {**_WRITERS, "unit": _unit}))
    for _, template, pattern in rules("expansions.tsv", _PATTERNS)
]
