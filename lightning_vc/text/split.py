"""A text of any length to stretches that a model can say at once: sentences, and parts of the long ones."""

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from lightning_vc.text.normalize import normalize, read, written
from lightning_vc.text.pronunciation import PAUSES
from lightning_vc.text.spell_out import ABBREVIATIONS
from lightning_vc.text.symbols import LONG_PAUSE, PUNCTUATION, SHORT_PAUSE
from lightning_vc.types import Word

LONGEST = 150  # symbols, about ten seconds: models learn from utterances that are no longer

_END = re.compile(r"(?<=[.?!…])[\"'”’)\]]*\s+(?=[\"'“‘(\[{]*[A-Z0-9])|\s*\n\s*\n\s*")
_NO_END = re.compile(r"(?:^|\s|[(\"'])(?:[A-Za-z]\.)+$")  # J. Smith, the U.S. Army
# Seconds behind a stretch that ends so.
_PAUSE = {**dict.fromkeys((*".?!", f"{{{LONG_PAUSE}}}"), 0.3), **dict.fromkeys((*",;:-", f"{{{SHORT_PAUSE}}}"), 0.15)}


@dataclass(frozen=True)
class Stretch:
    """Words that are said at once.

    Attributes:
        pause: seconds of silence before what follows; none at the end of the text.
    """

    words: tuple[Word, ...]
    pause: float

    @property
    def text(self) -> str:
        """The words as one writes them."""
        return written(self.words)


def stretches(text: str, longest: int = LONGEST) -> Iterator[Stretch]:
    """Cut a text at the ends of sentences, and sentences of more than so many symbols at clauses or else at words.

    Sentences without a word are left out. Nothing is read before it is asked for. Raises what `normalize` raises.
    """
    before: tuple[Word, ...] = ()
    for sentence in sentences(text):
        for words in cut(read(sentence), longest):
            if before:
                yield Stretch(before, _PAUSE.get(before[-1].text, 0.0))
            before = words
    if not before:
        normalize(text)  # says why
    yield Stretch(before, 0.0)


def sentences(text: str) -> Iterator[str]:
    """Cut a text behind full stops, question and exclamation marks, and at blank lines; not behind abbreviations."""
    start = 0
    for end in _END.finditer(text):
        said = text[start : end.start()]
        last = said.split()[-1].strip("\"'“‘([") if said.split() else ""
        if end[0].count("\n") < 2 and (_NO_END.search(said) or last.removesuffix(".") in ABBREVIATIONS):
            continue
        if said.strip():
            yield text[start : end.end()].strip()
        start = end.end()
    if text[start:].strip():
        yield text[start:].strip()


def cut(words: Sequence[Word], longest: int) -> Iterator[tuple[Word, ...]]:
    """Cut a sentence into about equal parts of at most `longest` symbols; a longer word stays whole."""
    while words and any(_is_spoken(word) for word in words):
        ends, size = [], 0  # where a part may end, and its size then
        for i, word in enumerate(words):
            size += _size(word)
            if i + 1 == len(words) or _is_spoken(words[i + 1]):
                ends.append((i + 1, size))
        if size <= longest:
            yield tuple(words)
            return
        wanted = size / -(-size // longest)
        fitting = [end for end in ends if end[1] <= longest] or ends[:1]
        # Any clause that is no scrap comes before a mere word.
        clauses = [(i, held) for i, held in fitting if not _is_spoken(words[i - 1]) and held > longest / 4]
        distances = {abs(held - wanted): i for i, held in clauses or fitting}
        count = distances[min(distances)]
        part = tuple(words[:count])
        yield part if not _is_spoken(part[-1]) else (*part, Word(","))  # it goes on, and so should the voice
        words = words[count:]


def _is_spoken(word: Word) -> bool:
    return word.text not in PUNCTUATION and word.text not in PAUSES


def _size(word: Word) -> int:
    return max(len(word.phonemes), len(word.text)) + 1
