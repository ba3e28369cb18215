"""Splitting of a text of any length into segments that a model can synthesise: sentences or parts of them."""

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lightning_vc.text.normalize import read_sentences, written
from lightning_vc.text.pronunciation import is_spoken
from lightning_vc.text.symbols import LONG_PAUSE, SHORT_PAUSE
from lightning_vc.text.tables import word_lists
from lightning_vc.types import Word

_SENTENCE = 0.3  # seconds of silence after a sentence
# Seconds of silence after a part of a sentence, by its last symbol.
_PAUSE = {**dict.fromkeys((*".?!", f"{{{LONG_PAUSE}}}"), 0.3), **dict.fromkeys((*",;:-", f"{{{SHORT_PAUSE}}}"), 0.15)}
# Words that begin a phrase, and words that link parts of a phrase.
_CONJUNCTIONS, _LINKS = (frozenset(word_lists()[name]) for name in ("conjunctions", "links"))


@dataclass(frozen=True)
class Segment:
    """Words that are synthesised together."""

    words: tuple[Word, ...]
    pause: float  # seconds of silence after them

    @property
    def text(self) -> str:
        """The words as a text."""
        return written(self.words)


def segments(text: str, longest: int, size: Callable[[Word], int]) -> Iterator[Segment]:
    """Split a text at sentence ends, and sentences of more than `longest` symbols at clauses or else at words.

    `size` returns the number of symbols of a word and its separator. Sentences are normalised lazily; sentences without
    words are skipped. Raises whatever `normalize` raises.
    """
    previous, pause = tuple[Word, ...](), 0.0
    for sentence in read_sentences(text):
        for words in cut(sentence, longest, size):
            if previous:
                yield Segment(previous, pause)
            previous, pause = words, _PAUSE.get(words[-1].text, 0.0)
        pause = _SENTENCE
    yield Segment(previous, 0.0)


def cut(words: Sequence[Word], longest: int, size: Callable[[Word], int]) -> Iterator[tuple[Word, ...]]:
    """Split a sentence, and words that are too long, into about equal parts of at most `longest` symbols.

    Parts preferably end at clauses, then before words that begin a phrase, and rarely right after such a word.
    """
    words = [piece for word in words for piece in _pieces(word, longest, size)]
    sums = [0, *accumulate(map(size, words))]  # cumulative numbers of symbols
    ends = [i for i in range(1, len(words) + 1) if i == len(words) or is_spoken(words[i])]
    start = 0
    while any(is_spoken(word) for word in words[start:]):
        rest = sums[-1] - sums[start]
        if rest <= longest or ends[-1:] == ends[bisect(ends, start) :]:
            yield tuple(words[start:])
            return
        target_size = rest / -(-rest // longest)
        first = bisect(ends, start)
        # One symbol is reserved for the comma.
        fitting = ends[first : max(first + 1, bisect(ends, sums[start] + longest - 1, key=sums.__getitem__))]

        def cost(end: int) -> float:
            return abs(sums[end] - sums[start] - target_size) / longest + _penalty(words[end - 1], words[end])  # noqa: B023

        end = min(fitting, key=cost)
        part = tuple(words[start:end])
        yield part if not is_spoken(part[-1]) else (*part, Word(","))  # for a continuation rise
        start = end


def _pieces(word: Word, longest: int, size: Callable[[Word], int]) -> list[Word]:
    """Split a word that is too long."""
    count = -(-size(word) // max(2, longest - 2))
    if size(word) < longest or not is_spoken(word):
        return [word]

    def piece(i: int) -> Word:
        text = word.text[len(word.text) * i // count : len(word.text) * (i + 1) // count]
        phonemes = word.phonemes[len(word.phonemes) * i // count : len(word.phonemes) * (i + 1) // count]
        return Word(f"{{{' '.join(phonemes)}}}" if word.text.startswith("{") else text, phonemes)

    return [piece(i) for i in range(count)]


def _penalty(last: Word, following: Word) -> float:
    """Return the cost of a pause between two words, in units of length deviation / `longest`."""
    if not is_spoken(last):
        return 0.0
    if last.text in _CONJUNCTIONS or last.text in _LINKS:
        return 0.8
    return 0.2 if following.text in _CONJUNCTIONS else 0.3 if following.text in _LINKS else 0.5
