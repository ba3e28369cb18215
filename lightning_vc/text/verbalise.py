"""How a token of each semiotic class is spoken in the United States.

Each function takes the match of its class's pattern (see text/classes.py) and returns what is spoken, or None where the
token is of another class after all.
"""

import re

from lightning_vc.text import measures, numbers
from lightning_vc.text.letters import ACRONYMS, SERIES, is_initialism, is_roman, spell
from lightning_vc.text.measures import CURRENCIES, SCALES, counted, singular
from lightning_vc.text.numbers import cardinal, digits, integer, number, year

SYMBOLS = {
    **{"&": "and", "@": "at", "+": "plus", "=": "equals", "×": "times", "÷": "divided by", "±": "plus or minus"},
    **{"≠": "is not equal to", "≈": "is approximately equal to", "√": "square root of", "∞": "infinity"},
    **{"§": "section", "©": "copyright", "®": "registered"},
}
_COMPARISONS = {
    **{"<": "less than", "<=": "less than or equal to", "≤": "less than or equal to"},
    **{">": "greater than", ">=": "greater than or equal to", "≥": "greater than or equal to"},
}
_ADDRESS_MARKS = {".": "dot", "@": "at", "/": "slash", "-": "dash", "_": "underscore"}
_PER = ("day", "week", "month", "year", "hour", "minute", "second", "person")
_EQUATION = re.compile(r"[\d\s.,+*/x×÷-]{1,39}=")
_AT_END = re.compile(r"\s*\Z")
_BEFORE_SENTENCE = re.compile(r"(?:^|[.?!:\"'(—\n])\s*$")
_BEHIND_LETTER = re.compile(r"\s*(?:$|[.,;:!?)=+/&-]|(?:and|or|to|is|was|plus|minus)\b(?!-))")
_IN_SERIES = re.compile(rf"\b(?:{SERIES}) $", re.IGNORECASE)


def address(match: re.Match[str]) -> str:
    """A web or mail address: the name of each mark, without the protocol and what follows ? or #."""
    plain = re.sub(r"^(https?://)?(www\.)?|[?#].*", "", match[0], flags=re.IGNORECASE).rstrip("/")
    parts = re.findall(r"[A-Za-z]+|\d+|[.@/_-]", plain)
    return " ".join(_ADDRESS_MARKS.get(part) or (integer(part) if part.isdigit() else part) for part in parts)


def one_by_one(match: re.Match[str]) -> str:
    """Digits."""
    return digits(match[0])


def telephone(match: re.Match[str]) -> str:
    """Groups of digits with a pause between them; 800 as eight hundred, and a name that is dialled as a word."""
    groups = (
        "eight hundred" if group == "800" else digits(group) if group.isdigit() else group.lower()
        for group in re.findall(r"\d+|[A-Za-z]+", match[0])
    )
    return ("plus " if match[0].startswith("+") else "") + ", ".join(groups)


def local_telephone(match: re.Match[str]) -> str | None:
    """555-1234, but not 500-1000."""
    return None if match[1][1:] in ("00", "50") and match[2].endswith("00") else telephone(match)


def ratio(match: re.Match[str]) -> str:
    """16:9, 3:1."""
    return f"{integer(match[1])} to {integer(match[2])}"


def groups(match: re.Match[str]) -> str:
    """Three groups of digits and more: 123-45-6789; 1-2-3 without pauses."""
    parts = match[0].split("-")
    return " ".join(map(integer, parts)) if max(map(len, parts)) < 3 else telephone(match)


def digits_in_context(match: re.Match[str]) -> str:
    """ZIP 02139, call 411."""
    return f"{match[1]} {', '.join(map(digits, match[2].split('-')))}"


def state_and_zip(match: re.Match[str]) -> str:
    """MA 02139 behind a comma."""
    return f"{spell(match[1])} {', '.join(map(digits, match[2].split('-')))}"


def money(match: re.Match[str]) -> str:
    """Money with its sign first: $5, $1.2B, $5-10 million, a $5-million deal, $5/hour."""
    currency, minus, amount, last, scale, gap, word, attributive, bill, per = match.groups()
    spoken = measures.money((last or amount).replace(",", ""), currency, scale or word or "")
    if attributive or bill or gap == "-":
        name = CURRENCIES[currency][0]
        spoken = spoken.removesuffix(measures.plural(name)).removesuffix(singular(name)) + singular(name)
    if last:
        spoken = f"{number(amount)} to {spoken}"
    if per:
        spoken += f" per {_divisor(per) or per}"
    return f"minus {spoken}" if minus else spoken


def money_behind(match: re.Match[str]) -> str:
    """Money with its sign or its code last: 5€, 5 USD."""
    return measures.money(match[1].replace(",", ""), match[2])


def cents(match: re.Match[str]) -> str:
    """50¢."""
    return f"{number(match[1])} {counted(match[1], 'cent#')}"


def measure(match: re.Match[str]) -> str | None:
    """An amount of a unit: 5 km, a 5-km run, 20 sq ft, 5 m^2, 9.8 m/s^2."""
    amount, gap, kind, symbol, power, per, per_power, stop = match.groups()
    name, divisor = measures.unit(symbol), _divisor(per) if per else None
    if name is None or (per and not divisor) or (symbol == "in" and not (stop or kind)) or (symbol == "s" and not gap):
        return None
    attributive = gap == "-" or match.string[match.end() : match.end() + 1] == "-"
    below_one = "/" in amount and " " not in amount
    spoken = singular(name) if attributive or below_one else counted(amount, name)
    dimension = {"sq": "square ", "cu": "cubic ", "2": "square ", "3": "cubic "}.get((kind or power or "").lower(), "")
    rate = f" per {divisor}" + {"^2": " squared", "^3": " cubed"}.get(per_power, "") if divisor else ""
    return f"{_amount(amount)} {dimension}{spoken}{rate}"


def _divisor(written: str) -> str | None:
    """What an amount is per: a unit, or a word such as day."""
    name = measures.unit(written)
    return singular(name) if name else written if written in _PER else None


def feet_and_inches(match: re.Match[str]) -> str:
    r"""6'2", 6 ft. 2 in."""
    feet, inches = match.groups()
    return f"{cardinal(feet)} {counted(feet, 'foot#')} {number(inches)} {counted(inches, 'inch#')}"


def fraction(match: re.Match[str]) -> str:
    """3/8, 1 3/8, 2/5ths."""
    return _amount(match[0].rstrip("ndrths"))


def _amount(written: str) -> str:
    """A number, a fraction, or both."""
    *whole, part = re.split(r"[\s-]+", written)
    if "/" not in part:
        return number(part)
    spoken = numbers.fraction(*part.split("/"))
    return f"{cardinal(whole[0])} and {spoken}" if whole else spoken


def slashed(match: re.Match[str]) -> str:
    """24/7/365."""
    return " ".join(map(integer, match[0].split("/")))


def ordinal(match: re.Match[str]) -> str:
    """3rd, 1,000th; the next word is another token, also behind a hyphen."""
    return numbers.ordinal(match[1]) + ("'s" if match[2] else "")


def plural(match: re.Match[str]) -> str:
    """747s, 5's."""
    return numbers.plural(integer(match[1]))


def scientific(match: re.Match[str]) -> str:
    """1.5e-5, 6.02×10^23."""
    power = cardinal(match[2].lstrip("+-"))
    return f"{number(match[1])} times ten to the {'minus ' if match[2][0] == '-' else ''}{power}"


def version(match: re.Match[str]) -> str:
    """v2, v2.0.1."""
    return f"version {number(match[1])}"


def dimension(match: re.Match[str]) -> str:
    """The first number of 4x4 and its sign."""
    return f"{integer(match[1])} {'by' if 'x' in match[0] else 'times'}"


def scaled(match: re.Match[str]) -> str:
    """1.5M, 1.5 million."""
    amount, word, _, _, _ = match.groups()
    return f"{number(amount or match[4])} {SCALES[word or match[3] or match[5]]}"


def plain_number(match: re.Match[str]) -> str:
    """A cardinal, a decimal, a year, or digits that begin with a zero."""
    return integer(match[0]) if match[0].isdigit() else number(match[0].replace(" ", ""))


def initialism(match: re.Match[str]) -> str | None:
    """FBI, FBI's, CDs; JPEGs as a word; None for other words in capitals."""
    word, ending = match.groups()
    if word in ACRONYMS:
        return word.lower() + (ending or "")
    return spell(word, ending) if is_initialism(word) else None


def with_ampersand(match: re.Match[str]) -> str:
    """AT&T."""
    return f"{spell(match[1])} and {spell(match[2], match[3])}"


def dotted(match: re.Match[str]) -> str:
    """U.S., e.g., J.; the last full stop of a text that ends with one letter ends the sentence."""
    ends = len(match[0]) == 2 and _AT_END.match(match.string, match.end())
    return spell(match[0].removesuffix("'s"), match[1]) + ("." if ends else "")


def beside_digits(match: re.Match[str]) -> str:
    """The letters of MP3 or 12A."""
    return spell(match[0])


def letter_a(match: re.Match[str]) -> str:
    """An A that is a letter and no article: Plan A, A is for apple, got an A; not Once Upon A Time."""
    before, after = (
        match.string[max(0, match.start() - 12) : match.start()],
        match.string[match.end() : match.end() + 12],
    )
    inside = not _BEFORE_SENTENCE.search(before) and re.match(r"\s[a-z]", after)
    return spell("A") if inside or _IN_SERIES.search(before) or _BEHIND_LETTER.match(after) else "a"


def numbered(match: re.Match[str]) -> str | None:
    """World War I, Chapter X; but Section C is a letter."""
    value = None if match[2] in ("C", "L") else numbers.roman(match[2])
    return f"{match[1]} {cardinal(str(value))}" if value else None


def world_war(match: re.Match[str]) -> str:
    """WWII, WW2."""
    return f"world war {'one' if match[1] in ('I', '1') else 'two'}"


def sovereign(match: re.Match[str]) -> str | None:
    """Henry VIII."""
    value = numbers.roman(match[2])
    return f"{match[1]} the {numbers.ordinal(str(value))}{match[3] or ''}" if value else None


def roman(match: re.Match[str]) -> str | None:
    """A Roman numeral that stands alone: XIV, MMXXIV, XIXth."""
    if not is_roman(match[1]):
        return None
    value = str(numbers.roman(match[1]))
    return numbers.ordinal(value) if match[2] else year(value)


def dash_between_numbers(match: re.Match[str]) -> str:
    """A range or a score (5-10), a difference (3 - 2 = 1), or a mere hyphen (50-50, 747-400)."""
    before, after = (
        match.string[max(0, match.start() - 16) : match.start()],
        match.string[match.end() : match.end() + 40],
    )
    left, right = re.search(r"[\d,]*$", before), re.match(r"[\d,]*", after)
    falls = _value(left) > _value(right)
    if _EQUATION.match(after) or "=" in before or (falls and match[0].strip() != match[0]):
        return "minus"
    return "" if _value(left) == _value(right) or (falls and _value(right) > 99) else "to"


def _value(written: re.Match[str] | None) -> int:
    return int(written[0].replace(",", "") or "0") if written else 0


def comparison(match: re.Match[str]) -> str:
    """5 > 3 as a sentence, >5 as a phrase."""
    before = match.string[max(0, match.start() - 2) : match.start()].strip()
    return ("is " if before[-1:].isalnum() else "") + _COMPARISONS[match[0].strip()]


def power(match: re.Match[str]) -> str:
    """Squared, cubed."""
    return "squared" if match[0] == "^2" else "cubed"


def exponent(match: re.Match[str]) -> str:
    """What stands before other powers."""
    return "to the minus" if match[0] == "^-" else "to the"


def symbol(match: re.Match[str]) -> str:
    """A sign that has a name."""
    return SYMBOLS[match[0][0]]


def marks(match: re.Match[str]) -> str:
    """The one mark of a run of them that decides how it sounds: ? before all others, else the first."""
    return "?" if "?" in match[0] else match[0][0]
