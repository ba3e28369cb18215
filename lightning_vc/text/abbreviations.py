"""Abbreviations that are written with a full stop, in full."""

import re

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

_ANY = "|".join(sorted(ABBREVIATIONS, key=len, reverse=True))
_PATTERN = re.compile(rf"\b({_ANY})\.(\s*$)?")
_RULES = (
    (re.compile(r"\bS[tT]\.(?=\s+[A-Z])"), "Saint"),
    (re.compile(r"\bNo\.\s?(?=\d)"), "number "),
    (re.compile(r"\bPh\.?D\b\.?"), "P.H.D."),
)


def expand(text: str) -> str:
    """Write the abbreviations of a text in full; a full stop stays where the text ends with it."""
    for pattern, spoken in _RULES:
        text = pattern.sub(spoken, text)
    return _PATTERN.sub(lambda match: ABBREVIATIONS[match[1]] + ("" if match[2] is None else "."), text)
