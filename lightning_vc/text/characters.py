"""Map accents, digits, quotation marks and symbols to the characters of plain English text."""

import re
import unicodedata

from lightning_vc.text.tables import rows

_PLAIN_FORMS = {character: plain for plain, characters in rows("characters.tsv") for character in characters}
_TRANSLATION = str.maketrans({**_PLAIN_FORMS, "\u00ad": "", "\u200b": " "})  # soft hyphen, zero-width space
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")  # 10 000 with a non-breaking space
_ORDINAL = re.compile(r"(?<=\d)[ºª](?!\s?[CF])")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # terminal colours
_SUPERSCRIPT = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def latin(text: str) -> str:
    """Remove accents, and convert quotation marks, digits and hyphens to ASCII.

    Letters and symbols without a plain form are kept.
    """
    text = _ESCAPE.sub("", text)
    if text.isascii():
        return text.replace("`", "'")
    text = _GROUPED.sub(",", text)
    text = _ORDINAL.sub("th", text).replace("º", "°")
    text = _SUPERSCRIPT.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
    text = unicodedata.normalize("NFKC", text.translate(_TRANSLATION)).translate(_TRANSLATION)
    return "".join(map(_without_accent, text)).translate(_TRANSLATION)


def _without_accent(character: str) -> str:
    """Remove the accent of a character; empty for a combining accent, a joiner or an emoji selector."""
    category = unicodedata.category(character)
    if character.isascii() or category[0] == "S":  # ≠ would be decomposed into = and an accent
        return character
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category[0] == "M" or category == "Cf":
        return ""
    base = unicodedata.normalize("NFD", character)
    return "".join(part for part in base if unicodedata.category(part)[0] != "M")
