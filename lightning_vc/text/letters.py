"""Spelled words, Roman numerals, and lower-casing of texts in capitals, where both look like other words."""

import re

from lightning_vc.text.numbers import CURRENCIES, roman, unit
from lightning_vc.text.tables import any_of, word_lists

LETTER = "·"  # in spoken text, follows each letter that is pronounced by its name
SERIES = any_of(word_lists()["series"])  # nouns that a letter or Roman numeral follows as a number: part A, chapter V

_INITIALISMS = frozenset(word_lists()["initialisms"])  # also spelled in a text of capitals
_COUNTRY = frozenset({"UN", "US"})  # spelled after an article: THE UN, THE US
_PROPER = {name.upper(): name for name in (*word_lists()["months"], *word_lists()["sovereigns"])}
_WORD = re.compile(r"(?<![A-Za-z'])[A-Z]+(?:'[A-Z]+)*(?![a-z])")
_NUMBERED = re.compile(rf"\b(?:{SERIES}|world war) $", re.I)
_VOWELLESS = re.compile(r"(?!.*(.)\1$)[B-DF-HJ-NP-TV-XZ]{3,5}")  # PVC, but not HMM
_AFTER_LETTER = re.compile(r"\s*[.,;:!?+=/&]")
_AFTER_MEMBER = re.compile(r"\s*(?:$|[.,;:!?]|(?:AND|OR) [B-Z]\b)")


def spell(initialism: str, ending: str = "") -> str:
    """Mark the letters of an initialism as spelled, with its plural or possessive ending."""
    names = "".join(letter + LETTER for letter in initialism.upper() if letter.isalpha())
    return f"{names}'s" if ending else names


def is_roman(word: str) -> bool:
    """Whether a word in capitals is an unambiguous Roman numeral: IV, but not I, XX, CD or MIX."""
    return bool(roman(word)) and (len(word) > 3 or (len(word) > 1 and not word.strip("IVX") and word.strip("X") != ""))


def lower_capitals(text: str) -> str:
    """Lower-case a text in capitals, except initialisms, Roman numerals and the first letters of names."""
    return _WORD.sub(_lower, text)


def _lower(match: re.Match[str]) -> str:
    word, text = match[0], match.string
    before, after = text[max(0, match.start() - 12) : match.start()], text[match.end() : match.end() + 8]
    if (  # a letter, a currency, an initialism or a Roman numeral
        word == "I"
        or (word in "AVX" and _NUMBERED.search(before) and _AFTER_MEMBER.match(after))
        or (word == "A" and _AFTER_LETTER.match(after))
        or (word in CURRENCIES or word in ("WWI", "WWII") or after.startswith("$"))
        or (word in _INITIALISMS or is_roman(word) or (word in _COUNTRY and re.search(r"\bTHE $", before)))
    ):
        return word
    if (stem := re.sub("'?S$", "", word)) in _INITIALISMS:
        return f"{stem}s"
    if (  # PVC, or next to digits or an ampersand: 5 KM, MP3, AT&T, 12A, B-52
        _VOWELLESS.fullmatch(word)
        or (re.search(r"\d-?$|\d $", before) and (unit(word) or word in ("AM", "PM", "AD", "EST", "PST")))
        or (len(word) <= 3 and (re.match(r"\d|&[A-Z]", after) or before.endswith("&")))
        or (len(word) == 1 and (re.search(r"\d$", before) or re.match(r"-\d", after)))
    ):
        return word
    return _PROPER.get(word, word.lower())
