"""The table of input symbols of all models: characters, phonemes, punctuation and pauses.

Symbol numbers are rows of the models' embeddings, so checkpoints depend on this table, although none stores it. THE
ORDER IS FIXED: never insert, remove or move a symbol; append new symbols at the end (see CONTRIBUTING.md).
"""

from collections.abc import Iterable

from lightning_vc.text.tables import rows

PAD = "<pad>"  # number 0: padding of shorter texts in a batch
END = "<end>"  # number 1: after the last symbol of every text
SPACE = " "
PUNCTUATION = (",", ".", "?", "!", ";", ":", "-")
# Deep Voice 3, section 3.2, puts one of four separators between words, by the length of the pause: slurred words,
# standard pronunciation (the space), short pause, long pause. In texts, they are written in braces.
SLURRED, SHORT_PAUSE, LONG_PAUSE = "~", "/", "%"
BETWEEN = (END, SPACE, *PUNCTUATION, SLURRED, SHORT_PAUSE, LONG_PAUSE)  # all symbols between words
_CHARACTERS = ("'", *"abcdefghijklmnopqrstuvwxyz")

# Phonemes of gruut's American English lexicon and grapheme-to-phoneme model. Each vowel after ə occurs without stress,
# with primary (ˈ) and with secondary stress (ˌ).
_SOUNDS = [phoneme for phoneme, _ in rows("phonemes.tsv")]
_FIRST = _SOUNDS.index("ə") + 1
PHONEMES = (*_SOUNDS[:_FIRST], *(stress + vowel for vowel in _SOUNDS[_FIRST:] for stress in ("", "ˈ", "ˌ")))


def phoneme_symbol(phoneme: str) -> str:
    """Return the symbol of a phoneme, which differs from that of a letter: the phoneme `b` is `/b/`."""
    return f"/{phoneme}/"


SYMBOLS: tuple[str, ...] = (PAD, *BETWEEN, *_CHARACTERS, *map(phoneme_symbol, PHONEMES))
_NUMBERS = {symbol: number for number, symbol in enumerate(SYMBOLS)}


def number(symbols: Iterable[str]) -> list[int]:
    """Convert symbols to their numbers in the table; raises ValueError for an unknown symbol."""
    symbols = list(symbols)
    try:
        return [_NUMBERS[symbol] for symbol in symbols]
    except KeyError:
        unknown = ", ".join(map(repr, sorted(set(symbols) - set(SYMBOLS))))
        table = f"'{SYMBOLS[2]}' to '{SYMBOLS[-1]}' of lightning_vc.text.symbols.SYMBOLS"
        raise ValueError(f"unknown symbols {unknown}: known are {table}") from None
