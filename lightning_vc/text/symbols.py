"""The one table of symbols that models read: characters, phonemes, punctuation and pauses.

A model stores rows of an embedding by the number of the symbol, so this table is part of every checkpoint, although no
checkpoint holds it. THE ORDER IS FIXED: never insert, remove or move a symbol; new ones go to the very end.
"""

from collections.abc import Iterable

from lightning_vc.text.tables import rows

PAD = "<pad>"  # number 0: fills up a batch of unequal texts
END = "<end>"  # number 1: after the last symbol of every text
SPACE = " "
PUNCTUATION = (",", ".", "?", "!", ";", ":", "-")
# Deep Voice 3, section 3.2, puts one of four separators between words, by the pause that was heard there: slurred
# together, pronounced normally (this one is the space), a short pause, a long one. In texts they stand in braces.
SLURRED, SHORT_PAUSE, LONG_PAUSE = "~", "/", "%"
BETWEEN = (END, SPACE, *PUNCTUATION, SLURRED, SHORT_PAUSE, LONG_PAUSE)  # all that is no part of a word
_CHARACTERS = ("'", *"abcdefghijklmnopqrstuvwxyz")

# What gruut's lexicon and its letter-to-sound model of American English know: the vowels behind ə together with their
# stress, which is none, primary (ˈ) or secondary (ˌ).
_SOUNDS = [phoneme for phoneme, _ in rows("phonemes.tsv")]
_FIRST = _SOUNDS.index("ə") + 1
PHONEMES = (*_SOUNDS[:_FIRST], *(stress + vowel for vowel in _SOUNDS[_FIRST:] for stress in ("", "ˈ", "ˌ")))


def phoneme_symbol(phoneme: str) -> str:
    """Tell a phoneme from the letter that looks like it: the phoneme `b` is the symbol `/b/`."""
    return f"/{phoneme}/"


SYMBOLS: tuple[str, ...] = (PAD, *BETWEEN, *_CHARACTERS, *map(phoneme_symbol, PHONEMES))
_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS)}


def number(symbols: Iterable[str]) -> list[int]:
    """Number symbols by their place in the table; raises ValueError for one that is not there."""
    symbols = list(symbols)
    try:
        return [_NUMBERS[symbol] for symbol in symbols]
    except KeyError:
        unknown = ", ".join(map(repr, sorted(set(symbols) - set(SYMBOLS))))
        known = f"'{SYMBOLS[2]}' to '{SYMBOLS[-1]}' of lightning_vc.text.symbols.SYMBOLS"
        raise ValueError(f"unknown symbols {unknown}: known are {known}") from None
