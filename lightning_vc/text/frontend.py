"""Words to symbol numbers: characters, phonemes or a mixture of both (Deep Voice 3, section 3.2)."""

import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Iterable, Sequence

from lightning_vc.text.pronunciation import PAUSES
from lightning_vc.text.symbols import END, PUNCTUATION, SPACE, number, phoneme_symbol
from lightning_vc.types import Word


class Frontend(ABC):
    """Conversion of normalised words to the input symbols of a model."""

    @abstractmethod
    def symbols(self, words: Sequence[Word], rng: random.Random | None = None) -> list[str]:
        """Convert words to symbols of `text.symbols.SYMBOLS`, without the end symbol.

        `rng` makes the random choices of training; without it the result is deterministic.
        """

    def __call__(self, words: Sequence[Word], rng: random.Random | None = None) -> list[int]:
        """Convert words to symbol numbers, followed by the end symbol; raises ValueError if there are no words."""
        if not words:
            raise ValueError("there are no words to read: give at least one")
        return number([*self.symbols(words, rng), END])


class Characters(Frontend):
    """Words as characters."""

    def symbols(self, words: Sequence[Word], rng: random.Random | None = None) -> list[str]:
        return _write(words, _characters, rng)


class Phonemes(Frontend):
    """Words as phonemes; raises ValueError for a word whose phonemes are not known."""

    def symbols(self, words: Sequence[Word], rng: random.Random | None = None) -> list[str]:
        return _write(words, _phonemes, rng)


class Mixed(Frontend):
    """Each word as phonemes with a probability, else as characters.

    The model can then speak words that the lexicon lacks, and the user can set the pronunciation of any word. Without a
    random generator (synthesis), every word with known phonemes is written as phonemes.
    """

    def __init__(self, phoneme_probability: float = 0.5) -> None:
        if not 0 <= phoneme_probability <= 1:
            raise ValueError(f"phoneme_probability {phoneme_probability} is not a probability: give one from 0 to 1")
        self.phoneme_probability = phoneme_probability

    def symbols(self, words: Sequence[Word], rng: random.Random | None = None) -> list[str]:
        def write(word: Word) -> Iterable[str]:
            as_phonemes = rng is None or rng.random() < self.phoneme_probability or _is_forced(word)
            return _phonemes(word) if as_phonemes and word.phonemes else _characters(word)

        return _write(words, write, rng)


def _write(words: Sequence[Word], write: Callable[[Word], Iterable[str]], rng: random.Random | None) -> list[str]:
    """Join words by spaces or pauses; punctuation follows a word directly.

    In training, half of the pauses become spaces, so that the model also learns to pause where no pause is marked.
    """
    symbols: list[str] = []
    separator = SPACE
    for word in words:
        if word.text in PUNCTUATION:
            symbols.append(word.text)
        elif word.text in PAUSES:
            if rng is None or rng.random() < 0.5:
                separator = PAUSES[word.text]
        else:
            if symbols:
                symbols.append(separator)
            separator = SPACE
            symbols.extend(write(word))
    return symbols if separator == SPACE else [*symbols, separator]


def _characters(word: Word) -> Iterable[str]:
    if _is_forced(word):
        raise ValueError(f"{word.text} gives phonemes, and this model reads letters only: write the word")
    return word.text


def _is_forced(word: Word) -> bool:
    """Whether the user wrote the word as phonemes in braces, so that it has no letters."""
    return word.text.startswith("{")


def _phonemes(word: Word) -> Iterable[str]:
    if not word.phonemes:
        raise ValueError(f"no phonemes are known for the word '{word.text}': use the frontend Mixed or Characters")
    return map(phoneme_symbol, word.phonemes)
