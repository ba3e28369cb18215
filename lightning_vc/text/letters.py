"""Words that are spelled letter by letter, Roman numerals, and texts in capitals, which do not show what those are."""

import re

from lightning_vc.text.numbers import CURRENCIES, roman, unit
from lightning_vc.text.tables import any_of, word_lists

LETTER = "·"  # in spoken text, behind each letter that is called by its name
SERIES = any_of(word_lists()["series"])  # nouns whose members an A, I, V or X numbers

_INITIALISMS = frozenset(word_lists()["initialisms"])  # spelled in a text of capitals too
_COUNTRY = frozenset({"UN", "US"})  # what these mean behind an article
_PROPER = {name.upper(): name for name in (*word_lists()["months"], *word_lists()["sovereigns"])}
_WORD = re.compile(r"(?<![A-Za-z'])[A-Z]+(?:'[A-Z]+)*(?![a-z])")
_NUMBERED = re.compile(rf"\b(?:{SERIES}|world war) $", re.I)
_VOWELLESS = re.compile(r"(?!.*(.)\1$)[B-DF-HJ-NP-TV-XZ]{3,5}")  # PVC, but not HMM
_AFTER_LETTER = re.compile(r"\s*[.,;:!?+=/&]")
_AFTER_MEMBER = re.compile(r"\s*(?:$|[.,;:!?]|(?:AND|OR) [B-Z]\b)")


def spell(initialism: str, ending: str = "") -> str:
    """Mark the letters of an initialism to be called by their names, with its plural or possessive ending."""
    names = "".join(letter + LETTER for letter in initialism.upper() if letter.isalpha())
    return f"{names}'s" if ending else names


def is_roman(word: str) -> bool:
    """Whether a word in capitals is a Roman numeral and hardly anything else: IV, but not I, XX, CD or MIX."""
    return bool(roman(word)) and (len(word) > 3 or (len(word) > 1 and not word.strip("IVX") and word.strip("X") != ""))


def lower_capitals(text: str) -> str:
    """Write a text of capitals in lower case, but for initialisms, Roman numerals and the first letters of names."""
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
    if (  # PVC, or beside digits or an ampersand: 5 KM, MP3, AT&T, 12A, B-52
        _VOWELLESS.fullmatch(word)
        or (re.search(r"\d-?$|\d $", before) and (unit(word) or word in ("AM", "PM", "AD", "EST", "PST")))
        or (len(word) <= 3 and (re.match(r"\d|&[A-Z]", after) or before.endswith("&")))
        or (len(word) == 1 and (re.search(r"\d$", before) or re.match(r"-\d", after)))
    ):
        return word
    return _PROPER.get(word, word.lower())
