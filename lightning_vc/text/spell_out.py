"""Written English to something that reads as it is spoken, before gruut turns numbers, money, dates and times to words.

Every rule stands for a text that gruut would otherwise drop, misread or glue together.
"""

import re
import unicodedata
from collections.abc import Callable

_Rule = tuple[re.Pattern[str], str | Callable[[re.Match[str]], str]]

_TENS = ("twenties", "thirties", "forties", "fifties", "sixties", "seventies", "eighties", "nineties")
_ROMAN = {  # up to the sixteenth Louis; I, V and X are rather letters
    **{"II": "2", "III": "3", "IV": "4", "VI": "6", "VII": "7", "VIII": "8", "IX": "9"},
    **{"XI": "11", "XII": "12", "XIII": "13", "XIV": "14", "XV": "15", "XVI": "16"},
}
_FRACTIONS = {"1/2": "one half", "1/3": "one third", "2/3": "two thirds", "1/4": "one quarter", "3/4": "three quarters"}
_UNITS = {
    "km/h": "kilometers per hour",
    "km": "kilometers",
    "cm": "centimeters",
    "mm": "millimeters",
    "kg": "kilograms",
    "mg": "milligrams",
    "ml": "milliliters",
    "ft": "feet",
    "mph": "miles per hour",
    "lbs": "pounds",
    "lb": "pounds",
    "oz": "ounces",
    "khz": "kilohertz",
    "hz": "hertz",
    "°c": "degrees celsius",
    "°f": "degrees fahrenheit",
    "°": "degrees",
    "%": "percent",
    "¢": "cents",
}
ABBREVIATIONS = {
    **{"Mr": "Mister", "Mrs": "Missus", "Ms": "Ms", "Dr": "Doctor", "Prof": "Professor", "Rev": "Reverend"},
    **{"Gen": "General", "Col": "Colonel", "Capt": "Captain", "Lt": "Lieutenant", "Sgt": "Sergeant"},
    **{"Gov": "Governor", "Sen": "Senator", "Jr": "Junior", "Sr": "Senior"},
    **{"St": "Street", "Ave": "Avenue", "Blvd": "Boulevard", "Mt": "Mount"},
    **{"Co": "Company", "Inc": "Incorporated", "Ltd": "Limited", "Dept": "Department"},
    **{"Jan": "January", "Feb": "February", "Mar": "March", "Apr": "April", "Aug": "August", "Sep": "September"},
    **{"Sept": "September", "Oct": "October", "Nov": "November", "Dec": "December"},
    **{"vs": "versus", "approx": "approximately", "etc": "et cetera"},
}
ABBREVIATIONS |= {short.capitalize(): long for short, long in ABBREVIATIONS.items()}
ABBREVIATIONS |= {short.upper(): long for short, long in ABBREVIATIONS.items()}
_LETTERS = {"æ": "ae", "œ": "oe", "ø": "o", "ß": "ss", "ł": "l", "đ": "d", "ð": "th", "þ": "th", "ı": "i"}
_LATIN = str.maketrans(_LETTERS | {"Æ": "Ae", "Œ": "Oe", "Ø": "O", "Ł": "L", "Đ": "D", "Ð": "Th", "Þ": "Th"})
_SIGNS = str.maketrans(
    {
        **dict.fromkeys("‘’‛ʼ`´", "'"),
        **dict.fromkeys("“”„‟«»", '"'),
        **dict.fromkeys("‐‑−", "-"),
        **{"‒": "–", "―": "—", "\u00ad": "", "\u200b": " "},  # the last two: soft hyphen, zero-width space
        **{"½": " 1/2", "¼": " 1/4", "¾": " 3/4", "⅓": " 1/3", "⅔": " 2/3", "²": "^2", "³": "^3"},
    }
)


def _address(match: re.Match[str]) -> str:
    """Read the address of a page or a mailbox aloud."""
    address = re.sub(r"^(https?://)?(www\.)?|[?#].*", "", match[0], flags=re.I).rstrip("/")
    for mark, spoken in ((".", "dot"), ("@", "at"), ("/", "slash"), ("-", "dash"), ("_", "underscore")):
        address = address.replace(mark, f" {spoken} ")
    return f" {address} "


def _decade(match: re.Match[str]) -> str:
    """Read 1990s as 19 nineties, 1900s as 19 hundreds, 2000s as 2 thousands, 90s as nineties."""
    century, tens = match[1] or "", int(match[2])
    if tens >= 2:
        return f"{century} {_TENS[tens - 2]}"
    if not century:
        return match[0]
    if tens == 1:
        return f"{century} tens"
    return f"{century[0]} thousands" if century[1] == "0" else f"{century} hundreds"


def _abbreviation(match: re.Match[str]) -> str:
    """Write an abbreviation in full; its dot stays where the text ends with it."""
    return ABBREVIATIONS[match[1]] + ("" if match[2] is None else ".")


def _any(words: dict[str, str]) -> str:
    """Make a pattern of any of some words, the longer ones first."""
    return "|".join(map(re.escape, sorted(words, key=len, reverse=True)))


_RULES: tuple[_Rule, ...] = (
    # addresses
    (re.compile(r"(?:https?://|www\.)[^\s,;!\"<>]*[\w/]|(?<![\w.+-])[\w.+-]+@[\w-]+(?:\.[\w-]+)+", re.I), _address),
    (re.compile(r"\b(?:[\w-]+\.)+(?:com|org|net|edu|gov|io)\b(?:/[\w/.-]*\w)?", re.I), _address),
    # punctuation: dashes as pauses (— is what normalize knows), brackets as pauses, quotation marks as nothing
    (re.compile(r"(?<=\d)\s?–\s?(?=\d)"), " to "),
    (re.compile(r"\s*(?:[—–]|--+)\s*|\s+-\s+"), " — "),
    (re.compile(r"\.{2,}"), ". "),
    (re.compile(r"\s[(\[{](?=\w)"), ", "),
    (re.compile(r"(?<=\w)[)\]}](?=\s)"), ", "),
    (re.compile(r"(?<=\d)['\"](?=\d)"), " "),
    (re.compile(r"\"|(?<![A-Za-z0-9.])'|'(?![A-Za-z])"), ""),
    # abbreviations
    (re.compile(r"\bS[tT]\.(?=\s+[A-Z])"), "Saint"),
    (re.compile(r"\bNo\.\s?(?=\d)"), "number "),
    (re.compile(r"\bPh\.?D\b\.?"), "P.H.D."),
    (re.compile(rf"\b({_any(ABBREVIATIONS)})\.(\s*$)?"), _abbreviation),
    (re.compile(rf"\b({_any(_ROMAN)})\b"), lambda match: _ROMAN[match[1]]),
    # numbers
    (re.compile(r"(?<=\d),(?!\d{3}(?!\d))(?=\d)"), ", "),
    (re.compile(r"\b(1\d|20)?(\d)0'?s\b"), _decade),
    (re.compile(r"\bUS(?=[$])"), ""),
    (re.compile(r"[$](\d[\d.,]*) (hundred|thousand|million|billion|trillion)\b"), r"\1 \2 dollars"),
    (re.compile(r"¥\s?(\d[\d.,]*\d|\d)"), r"\1 yen"),
    (re.compile(rf"(?<=\d)\s?({_any(_UNITS)})(?![A-Za-z])", re.I), lambda match: f" {_UNITS[match[1].lower()]} "),
    (re.compile(r"(?<![\d/])(\d+)\s+(?=[123]/[234](?![\d/]))"), r"\1 and "),
    (re.compile(rf"(?<![\d/])({_any(_FRACTIONS)})(?![\d/])"), lambda match: _FRACTIONS[match[1]]),
    (re.compile(r"(?<![\d/])(\d+)/(\d+)(?![\d/])"), r"\1 \2"),
    (re.compile(r"(?<=\d)(?=[A-Za-z])(?!(?:st|nd|rd|th|[ap]\.?m)\b)", re.I), " "),
    (re.compile(r"(?<=[A-Za-z])(?=\d)"), " "),
    (re.compile(r"\d{16,}"), lambda match: " ".join(match[0])),
    (re.compile(r"#(?=\d)"), "number "),
    # symbols
    (re.compile(r"\^2"), " squared "),
    (re.compile(r"\^3"), " cubed "),
    (re.compile(r"&"), " and "),
    (re.compile(r"@"), " at "),
    (re.compile(r"\+"), " plus "),
    (re.compile(r"="), " equals "),
    (re.compile(r"×"), " times "),
    (re.compile(r"÷"), " divided by "),
    (re.compile(r"(?<!\d)/|/(?!\d)"), " "),
    # sentences that nobody spaced: end.Next
    (re.compile(r"(?<=[A-Za-z]{2})\.(?=[A-Za-z]{2})"), ". "),
    (re.compile(r"(?<=[A-Za-z])([?!,;:])(?=[A-Za-z])"), r"\1 "),
    (re.compile(r"[^A-Za-z0-9'\s.,;:?!/$£€—-]"), " "),
)


def latin(text: str) -> str:
    """Write a text without accents and with straight quotation marks; letters of other scripts stay what they are."""
    text = unicodedata.normalize("NFKC", text.translate(_SIGNS))
    text = "".join(letter for letter in unicodedata.normalize("NFD", text) if not unicodedata.combining(letter))
    return text.translate(_LATIN)


def spell_out(text: str) -> str:
    """Write addresses, abbreviations, units, symbols and glued numbers of a `latin` text in words.

    What comes back consists of ASCII and the three signs £, € and — (a pause); all else is dropped.
    """
    for pattern, spoken in _RULES:
        text = pattern.sub(spoken, text)
    return text
