"""Map accents, digits, quotation marks and symbols to the characters of plain English text."""

import re
import unicodedata

from lightning_vc.text.tables import rows

_WRITTEN = {character: plain for plain, characters in rows("characters.tsv") for character in characters}
_PLAIN = str.maketrans({**_WRITTEN, "\u00ad": "", "\u200b": " "})  # a soft hyphen, and a blank of no width
_GROUPED = re.compile(r"(?<=\d)[\u00a0\u2009\u202f](?=\d{3}(?!\d))")  # 10 000 with a space that does not break
_ORDINAL = re.compile(r"(?<=\d)[ºª](?!\s?[CF])")
_ESCAPE = re.compile(r"\x1b\[[0-9;]*[A-Za-z]")  # colours of a terminal
_SUPERSCRIPT = re.compile("[⁻⁺]?[⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def latin(text: str) -> str:
    """Write a text without accents, with straight quotation marks, ASCII digits and plain hyphens.

    Letters and symbols that have no such form stay what they are.
    """
    text = _ESCAPE.sub("", text)
    if text.isascii():
        return text.replace("`", "'")
    text = _GROUPED.sub(",", text)
    text = _ORDINAL.sub("th", text).replace("º", "°")
    text = _SUPERSCRIPT.sub(lambda match: "^" + unicodedata.normalize("NFKC", match[0]), text)
    text = unicodedata.normalize("NFKC", text.translate(_PLAIN)).translate(_PLAIN)
    return "".join(map(_plain, text)).translate(_PLAIN)


def _plain(character: str) -> str:
    """One character without its accent; nothing for an accent, a joiner or a selector of emoji."""
    category = unicodedata.category(character)
    if character.isascii() or category[0] == "S":  # ≠ is no = with an accent
        return character
    if category == "Nd":
        return str(unicodedata.decimal(character))
    if category[0] == "M" or category == "Cf":
        return ""
    base = unicodedata.normalize("NFD", character)
    return "".join(part for part in base if unicodedata.category(part)[0] != "M")
