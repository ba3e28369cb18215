"""The semiotic classes of written English in the order in which they are tried, with what their tokens look like."""

import functools
import re
from collections.abc import Callable, Iterable
from typing import NamedTuple

from lightning_vc.text import dates, verbalise
from lightning_vc.text.letters import MONTHS, SERIES, SOVEREIGNS
from lightning_vc.text.measures import CURRENCIES, SCALES

Verbaliser = Callable[[re.Match[str]], str | None]


class SemioticClass(NamedTuple):
    """One way to read tokens.

    Attributes:
        name: as in Sproat & Jaitly (2016).
        first: the characters that its tokens begin with.
        pattern: what its tokens look like.
        spoken: what they are replaced by, or how it is found; None where the token is of another class after all.
        behind: classes of which one must stand before it; empty for any.
    """

    name: str
    first: re.Pattern[str]
    pattern: re.Pattern[str]
    spoken: str | Verbaliser
    behind: frozenset[str] = frozenset()


def _any(words: Iterable[str]) -> str:
    """A pattern of any of some words, the longer ones first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


NUMERIC = frozenset(
    {"CARDINAL", "DATE", "DECIMAL", "DIGIT", "FRACTION", "MEASURE", "MONEY", "ORDINAL", "ROMAN", "TELEPHONE", "TIME"}
)
_INTEGER = r"(?:\d{1,3}(?:,\d{3})+(?!\d)|\d+)"
_NUMBER = rf"(?:{_INTEGER}(?:\.\d+)?|\.\d+)(?!\.?\d)"
_AMOUNT = rf"(?:\d+\s)?\d+/\d+(?![\d/])|{_NUMBER}"
_CLOCK = r"([01]?\d|2[0-4]):([0-5]\d)(?::([0-5]\d)(?:\.\d+)?)?"
_MONTH = "|".join(MONTHS)
_YEAR = r"(?:,?\s(\d{4})(?![\w:]))?"
_VALUE = r"(?:\.?\d|[A-Z]{0,2}[$€£¥₹])"  # how a number or money begins
_SYMBOLS = _any(sign for sign in CURRENCIES if not sign.isalpha())
_ROMAN = r"([IVXLC]+)(?![\w'-])"
_ENDS = "a|all|am|an|d|ed|em|en|er|i|ll|m|n|re|s|t|ve"  # of contractions (don't, ma'am) and of names (Qur'an)
_SHORT = rf"'(?:(?:{_ENDS})|(?<=[A-Z]')(?:{_ENDS.upper()}))(?![A-Za-z\d])"
_WORD = rf"(?:(?<![\dA-Za-z])[A-Za-z]'(?=[A-Za-z]))?[A-Za-z]+(?:{_SHORT})*"  # with o'clock and O'Brien, not red'blue
_MONEY = rf"""
    (?P<currency>{_any(CURRENCIES)})\s?(?P<sign>-)?(?P<amount>{_NUMBER})
    (?:\s?[-–]\s?(?P<last>{_NUMBER}))?
    (?:(?P<scale>{_any(key for key in SCALES if len(key) < 4)})|(?P<gap>[\s-])(?P<word>{_any(SCALES)}))?(?![^\W_])
    (?:(?P<attributive>-(?=[a-z]))|(?=\s(?P<bill>bills?|coins?|notes?)\b))?
    (?:/(?P<per>[a-z]+))?
"""
_MEASURE = rf"""
    ({_AMOUNT})(\s?|-)(?:(sq|cu)\.?\s?)?([%‰]|°[CFKcfk]?|[A-Za-zμΩ]{{1,5}})(?:\^?([23]))?
    (?:/([A-Za-z]{{1,6}})(\^[23])?)?(?![^\W_]|{_SHORT})(\.(?=\s*[\da-z,;:)]))?
"""
_TELEPHONE = r"""
    (?:\+\d{1,3}[\s.-]?|1[\s.-])?(?:\s?\(\d{2,4}\)\s?|\d{3}[\s.-])\d{3}[\s.-]\d{4}(?![\w]|[.-]\d)
    | 1-\d{3}-(?:\d{3}-\d{4}|[A-Za-z]{2,10}(?:-[A-Za-z]{2,10}){0,2})\b
    | \+\d{7,15}(?!\d) | (?:\+|00\s?)\d{1,3}[\s-](?:\(0\)\s?)?\d{1,5}(?:[\s-]\d{2,8}){1,4}(?!\d)
    | 0\d{2,4}\s\d{3,4}\s\d{3,4}(?!\d)
    | \d{4}\s\d{4}\s\d{4}\s\d{4}(?!\d)
"""
_ADDRESS = r"""
    (?:https?://|www\.)[^\s,;!"<>]*[\w/]
    | [\w.+-]{1,64}@[\w-]{1,63}(?:\.[\w-]{1,63}){1,8}
    | (?:[\w-]{1,63}\.){1,8}(?:com|org|net|edu|gov|io)\b(?:/[\w/.-]*\w)?
"""


def _same(match: re.Match[str]) -> str:
    return match[0]


def _class(name: str, first: str, pattern: str, spoken: str | Verbaliser, *behind: str) -> SemioticClass:
    return SemioticClass(name, re.compile(f"[{first}]"), re.compile(pattern, re.VERBOSE), spoken, frozenset(behind))


@functools.cache
def classes(first: str) -> tuple[SemioticClass, ...]:
    """The classes of which a token may be that begins with a character."""
    return tuple(each for each in CLASSES if each.first.match(first))


CLASSES = (
    _class("PLAIN", r"a-z", rf"(?!(?:zip|postal|world|super)\b){_WORD}(?=\s[a-z]|[,;!?])", _same),
    _class("ELECTRONIC", r"\w.+-", rf"(?<![\w.+-])(?i:{_ADDRESS})", verbalise.address),
    _class("DIGIT", r"\d", r"\d{16,}", verbalise.one_by_one),
    # dates and times
    _class(
        "DATE",
        r"\d",
        rf"(\d{{4}})-(\d\d)-(\d\d)(?:(?:T|\s){_CLOCK}(?:(Z\b)|([+-])(\d\d):?(\d\d)?)?)?(?![\d-])",
        dates.iso_date,
    ),
    _class("DATE", r"\d", r"(\d{1,2})/(\d{1,2})/(\d{4}|\d\d)(?![\d/])", dates.numeric_date),
    _class("DATE", r"\d", r"([12]\d{3})-(0[1-9]|1[0-2])(?![\d-])", dates.year_and_month),
    _class(
        "DATE",
        r"A-Z",
        rf"({_MONTH})\s(\d{{1,2}})(?:st|nd|rd|th)?(?:\s?[-–]\s?(\d{{1,2}}))?(?![\w:%/]|[.,-]\d){_YEAR}",
        dates.month_and_day,
    ),
    _class("DATE", r"\dtT", rf"(?:[Tt]he\s)?(\d{{1,2}})\s({_MONTH})\b{_YEAR}", dates.day_and_month),
    _class("DATE", r"\d'", r"(?:(1\d|20)|')?(\d)0'?s\b", dates.decade),
    _class("TIME", r"\d", rf"{_CLOCK}(?:\s?((?i:[ap]\.?m\b\.?)))?(?![\w]|:\d)", dates.time),
    _class("TIME", r"\d", r"(1[0-2]|0?[1-9])(?:\.([0-5]\d))?\s?((?:[ap]\.?m\b\.?)|[AP]\.?M\b\.?)", dates.half_day),
    _class("CARDINAL", r"\d", r"(\d+):(\d+)(?![\w:])", verbalise.ratio),
    # digits
    _class("TELEPHONE", r"\d\s(+", _TELEPHONE, verbalise.telephone),
    _class("TELEPHONE", r"\d", r"([2-9]\d\d)-(\d{4})(?![\w-])", verbalise.local_telephone),
    _class("DIGIT", r"\d", r"\d+(?:-\d+){2,12}(?![\w-])", verbalise.groups),
    _class(
        "DIGIT",
        r"A-Za-z",
        r"((?i:zip(?:\scode)?|postal\scode|postcode)):?\s(\d{5}(?:-\d{4})?)(?![\w-])",
        verbalise.digits_in_context,
    ),
    _class(
        "DIGIT",
        r"A-Za-z",
        r"((?i:call|dial|phone|text|ring))\s(\d{3})(?![\w-]|[.,:]\d|\s\d)",
        verbalise.digits_in_context,
    ),
    _class("DIGIT", r"A-Z", r"(?<=,\s)([A-Z]{2})\s(\d{5}(?:-\d{4})?)(?![\w-])", verbalise.state_and_zip),
    _class("DIGIT", r"\d", r"(0\d{4})-(\d{4})(?![\w-])", verbalise.telephone),
    # amounts
    _class("MONEY", r"$A-Z\W", _MONEY, verbalise.money),
    _class(
        "MONEY",
        r"\d.",
        rf"({_NUMBER})\s?({_SYMBOLS}|(?:{_any(code for code in CURRENCIES if code.isalpha())})\b)(?!\d)",
        verbalise.money_behind,
    ),
    _class("MONEY", r"\d.", rf"({_NUMBER})\s?¢", verbalise.cents),
    _class(
        "MEASURE",
        r"\d.",
        r"(\d+)(?:'|\s?ft\.?\s)\s?(\d+(?:\.\d+)?)(?:\"|''|\s?in\b(?:\.(?!\s*$))?)",
        verbalise.feet_and_inches,
    ),
    _class(
        "CARDINAL",
        r"\d.",
        rf"({_NUMBER})(?:\s?(million|billion|trillion)|(M)(?=\s[a-z]+s\b|\speople\b))(?!\w)"
        r"|(\d+\.\d+)([MB])\b",
        verbalise.scaled,
    ),
    _class("CARDINAL", r"\d", r"(\d+)'?s\b", verbalise.plural),
    _class("MEASURE", r"\d.", _MEASURE, verbalise.measure),
    _class(
        "FRACTION", r"\d", r"(?:\d{1,15}(?:\s+|-))?\d{1,15}/\d{1,15}(?![\d/])(?:(?:nd|rd|th)s?\b)?", verbalise.fraction
    ),
    _class("CARDINAL", r"\d", r"\d{1,15}(?:/\d{1,15}){2,12}(?![\d/])", verbalise.slashed),
    _class("ORDINAL", r"\d", rf"({_INTEGER})(?:st|nd|rd|th|ST|ND|RD|TH)(?![A-Za-z])('s\b)?", verbalise.ordinal),
    # numbers
    _class("DECIMAL", r"\d.", rf"({_NUMBER})(?:[eE]|\s?[×x*]\s?10\^)([+-]?\d+)\b", verbalise.scientific),
    _class("DECIMAL", r"vV", r"[vV]\.?\s?(\d+(?:\.\d+)*)\b", verbalise.version),
    _class("CARDINAL", r"\d", r"(\d+)\s?[x×]\s?(?=\d+s?\b)", verbalise.dimension),
    _class("DIGIT", r"\d", r"911\b", verbalise.one_by_one),
    _class("CARDINAL", r"\d", r"\d{1,3}(?:\s000){1,6}(?!\d)", verbalise.plain_number),
    _class("DECIMAL", r"\d.", rf"{_INTEGER}(?:\.\d+)+|\.\d+", verbalise.plain_number),
    _class("CARDINAL", r"\d", _INTEGER, verbalise.plain_number),
    # letters
    _class("LETTERS", r"A-Z", r"([A-Z]{1,3})&([A-Z]{1,3})('?s)?\b", verbalise.with_ampersand),
    _class("LETTERS", r"A-Za-z", r"(?:[A-Za-z]\.)+(?:[A-Za-z](?![A-Za-z]))?('s\b)?", verbalise.dotted),
    _class("ROMAN", r"A-Za-z", rf"((?i:world\swar))\s{_ROMAN}", verbalise.numbered),
    _class("ROMAN", r"A-Z", r"WW\s?(I{1,2}|[12])\b", verbalise.world_war),
    _class(
        "ROMAN",
        r"A-Z",
        rf"(Act|Article|Book|Chapter|Class|Level|Part|Phase|Scene|Section|Stage|Title|Type|Volume)\s{_ROMAN}",
        verbalise.numbered,
    ),
    _class(
        "ROMAN",
        r"A-Za-z",
        rf"((?i:{SERIES}|super\sbowl|act|scene|book))\s((?!I\b|[LC]\b)[IVXLC]+)(?![\w'-])",
        verbalise.numbered,
    ),
    _class(
        "ROMAN",
        r"A-Z",
        rf"({'|'.join(SOVEREIGNS)})\s((?!I\b)[IVXLC]+|I(?=\s*(?:$|[.,;:!?)]|'s|(?:of|was|is|and|had|became)\b)))"
        r"(?![\w-])('s\b)?",
        verbalise.sovereign,
    ),
    _class("ROMAN", r"A-Z", r"([IVXLCDM]{2,})(th)?\b", verbalise.roman),
    _class("LETTERS", r"A-Z", rf"([A-Z]{{2,5}})('?s)?(?![A-Za-z]|{_SHORT})", verbalise.initialism),
    _class("LETTERS", r"A-Z", rf"([A-Z]{{1,3}})(?=\d)|(?<=\d)([A-Z])(?![A-Za-z]|{_SHORT})", verbalise.beside_digits),
    _class("LETTERS", r"A-Z", r"A(?![A-Za-z'])", verbalise.letter_a),
    # symbols
    _class("VERBATIM", r"\W_", r"\s?[-–]\s?(?=[-–]?\.?\d|[$€£¥₹])", verbalise.dash_between_numbers, *NUMERIC),
    _class("VERBATIM", r"\W_", rf"(?<![\w)\]])[-–](?={_VALUE})", "minus"),
    _class("VERBATIM", r"\W_", r"\+/-(?=\s?[$\d])", "plus or minus"),
    _class("VERBATIM", r"\W_", r"/(?=(?:day|week|month|year|hour|minute|second|person)\b)", "per"),
    _class("VERBATIM", r"\W_", rf"±(?=\s?{_VALUE})", "plus or minus"),
    _class("VERBATIM", r"\W_", r"~(?=\s?[$\d])", "about"),
    _class("VERBATIM", r"\W_", r"\s?[*×](?=\s?\d)", "times", *NUMERIC),
    _class("VERBATIM", r"\W_", r"\s/\s(?=\d)", "divided by", *NUMERIC),
    _class("VERBATIM", r"\W_", r"\s?(<=|>=|[<>≤≥])\s?(?=[-–]?\d)", verbalise.comparison, *NUMERIC),
    _class(
        "VERBATIM",
        r"\W_",
        r"(<=|>=|[<>≤≥])(?=\s?[-–]?[$\d])|(?<=[\w)]\s)(?:<=|>=|[<>≤≥])(?=\s\w)",
        verbalise.comparison,
    ),
    _class("VERBATIM", r"\W_", r"!=", "is not equal to"),
    _class("VERBATIM", r"\W_", r"\^2(?!\d)|\^3(?!\d)", verbalise.power),
    _class("VERBATIM", r"\W_", r"\^-?(?=\d)", verbalise.exponent),
    _class("VERBATIM", r"\W_", r"\#\s?(?=\d)", "number"),
    _class("VERBATIM", r"\W_", r"(?<=\b[CFcf])\#", "sharp"),
    _class("VERBATIM", r"\W_", r"§+|==?|[&@+≠≈×÷√∞®©±]", verbalise.symbol),
    # punctuation
    _class("PUNCT", r"\W_", r"\s*(?:[—–]|--+)\s*|\s{1,3}-\s+", "—"),
    _class("PUNCT", r"\W_", r"\s[(\[{](?=\w)|(?<=\w)[)\]}](?=\s)", ","),
    _class("PUNCT", r"\W_", r"(?<=[\s(][A-Za-z])\.(?=[A-Za-z])", ""),
    _class("PUNCT", r"\W_", r"[.,;:!?]+", verbalise.marks),
    _class("PUNCT", r"\W_", r"\s+|[\-–—/_'\"()\[\]{}*\#~^<>]", ""),
    _class("PLAIN", r"A-Za-z", _WORD, _same),
)
OTHER = "OTHER"  # what is not spoken
