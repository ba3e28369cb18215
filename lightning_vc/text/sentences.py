"""Sentence splitting and expansion of abbreviations, whose full stops may or may not end a sentence."""

import re
from collections.abc import Iterator, Mapping, Sequence
from functools import partial

from lightning_vc.text.numbers import DOTTED_UNITS, counted
from lightning_vc.text.tables import any_of, rows, rules, word_lists, writer

LONGEST = 1000  # characters of a sentence; a longer one is cut at a space
_NEAR = 80  # characters of context before and after a full stop
_BLANKS = re.compile(r"[^\S\n]+")
_END = re.compile(r"(?<=[.?!…])[\"'”’)\]]*\s+(?=[\"'“‘(\[{]*[^\W_a-z])|\s?\n\s?\n\s*")
_QUESTION = re.compile(r"\?[\"'”’)\]]*\s*$")

_KINDS: dict[str, dict[str, str]] = {}  # title, street, suffix, month, day, reference, link -> abbreviation -> words
for _kind_of, _short, _long in rows("abbreviations.tsv"):
    _KINDS.setdefault(_kind_of, {})[_short] = _long
_TITLES, _STREETS, _REFERENCES, _LINKS = (_KINDS[kind] for kind in ("title", "street", "reference", "link"))
_LOWER_TITLES = ("mr", "mrs", "ms", "dr", "prof")

# Words that begin sentences; capitalised within a sentence, they are rarely names.
_OPENERS = frozenset(word_lists()["openers"])
_BEFORE_WORD_NO = ("is", "was", "say", "says", "said", "answered", "or", "and", "means", "not", "a")
_QUOTES = "\"'“‘”’()[]"
_INITIALISM = re.compile(r"(?:[A-Za-z]{1,2}\.){2,}|[A-Z]\.")
_LETTER = re.compile(r"[IVXLC]+\b|[A-Z]\b")  # or a Roman number
_CLOSERS = rf"[{re.escape(_QUOTES)}]*\s*$"
_FINAL = re.compile(rf"(?<!\.)\.(?={_CLOSERS})")
_DOUBLED = re.compile(rf"(?<!\.)\.\.(?={_CLOSERS})")
_ITEM = re.compile(r"(?:\d{1,2}|[A-Za-z])\.")  # of a list: 1. Open the door.


# Kinds of following words with which the full stop of an abbreviation also ends a sentence.
_NEVER, _OPENER, _WORD, _ALWAYS = (), ("opener",), ("opener", "word"), ("number", "opener", "word")


def sentences(text: str) -> Iterator[str]:
    """Split a text after full stops, question and exclamation marks, and at blank lines; not after abbreviations.

    Text in braces is not split if it is shorter than `LONGEST` characters.
    """
    text, start = _BLANKS.sub(" ", text), 0
    for end in _END.finditer(text):
        if _in_braces(text, end.start()) or not (end[0].count("\n") > 1 or _is_end(text, start, end)):
            continue
        yield from _parts(text[start : end.end()].strip())
        start = end.end()
    yield from _parts(text[start:].strip())


def _is_end(text: str, start: int, end: re.Match[str]) -> bool:
    """Whether a mark before a space ends a sentence."""
    if text[end.start() - 1] != ".":
        return True
    before = text[max(start, end.start() - _NEAR) : end.start()]
    is_answer = bool(_QUESTION.search(text, max(0, start - _NEAR), start))
    return _ends_sentence(before, text[end.end() : end.end() + _NEAR], is_answer)


def _in_braces(text: str, position: int) -> bool:
    first = max(0, position - LONGEST)
    return text.rfind("{", first, position) > text.rfind("}", first, position)


def _parts(sentence: str) -> Iterator[str]:
    """Split a sentence that is too long; an empty sentence has no parts."""
    start = 0
    while len(sentence) - start > LONGEST:
        end = sentence.rfind(" ", start + 1, start + LONGEST) + 1 or start + LONGEST
        if _in_braces(sentence, end) and (opening := sentence.rfind("{", start, end)) > start:
            end = opening
        yield sentence[start:end].strip()
        start = end
    if sentence[start:]:
        yield sentence[start:]


def _ends_sentence(before: str, after: str, is_answer: bool) -> bool:
    """Whether the full stop at the end of `before` ends a sentence; `is_answer` if a question precedes it."""
    *earlier, last = (word.strip(_QUOTES) for word in before.split())
    if not earlier and _ITEM.fullmatch(last):
        return False
    following = after.lstrip(_QUOTES)
    word = re.split(r"[^\w'’]", following, maxsplit=1)[0].replace("’", "'").lower()
    kind = "number" if word[:1].isdigit() else "opener" if word in _OPENERS else "word"
    return kind in _ends(earlier, last, following, is_answer)


def _ends(earlier: Sequence[str], last: str, following: str, is_answer: bool) -> tuple[str, ...]:
    """Kinds of following words before which a full stop ends the sentence; all if `last` is no abbreviation."""
    stem, previous = last.removesuffix("."), earlier[-1] if earlier else ""
    lower, name = stem.lower(), stem.capitalize() if stem.isupper() else stem
    if last.lower() in ("a.m.", "p.m."):  # At 5 p.m. Bob left: "At 5 p.m." is too short for a sentence
        date = following[:3].capitalize() in {day[:3] for day in (*_KINDS["month"], *_KINDS["day"], "May")}
        return _OPENER if len(earlier) < 4 or date else _WORD
    if last.lower() in ("e.g.", "i.e.") or lower in _LINKS:
        return {"al": _OPENER, "etc": _ALWAYS}.get(lower, _NEVER)
    if _INITIALISM.fullmatch(last):
        return _OPENER
    if lower in DOTTED_UNITS and re.match(r"\d|(?:sq|cu)\b", previous):
        return _WORD
    if name in _TITLES or stem in _LOWER_TITLES:
        after_name = re.match(r"[A-Z]\w|\d+(?:st|nd|rd|th)$", previous)  # Main St., 5th St.
        return _OPENER if name in _STREETS and after_name else _NEVER
    if lower == "no":  # abbreviation of number, or the word
        is_word = is_answer and not previous if stem != "no" else not previous.isalpha() or previous in _BEFORE_WORD_NO
        return _ALWAYS if is_word else _WORD
    if lower in _REFERENCES:
        return _NEVER if _LETTER.match(following) else _WORD
    if name in _KINDS["day"]:
        return _ALWAYS if previous.lower() == "the" else _OPENER  # the Sun
    if name in _KINDS["month"] or name in _STREETS or stem.capitalize() in _KINDS["suffix"]:
        return _OPENER
    return _ALWAYS


def expand(sentence: str) -> str:
    """Write the abbreviations of a sentence in full: Dr. Hill of 5th St. has 5 lb. of it, see p. 3, or come on Jan 3.

    A full stop at the end of the sentence is kept, also after an abbreviation.
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


# Patterns of any abbreviation of a kind, as listed or in capitals.
_PATTERNS = {kind.upper(): any_of({*words, *map(str.upper, words)}) for kind, words in _KINDS.items()}
_PATTERNS |= {"ANYTITLE": "|".join((_PATTERNS["TITLE"], *_LOWER_TITLES)), "UNIT": any_of(DOTTED_UNITS)}
_WRITERS = {kind: partial(_in_full, {short.lower(): long for short, long in _KINDS[kind].items()}) for kind in _KINDS}
_RULES = [
    (re.compile(pattern), writer(template, {**_WRITERS, "unit": _unit}))
    for _, template, pattern in rules("expansions.tsv", _PATTERNS)
]
