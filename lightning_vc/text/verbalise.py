"""The functions of `rules/tokens.tsv`, which convert tokens to spoken American English.

Functions in `WORDS` take a group of a token's pattern, `{1:number}` in the table. Functions in `TOKENS`, `time()` in
the table, take the match of the pattern and return None if the token belongs to another class.
"""

import re
from collections.abc import Callable, Mapping

from lightning_vc.text import numbers
from lightning_vc.text.letters import SERIES, is_roman, spell
from lightning_vc.text.numbers import CURRENCIES, SCALES, amount, cardinal, counted, digits, integer, number, year
from lightning_vc.text.tables import word_lists

_MONTHS = word_lists()["months"]
_ADDRESS_MARKS = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore"}
_PER = ("day", "week", "month", "year", "hour", "minute", "second", "person")
_EQUATION = re.compile(r"[\d\s.,+*/x×÷-]{1,39}=")
_AT_END = re.compile(r"\s*\Z")
_BEFORE_SENTENCE = re.compile(r"(?:^|[.?!:\"'(—\n])\s*$")
_BEHIND_LETTER = re.compile(r"\s*(?:$|[.,;:!?)=+/&-]|(?:and|or|to|is|was|plus|minus)\b(?!-))")
_IN_SERIES = re.compile(rf"\b(?:{SERIES}) $", re.IGNORECASE)


def time(match: re.Match[str]) -> str:
    """Hours, minutes and seconds, with a.m. or p.m. if written: 18:30, 5 AM, 10.30pm."""
    return _clock(*match.groups())


def _clock(hour: str, minute: str | None, second: str | None = None, half: str | None = None) -> str:
    """Five o'clock, five oh five, eighteen thirty, twenty three hundred, five thirty p m."""
    if minute and minute != "00":
        minutes = f" oh {cardinal(minute)}" if minute[0] == "0" else f" {cardinal(minute)}"
    elif half:
        minutes = ""
    else:
        minutes = " o'clock" if 0 < int(hour) < 13 else " hundred"
    seconds = f" and {cardinal(second)} {counted(second.lstrip('0'), 'second#')}" if second and second != "00" else ""
    return f"{cardinal(hour)}{minutes}{seconds} {spell(half or '')}".strip()


def iso_date(match: re.Match[str]) -> str | None:
    """2020-12-25, optionally followed by a time and a zone."""
    written_year, month, day, hour, minute, second, utc, sign, *offset = match.groups()
    date = _date(month, day, written_year)
    if date is None or hour is None:
        return date
    zone = f" {spell('UTC')}" if utc or sign else ""
    if sign:
        parts = [cardinal(part) for part in offset[: 1 if offset[1] in (None, "00") else 2]]
        zone += " ".join([" plus" if sign == "+" else " minus", *parts])
    return f"{date}, {_clock(hour, minute, second)}{zone}"


def numeric_date(match: re.Match[str]) -> str | None:
    """12/25/2020; a first number above 12 is the day."""
    return _date(match[1], match[2], match[3])


def _date(month: str, day: str, written_year: str) -> str | None:
    if int(month) > 12:
        month, day = day, month
    if not (1 <= int(month) <= 12 and 1 <= int(day) <= 31):
        return None
    if len(written_year) == 2:
        written_year = ("20" if int(written_year) < 50 else "19") + written_year
    return f"{_MONTHS[int(month) - 1]} {numbers.ordinal(day)}, {year(written_year)}"


def year_and_month(match: re.Match[str]) -> str | None:
    """2020-12; but 2009-12 is a range of years."""
    month = int(match[2])
    return f"{_MONTHS[month - 1]} {year(match[1])}" if month <= int(match[1]) % 100 else None


def address(match: re.Match[str]) -> str:
    """A web or mail address: punctuation by name, without the protocol, query and fragment."""
    plain = re.sub(r"^(https?://)?(www\.)?|[?#].*", "", match[0], flags=re.IGNORECASE).rstrip("/")
    parts = re.findall(r"[A-Za-z]+|\d+|[.@/_-]", plain)
    return " ".join(_ADDRESS_MARKS.get(part) or (integer(part) if part.isdigit() else part) for part in parts)


def telephone(match: re.Match[str]) -> str:
    """Groups of digits separated by pauses; 800 as eight hundred, letters as a word."""
    groups = (
        "eight hundred" if group == "800" else digits(group) if group.isdigit() else group.lower()
        for group in re.findall(r"\d+|[A-Za-z]+", match[0])
    )
    return ("plus " if match[0].startswith("+") else "") + ", ".join(groups)


def money(match: re.Match[str]) -> str:
    """Money after its sign: $5, $1.2B, $5-10 million, a $5-million deal, $5/hour."""
    currency, minus, first, last, scale, gap, word, attributive, bill, per = match.groups()
    spoken = numbers.money(last or first, currency, scale or word or "")
    if attributive or bill or gap == "-":
        one, several = (counted(amount, CURRENCIES[currency][0]) for amount in ("1", ""))
        spoken = spoken.removesuffix(several).removesuffix(one) + one
    if last:
        spoken = f"{number(first)} to {spoken}"
    if per:
        spoken += f" per {_divisor(per) or per}"
    return f"minus {spoken}" if minus else spoken


def money_behind(match: re.Match[str]) -> str:
    """Money before its sign or code: 5€, 5 USD."""
    return numbers.money(match[1], match[2])


def measure(match: re.Match[str]) -> str | None:
    """An amount of a unit: 5 km, a 5-km run, 20 sq ft, 5 m^2, 9.8 m/s^2."""
    count, gap, kind, symbol, power, per, per_power, stop = match.groups()
    name, divisor = numbers.unit(symbol), _divisor(per) if per else None
    if name is None or (per and not divisor) or (symbol == "in" and not (stop or kind)) or (symbol == "s" and not gap):
        return None
    attributive = gap == "-" or match.string[match.end() : match.end() + 1] == "-"
    below_one = "/" in count and " " not in count
    spoken = counted("1" if attributive or below_one else count, name)
    dimension = {"sq": "square ", "cu": "cubic ", "2": "square ", "3": "cubic "}.get((kind or power or "").lower(), "")
    rate = f" per {divisor}" + {"^2": " squared", "^3": " cubed"}.get(per_power, "") if divisor else ""
    return f"{amount(count)} {dimension}{spoken}{rate}"


def _divisor(written: str) -> str | None:
    """Name of the divisor of a rate: a unit, or a word such as day."""
    name = numbers.unit(written)
    return counted("1", name) if name else written if written in _PER else None


def feet_and_inches(match: re.Match[str]) -> str:
    r"""6'2", 6 ft. 2 in."""
    feet, inches = match.groups()
    return f"{cardinal(feet)} {counted(feet, 'foot#')} {number(inches)} {counted(inches, 'inch#')}"


def dotted(match: re.Match[str]) -> str:
    """U.S., e.g., J.; after a single letter at the end of a text, the full stop also ends the sentence."""
    ends = len(match[0]) == 2 and _AT_END.match(match.string, match.end())
    return spell(match[0].removesuffix("'s"), match[1]) + ("." if ends else "")


def letter_a(match: re.Match[str]) -> str:
    """A as a letter (Plan A, A is for apple, got an A) or as an article (Once Upon A Time)."""
    before, after = _around(match, 12, 12)
    inside = not _BEFORE_SENTENCE.search(before) and re.match(r"\s[a-z]", after)
    return spell("A") if inside or _IN_SERIES.search(before) or _BEHIND_LETTER.match(after) else "a"


def roman_numeral(match: re.Match[str]) -> str | None:
    """A Roman numeral on its own: XIV, MMXXIV, XIXth."""
    if not is_roman(match[1]):
        return None
    value = numbers.roman(match[1])
    return numbers.ordinal(value) if match[2] else year(value)


def dash_between_numbers(match: re.Match[str]) -> str:
    """A range or a score (5-10), a difference (3 - 2 = 1), or just a hyphen (50-50, 747-400)."""
    before, after = _around(match, 16, 40)
    neighbours = re.findall(r"[\d,]*$", before)[0], re.findall(r"^[\d,]*", after)[0]
    left, right = (int(text.replace(",", "") or "0") for text in neighbours)
    if _EQUATION.match(after) or "=" in before or (left > right and match[0].strip() != match[0]):
        return "minus"
    return "" if left == right or (left > right > 99) else "to"


def comparison(match: re.Match[str]) -> str:
    """5 > 3 as a sentence, >5 as a phrase."""
    sign, before = match[0].strip(), _around(match, 2, 0)[0].strip()
    words = "less than" if sign[0] in "<≤" else "greater than"
    return ("is " if before[-1:].isalnum() else "") + words + ("" if sign in "<>" else " or equal to")


def _around(match: re.Match[str], before: int, after: int) -> tuple[str, str]:
    """Return so many characters before and after a token."""
    start, end = match.span()
    return match.string[max(0, start - before) : start], match.string[end : end + after]


WORDS: Mapping[str, Callable[[str], str]] = {
    **{"digits": digits, "cardinal": cardinal, "ordinal": numbers.ordinal, "number": number, "integer": integer},
    **{"year": year, "several": numbers.several, "amount": amount, "integers": numbers.integers, "spell": spell},
    "roman": lambda numeral: cardinal(numbers.roman(numeral)),
    "roman_ordinal": lambda numeral: numbers.ordinal(numbers.roman(numeral)),
    **{"scale": SCALES.__getitem__, "lower": str.lower},
}
TOKENS: tuple[Callable[[re.Match[str]], str | None], ...] = (
    *(time, iso_date, numeric_date, year_and_month, address, telephone, money, money_behind, measure, feet_and_inches),
    *(dotted, letter_a, roman_numeral, dash_between_numbers, comparison),
)
