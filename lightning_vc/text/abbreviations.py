"""Abbreviations with a full stop: what they stand for, and whether a sentence may end behind them."""

import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

TITLES = {
    **{"Mr": "Mister", "Mrs": "Missus", "Ms": "Ms", "Messrs": "Messieurs", "Dr": "Doctor", "Prof": "Professor"},
    **{"Rev": "Reverend", "Hon": "Honorable", "Fr": "Father", "St": "Saint", "Gen": "General", "Col": "Colonel"},
    **{"Maj": "Major", "Capt": "Captain", "Cmdr": "Commander", "Adm": "Admiral", "Lt": "Lieutenant"},
    **{"Sgt": "Sergeant", "Gov": "Governor", "Sen": "Senator", "Rep": "Representative", "Pres": "President"},
    **{"Ft": "Fort", "Mt": "Mount"},
}
STREETS = {
    **{"Ave": "Avenue", "Blvd": "Boulevard", "Rd": "Road", "Ln": "Lane", "Hwy": "Highway", "Pl": "Place"},
    **{"Ct": "Court", "Sq": "Square", "St": "Street", "Dr": "Drive"},
}
SUFFIXES = {
    **{"Jr": "Junior", "Sr": "Senior", "Inc": "Incorporated", "Ltd": "Limited", "Co": "Company"},
    **{"Corp": "Corporation", "Bros": "Brothers", "Esq": "Esquire", "Dept": "Department", "Univ": "University"},
}
MONTHS = {
    **{"Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Jun": "June", "Jul": "July"},
    **{"Aug": "August", "Sep": "September", "Sept": "September", "Oct": "October", "Nov": "November"},
    **{"Dec": "December"},
}
DAYS = {
    **{"Mon": "Monday", "Tue": "Tuesday", "Tues": "Tuesday", "Wed": "Wednesday", "Thu": "Thursday"},
    **{"Thur": "Thursday", "Thurs": "Thursday", "Fri": "Friday", "Sat": "Saturday", "Sun": "Sunday"},
}
REFERENCES = {  # before a number, or a letter
    **{"fig": "figure", "figs": "figures", "no": "number", "nos": "numbers", "p": "page", "pp": "pages"},
    **{"vol": "volume", "vols": "volumes", "ch": "chapter", "chap": "chapter", "sec": "section", "art": "article"},
    **{"par": "paragraph", "eq": "equation", "eqs": "equations", "ref": "reference", "refs": "references"},
    **{"pt": "part", "op": "opus", "rte": "route", "rm": "room", "apt": "apartment", "ext": "extension"},
    **{"l": "line", "tel": "telephone", "c": "circa", "ca": "circa"},
}
UNITS = {  # behind a number
    **{"lb": "pound", "lbs": "pound", "oz": "ounce", "ft": "foot", "in": "inch", "yd": "yard", "mi": "mile"},
    **{"min": "minute", "mins": "minute", "sec": "second", "secs": "second", "hr": "hour", "hrs": "hour"},
    **{"pt": "pint", "qt": "quart", "gal": "gallon", "tsp": "teaspoon", "tbsp": "tablespoon"},
}
LINKS = {
    "vs": "versus",
    "approx": "approximately",
    "cf": "compare",
    "incl": "including",
    "al": "al",
    "etc": "et cetera",
}

# Words that begin sentences and, with a capital inside of one, are hardly names.
_OPENERS = frozenset(
    """
    he she it they we you i the a an this that these those there here then now what who whom how why when where
    which if so but and or yes no not nobody nothing everybody everyone everything somebody someone something his
    her its their our my your in on at as by to of after before for from with without during until since while
    because although though once one some many most all each every both few several another other others today
    tomorrow yesterday later finally however please let do does did is are was were can could will would should have
    has had it's he's she's they're we're you're i'm i've i'll he'd she'd don't didn't isn't wasn't that's there's
    """.split()  # noqa: SIM905
)
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
    name = stem.capitalize() if stem.isupper() else stem
    if last.lower() in ("a.m.", "p.m."):  # At 5 p.m. Bob left: no sentence is as short as that
        begun = len(earlier) < 4 or following[:3] in (each[:3].lower() for each in (*MONTHS, *DAYS, "May"))
        return _NAME if begun else _NUMBER
    if last.lower() in ("e.g.", "i.e.") or stem.lower() in LINKS:
        return {"al": _NAME, "etc": _ALWAYS}.get(stem.lower(), _NEVER)
    if _INITIALISM.fullmatch(last):
        return _NAME
    if stem.lower() in UNITS and re.match(r"\d|(?:sq|cu)\b", previous):
        return _NUMBER
    if name in TITLES or stem in ("mr", "mrs", "ms", "dr", "prof"):
        return _NAME if name in STREETS and _is_name(previous) else _NEVER
    if stem.lower() == "no":  # a word too
        spoken = answers and not previous if stem != "no" else not previous.isalpha() or previous in _BEFORE_THE_WORD_NO
        return _ALWAYS if spoken else _NUMBER
    if stem.lower() in REFERENCES:
        return _REFERENCE
    if name in DAYS:
        return _ALWAYS if previous.lower() == "the" else _NAME  # the Sun
    if name in MONTHS or name in STREETS or stem.capitalize() in SUFFIXES:
        return _NAME
    return _ALWAYS


def _is_name(word: str) -> bool:
    """Whether it can stand before a street: Main, 5th."""
    return bool(re.match(r"[A-Z]\w|\d+(?:st|nd|rd|th)$", word))


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


def _any(words: Iterable[str]) -> str:
    """A pattern of any of some words, as they are or in capitals, the longer ones first."""
    return "|".join(sorted({form for word in words for form in (word, word.upper())}, key=len, reverse=True))


def _long(words: dict[str, str]) -> Callable[[re.Match[str]], str]:
    """A function that writes in full the last group of a match, and keeps what stands before it."""

    def write(match: re.Match[str]) -> str:
        short = match[match.lastindex or 0]
        kept = match[0][: match.start(match.lastindex or 0) - match.start()]
        return kept + (words.get(short) or words.get(short.capitalize()) or words[short.lower()])

    return write


def _unit(match: re.Match[str]) -> str:
    """Write 5 lb. as 5 pounds, 1 sq. ft. as 1 square foot."""
    number, square, unit = match[1], match[2], UNITS[match[3].lower()]
    if number != "1":
        unit = {"foot": "feet", "inch": "inches"}.get(unit, f"{unit}s")
    return f"{number} {'square ' if square else ''}{unit}"


def _reference(match: re.Match[str]) -> str:
    return f"{REFERENCES[match[1].lower()]} "


_DATE = rf"\d|{_any(MONTHS)}|May\b"
_Rule = tuple[re.Pattern[str], Callable[[re.Match[str]], str]]
_RULES: tuple[_Rule, ...] = tuple(
    (re.compile(pattern), write)
    for pattern, write in (
        (r"№\s?(?=\d)|\bNo(?=\d)", lambda _: "number "),
        (r"\bPh\.?D\b\.?", lambda _: "P.H.D."),
        (rf"(?<![\d.,/])(\d[\d.,/]*)\s?(sq\.?\s)?((?i:{_any(UNITS)}))\.(?!\w)", _unit),
        (rf"\b((?i:{_any(REFERENCES)}))\.\s?(?=\d)", _reference),
        (rf"\b((?i:{_any(REFERENCES.keys() - {'no'})}))\.\s(?=(?:[IVXLC]+|[A-Z])\b)", _reference),
        (r"(?<=\w )(Figs?|Vols?|Ch|Nos?|Eqs?|Rte) (?=\d)", _reference),
        (rf"\b({_any(TITLES)}|mr|mrs|ms|dr|prof)\b\.?(?=\s+(?:[A-Z]|and Mrs|and Ms))", _long(TITLES)),
        (rf"\b(?:[A-Z]\w+|\d+(?:st|nd|rd|th)) ({_any(STREETS)})\b(?:\.(?!\w))?", _long(STREETS)),
        (rf"\b({_any(TITLES)}|mr|mrs|ms|dr|prof)\.(?!\w)", _long(TITLES)),
        (rf"\b({_any(MONTHS)})\b(?:\.(?!\w)|(?= \d))", _long(MONTHS)),
        (rf"\b\d{{1,2}} ({_any(MONTHS)})\b", _long(MONTHS)),
        (rf"(?<![Tt]he )\b({_any(DAYS)})(?:\.(?!\w)|(?=,? (?:{_DATE})))", _long(DAYS)),
        (rf"(?<![.@])\b((?i:{_any(SUFFIXES)}|{_any(LINKS)}))\.(?!\w)", _long(SUFFIXES | LINKS)),
    )
)
