"""Abbreviations with a full stop: what they stand for, and whether a sentence may end behind them."""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import NamedTuple

from lightning_vc.text.measures import DOTTED_UNITS, counted
from lightning_vc.text.tables import any_of, fill, rows, word_lists

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
_ITEM = re.compile(r"(?:\d{1,2}|[A-Za-z])\.")  # of a list: 1. Open the door.


class _Ends(NamedTuple):
    """Whether the full stop of a kind of abbreviation ends a sentence before 5, He, Bob, and a Roman number."""

    number: bool
    opener: bool
    name: bool
    letter: bool = True


_NEVER = _Ends(number=False, opener=False, name=False)
_NAME = _Ends(number=False, opener=True, name=False)
_NUMBER = _Ends(number=False, opener=True, name=True)
_REFERENCE = _Ends(number=False, opener=True, name=True, letter=False)
_ALWAYS = _Ends(number=True, opener=True, name=True)


def ends_sentence(before: str, after: str, answers: bool = False) -> bool:
    """Whether the full stop at the end of `before` ends a sentence, if `after` begins as a sentence can.

    Args:
        before: the sentence so far; its last words are enough.
        after: the next characters.
        answers: whether the sentence before this one is a question.
    """
    *earlier, last = (word.strip(_QUOTES) for word in before.split())
    following = after.lstrip(_QUOTES)
    word = re.split(r"[^\w'’]", following, maxsplit=1)[0].replace("’", "'").lower()
    if not earlier and _ITEM.fullmatch(last):
        return False
    ends = _kind(earlier, last, word, answers)
    if word[:1].isdigit():
        return ends.number
    if not ends.letter and _LETTER.match(following):
        return False
    return ends.opener if word in _OPENERS else ends.name


def _kind(earlier: list[str], last: str, following: str, answers: bool) -> _Ends:
    """The kind of a word with a full stop; all that is no abbreviation is `_ALWAYS`."""
    stem, previous = last.removesuffix("."), earlier[-1] if earlier else ""
    lower, name = stem.lower(), stem.capitalize() if stem.isupper() else stem
    if last.lower() in ("a.m.", "p.m."):  # At 5 p.m. Bob left: no sentence is as short as that
        begun = len(earlier) < 4 or following[:3] in (
            each[:3].lower() for each in (*_KINDS["month"], *_KINDS["day"], "May")
        )
        return _NAME if begun else _NUMBER
    if last.lower() in ("e.g.", "i.e.") or lower in _LINKS:
        return {"al": _NAME, "etc": _ALWAYS}.get(lower, _NEVER)
    if _INITIALISM.fullmatch(last):
        return _NAME
    if lower in DOTTED_UNITS and re.match(r"\d|(?:sq|cu)\b", previous):
        return _NUMBER
    if name in _TITLES or stem in _LOWER_TITLES:
        behind_name = re.match(r"[A-Z]\w|\d+(?:st|nd|rd|th)$", previous)  # Main St., 5th St.
        return _NAME if name in _STREETS and behind_name else _NEVER
    if lower == "no":  # a word too
        spoken = answers and not previous if stem != "no" else not previous.isalpha() or previous in _BEFORE_THE_WORD_NO
        return _ALWAYS if spoken else _NUMBER
    if lower in _REFERENCES:
        return _REFERENCE
    if name in _KINDS["day"]:
        return _ALWAYS if previous.lower() == "the" else _NAME  # the Sun
    if name in _KINDS["month"] or name in _STREETS or stem.capitalize() in _KINDS["suffix"]:
        return _NAME
    return _ALWAYS


_CLOSERS = rf"[{re.escape(_QUOTES)}]*\s*$"
_FINAL = re.compile(rf"(?<!\.)\.(?={_CLOSERS})")
_DOUBLED = re.compile(rf"(?<!\.)\.\.(?={_CLOSERS})")


def expand(sentence: str) -> str:
    """Write the abbreviations of a sentence in full: Dr. Hill of 5th St. has 5 lb. of it, see p. 3, or come on Jan 3.

    A full stop that ends the sentence stays, whatever it stands behind.
    """
    sentence = _FINAL.sub("..", sentence)  # one for the abbreviation, one for the sentence
    for pattern, write in _RULES:
        sentence = pattern.sub(write, sentence)
    return _DOUBLED.sub(".", sentence)


def _any(kind: str) -> str:
    """A pattern of any abbreviation of a kind, as it is or in capitals."""
    return any_of({form for short in _KINDS[kind] for form in (short, short.upper())})


def _in_full(kind: Mapping[str, str], short: str) -> str:
    return kind[short.lower()]


def _unit(match: re.Match[str]) -> str:
    """Write 5 lb. as 5 pounds, 1 sq. ft. as 1 square foot."""
    number, square, symbol = match.groups()
    return f"{number} {'square ' if square else ''}{counted(number, DOTTED_UNITS[symbol.lower()])}"


def _rule(pattern: str, template: str) -> tuple[re.Pattern[str], Callable[[re.Match[str]], str]]:
    return re.compile(pattern), partial(fill, template, functions=_WRITERS)


_WRITERS = {kind: partial(_in_full, {short.lower(): long for short, long in _KINDS[kind].items()}) for kind in _KINDS}
_TITLE = "|".join((_any("title"), *_LOWER_TITLES))
_RULES = (
    _rule(r"№\s?(?=\d)|\bNo(?=\d)", "number "),
    _rule(r"\bPh\.?D\b\.?", "P.H.D."),
    (re.compile(rf"(?<![\d.,/])(\d[\d.,/]*)\s?(sq\.?\s)?((?i:{any_of(DOTTED_UNITS)}))\.(?!\w)"), _unit),
    _rule(rf"\b((?i:{_any('reference')}))\.\s?(?=\d)", "{1:reference} "),
    _rule(rf"\b(?!(?i:no)\.)((?i:{_any('reference')}))\.\s(?=(?:[IVXLC]+|[A-Z])\b)", "{1:reference} "),
    _rule(r"(?<=\w )(Figs?|Vols?|Ch|Nos?|Eqs?|Rte) (?=\d)", "{1:reference} "),
    _rule(rf"\b({_TITLE})\b\.?(?=\s+(?:[A-Z]|and Mrs|and Ms))", "{1:title}"),
    _rule(rf"(\b(?:[A-Z]\w+|\d+(?:st|nd|rd|th)) )({_any('street')})\b(?:\.(?!\w))?", "{1}{2:street}"),
    _rule(rf"\b({_TITLE})\.(?!\w)", "{1:title}"),
    _rule(rf"\b({_any('month')})\b(?:\.(?!\w)|(?= \d))", "{1:month}"),
    _rule(rf"(\b\d{{1,2}} )({_any('month')})\b", "{1}{2:month}"),
    _rule(rf"(?<![Tt]he )\b({_any('day')})(?:\.(?!\w)|(?=,? (?:\d|{_any('month')}|May\b)))", "{1:day}"),
    _rule(rf"(?<![.@])\b((?i:{_any('suffix')}))\.(?!\w)", "{1:suffix}"),
    _rule(rf"(?<![.@])\b((?i:{_any('link')}))\.(?!\w)", "{1:link}"),
)
