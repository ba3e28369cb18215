"""Numbers, and amounts of units and currencies, as English words.

Arguments are strings of ASCII digits, as written in the text. In the name of a unit, # marks the place of the plural
ending: mile# per hour.
"""

import functools
import re

from num2words import num2words

from lightning_vc.text.tables import rows

_LONGEST = 36  # largest number of digits that is read as a cardinal
_DENOMINATORS = {2: ("half", "halves"), 4: ("quarter", "quarters")}
_FRACTIONS = {"24/7": "twenty four seven", "9/11": "nine eleven", "50/50": "fifty fifty", "20/20": "twenty twenty"}
_ROMAN = {"I": 1, "V": 5, "X": 10, "L": 50, "C": 100, "D": 500, "M": 1000}
_ROMAN_PATTERN = re.compile("M{0,3}(?:CM|CD|D?C{0,3})(?:XC|XL|L?X{0,3})(?:IX|IV|V?I{0,3})")
_PREFIXES = dict(rows("prefixes.tsv"))
_ROWS = rows("units.tsv")
_UNITS = {
    **{form + symbol: _PREFIXES[form] + name for symbol, name, forms in _ROWS for form in forms if form in _PREFIXES},
    **{symbol: name for symbol, name, forms in _ROWS if "1" in forms},
}
DOTTED_UNITS = {symbol: name for symbol, name, forms in _ROWS if "." in forms}  # lb., ft.
_FOLDED = {symbol.casefold(): name for symbol, name in reversed(_UNITS.items()) if len(symbol) > 1}
_IRREGULAR = {"foot": "feet", "inch": "inches", "penny": "pence"}
CURRENCIES = {sign: (whole, hundredth) for sign, whole, hundredth in rows("currencies.tsv")}
SCALES = dict(rows("scales.tsv"))


@functools.lru_cache(1024)
def _words(value: int, kind: str) -> str:
    return str(num2words(value, to=kind)).replace("-", " ").replace(",", "")


def _named(text: str, kind: str) -> str:
    number = text.replace(",", "").replace(" ", "")
    return digits(number) if len(number) > _LONGEST else _words(int(number), kind)


def digits(text: str) -> str:
    """007 as zero zero seven; characters other than digits are dropped."""
    return " ".join(_words(int(digit), "cardinal") for digit in text if digit.isdigit())


def cardinal(text: str) -> str:
    """1,234 as one thousand two hundred and thirty four; digit by digit if it is longer than `_LONGEST`."""
    return _named(text, "cardinal")


def ordinal(text: str) -> str:
    """21 as twenty first."""
    return _named(text, "ordinal")


def number(text: str) -> str:
    """Read a cardinal or a decimal: 1,234.50, .5; of several points, as in 1.2.3, each is read."""
    whole, *parts = text.split(".")
    if not parts:
        return cardinal(whole)
    if len(parts) == 1:
        return f"{cardinal(whole) if whole else ''} point {digits(parts[0])}".strip()
    return " point ".join(digits(part) if len(part) > 2 else cardinal(part) for part in (whole, *parts))


def integer(text: str) -> str:
    """1999 as a year, 007 and numbers of ten or more digits digit by digit, others as a cardinal."""
    if (len(text) > 1 and text[0] == "0") or (len(text) > 9 and (len(text) > _LONGEST or not text.endswith("000000"))):
        return digits(text)
    return year(text)


def integers(text: str) -> str:
    """Integers separated by slashes or hyphens: 24/7/365, 1-2-3."""
    return " ".join(map(integer, re.split("[/-]", text)))


def year(text: str) -> str:
    """1999 as nineteen ninety nine, 1905 as nineteen oh five, 2005 as two thousand and five; others as a cardinal."""
    return _words(int(text), "year") if 1009 < int(text) < 3000 else cardinal(text)


def several(text: str) -> str:
    """747 as seven hundred and forty sevens, 60 as sixties, 1990 as nineteen nineties."""
    words = integer(text)
    if words.endswith("y"):
        return f"{words[:-1]}ies"
    return f"{words}es" if words.endswith("x") else f"{words}s"


def fraction(numerator: str, denominator: str) -> str:
    """3/8 as three eighths; a ratio as one hundred and twenty over eighty."""
    above, below = int(numerator), int(denominator)
    if idiom := _FRACTIONS.get(f"{numerator}/{denominator}"):
        return idiom
    if not (1 < below <= 100 or below == 1000) or above == below or (above > below and (below > 16 or above > 99)):
        return f"{number(numerator)} over {number(denominator)}"
    name = _words(below, "ordinal").removeprefix("one ")
    one, many = _DENOMINATORS.get(below, (name, f"{name}s"))
    return f"{cardinal(numerator)} {one if above == 1 else many}"


def amount(text: str) -> str:
    """A number, a fraction, or both: 5, 3/8, 1 1/2."""
    *whole, part = re.split(r"[\s-]+", text)
    if "/" not in part:
        return number(part)
    words = fraction(*part.split("/"))
    return f"{cardinal(whole[0])} and {words}" if whole else words


def roman(text: str) -> str:
    """Convert a Roman numeral in capitals to digits; empty for any other text."""
    if not text or not _ROMAN_PATTERN.fullmatch(text):
        return ""
    values = [_ROMAN[letter] for letter in text]
    return str(sum(-value if value < after else value for value, after in zip(values, [*values[1:], 0], strict=True)))


def unit(symbol: str) -> str | None:
    """Return the name of a unit, ignoring the case of symbols of several letters; None for an unknown symbol."""
    return _UNITS.get(symbol) or _FOLDED.get(symbol.casefold())


def counted(amount: str, name: str) -> str:
    """Return the name of a unit in the singular or plural that an amount needs: 1 mile, 1.5 miles."""
    head, mark, rest = name.partition("#")
    if amount == "1" or not mark:
        return head + rest
    *before, noun = head.split(" ")
    return " ".join([*before, _IRREGULAR.get(noun, f"{noun}s")]) + rest


def money(amount: str, currency: str, scale: str = "") -> str:
    """An amount of a currency: $3.50 as three dollars fifty cents, $1.2M as one point two million dollars."""
    amount, (whole_name, part_name) = amount.replace(",", ""), CURRENCIES[currency]
    whole, _, part = amount.partition(".")
    if scale or len(part) not in (0, 2):
        return " ".join([number(amount), *([SCALES[scale]] if scale else []), counted("", whole_name)])
    parts = f"{cardinal(part)} {counted(part.lstrip('0'), part_name)}" if part.strip("0") else ""
    if parts and not whole.strip("0"):
        return parts
    return f"{cardinal(whole or '0')} {counted(whole, whole_name)} {parts}".strip()
