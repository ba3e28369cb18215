"""A text of any length to stretches that a model can say at once: sentences, and parts of the long ones."""

from bisect import bisect
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate

from lightning_vc.text.normalize import read_sentences, written
from lightning_vc.text.pronunciation import is_spoken
from lightning_vc.text.symbols import LONG_PAUSE, SHORT_PAUSE
from lightning_vc.text.tables import word_lists
from lightning_vc.types import Word

_SENTENCE = 0.3  # seconds behind a sentence
# Seconds behind a part of one that ends so.
_PAUSE = {**dict.fromkeys((*".?!", f"{{{LONG_PAUSE}}}"), 0.3), **dict.fromkeys((*",;:-", f"{{{SHORT_PAUSE}}}"), 0.15)}
# Words that begin a phrase, and words that begin a part of one.
_CONJUNCTIONS, _LINKS = (frozenset(word_lists()[name]) for name in ("conjunctions", "links"))


@dataclass(frozen=True)
class Segment:
    """Words that are synthesised at once."""

    words: tuple[Word, ...]
    pause: float  # seconds of silence behind them

    @property
    def text(self) -> str:
        """The words as a text."""
        return written(self.words)


def segments(text: str, longest: int, size: Callable[[Word], int]) -> Iterator[Segment]:
    """Cut a text at the ends of sentences, and sentences of more than `longest` symbols at clauses or else at words.

    `size` is the number of symbols of a word and its separator. Sentences are normalised when they are asked for, and
    those without a word are left out. Raises what `normalize` raises.
    """
    before, pause = tuple[Word, ...](), 0.0
    for sentence in read_sentences(text):
        for words in cut(sentence, longest, size):
            if before:
                yield Segment(before, pause)
            before, pause = words, _PAUSE.get(words[-1].text, 0.0)
        pause = _SENTENCE
    yield Segment(before, 0.0)


def cut(words: Sequence[Word], longest: int, size: Callable[[Word], int]) -> Iterator[tuple[Word, ...]]:
    """Cut a sentence, and words that are too long, into about equal parts of at most `longest` symbols.

    Parts end at clauses, else before words that begin a phrase, and not behind those that do.
    """
    words = [piece for word in words for piece in _pieces(word, longest, size)]
    held = [0, *accumulate(map(size, words))]  # by the words before each place
    ends = [i for i in range(1, len(words) + 1) if i == len(words) or is_spoken(words[i])]
    start = 0
    while any(is_spoken(word) for word in words[start:]):
        rest = held[-1] - held[start]
        if rest <= longest or ends[-1:] == ends[bisect(ends, start) :]:
            yield tuple(words[start:])
            return
        wanted = rest / -(-rest // longest)
        first = bisect(ends, start)
        # One symbol is left for the comma.
        fitting = ends[first : max(first + 1, bisect(ends, held[start] + longest - 1, key=held.__getitem__))]

        def cost(end: int) -> float:
            return abs(held[end] - held[start] - wanted) / longest + _harm(words[end - 1], words[end])  # noqa: B023

        end = min(fitting, key=cost)
        part = tuple(words[start:end])
        yield part if not is_spoken(part[-1]) else (*part, Word(","))  # it goes on, and so should the voice
        start = end


def _pieces(word: Word, longest: int, size: Callable[[Word], int]) -> list[Word]:
    """A word, or parts of one that is too long to be one."""
    count = -(-size(word) // max(2, longest - 2))
    if size(word) < longest or not is_spoken(word):
        return [word]

    def piece(i: int) -> Word:
        text = word.text[len(word.text) * i // count : len(word.text) * (i + 1) // count]
        phonemes = word.phonemes[len(word.phonemes) * i // count : len(word.phonemes) * (i + 1) // count]
        return Word(f"{{{' '.join(phonemes)}}}" if word.text.startswith("{") else text, phonemes)

    return [piece(i) for i in range(count)]


def _harm(last: Word, following: Word) -> float:
    """The cost of a pause between two words, in deviations from the wanted length per longest length."""
    if not is_spoken(last):
        return 0.0
    if last.text in _CONJUNCTIONS or last.text in _LINKS:
        return 0.8
    return 0.2 if following.text in _CONJUNCTIONS else 0.3 if following.text in _LINKS else 0.5
