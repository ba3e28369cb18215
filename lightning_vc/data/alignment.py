"""Where in a recording each word of its text is, and where it may be cut.

PocketSphinx 5 aligns; its English model comes in its wheel (BSD licence).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache

import torch
from pocketsphinx import Decoder
from torch import Tensor

from lightning_vc.text.pronunciation import ARPABET
from lightning_vc.text.symbols import LONG_PAUSE, SHORT_PAUSE
from lightning_vc.types import Span, Word

SAMPLE_RATE = 16000  # of the acoustic model
_FRAMES = 100  # of the acoustic model, a second
_PAUSE, _LONG_PAUSE = 0.2, 0.4  # seconds of silence between words that a listener hears as a pause
_QUIET = 0.05  # seconds over which it is asked how quiet a moment is
_HISS = 3e-4  # of full scale: -70 dB
_MARGIN = 0.1  # seconds of silence to keep around what is said


@dataclass(frozen=True)
class Piece:
    """A stretch of a recording and what is said in it."""

    start: float  # seconds
    end: float
    words: tuple[Word, ...]
    spans: tuple[Span, ...] | None = None  # of each word that is said, from the start of the piece


class Aligner:
    """Forced alignment of English speech with the words that are said in it.

    What it finds does not depend on what it aligned before: shards must be the same whoever makes them.
    """

    def __init__(self) -> None:
        self.decoder = Decoder(lm=None, cmn="batch", loglevel="FATAL")

    def __call__(self, wave: Tensor, words: Sequence[Word]) -> list[Span] | None:
        """Where each word with phonemes is in (W,) samples at 16 kHz; None where text and sound do not go together."""
        names = [self._name(word) for word in words if word.phonemes]
        self.decoder.reinit_feat()  # it would go on with the noise and the mean of the recording before
        self.decoder.set_align_text(" ".join(names))
        self.decoder.start_utt()
        # Where there is no sound at all, as between generated sentences, it finds nothing: so it always hears a hiss.
        hiss = _HISS * torch.randn(len(wave), generator=torch.Generator().manual_seed(0))
        self.decoder.process_raw(((wave + hiss).clamp(-1, 1) * 32767).short().numpy().tobytes(), full_utt=True)
        self.decoder.end_utt()
        if not names or self.decoder.hyp() is None:
            return None
        found = [each for each in self.decoder.seg() if not each.word.startswith("<")]  # <s>, <sil>, </s>
        if [each.word.partition("(")[0] for each in found] != names:  # the decoder writes for(2) for a variant
            return None
        return [(each.start_frame / _FRAMES, (each.end_frame + 1) / _FRAMES) for each in found]

    def _name(self, word: Word) -> str:
        """What the decoder calls a word. It learns one that it does not know under the name of its pronunciation."""
        if self.decoder.lookup_word(word.text):
            return word.text
        phones = [ARPABET[phoneme.lstrip("ˈˌ")] for phoneme in word.phonemes]
        name = "-".join(["new", *phones])
        if self.decoder.lookup_word(name) is None:
            self.decoder.add_word(name, " ".join(phones), True)
        return name


@cache
def aligner() -> Aligner:
    """Return the aligner of this process: it takes a moment to load."""
    return Aligner()


def split(words: Sequence[Word], spans: Sequence[Span], seconds: float, longest: float) -> Iterator[Piece]:
    """Cut a recording of so many `seconds` at pauses into pieces of at most `longest` seconds, as long as they can be.

    A stretch without a pause stays whole, however long. Pauses inside a piece that the text has no mark for, and the
    end of a piece in the middle of a sentence, get a comma; how long one pauses stands behind it, as {/} or {%}.
    """
    said = _said(words, spans)
    first = 0
    while first < len(said):
        start = max(0.0, said[first].span[0] - _MARGIN)
        ends = [i for i in range(first, len(said)) if i + 1 == len(said) or _pause(said, i) >= _PAUSE]
        fitting = [i for i in ends if min(seconds, said[i].span[1] + _MARGIN) - start <= longest]
        last = max(fitting, default=ends[0])
        end = min(seconds, said[last].span[1] + _MARGIN)
        inside = said[first : last + 1]
        places = tuple((each.span[0] - start, each.span[1] - start) for each in inside)
        yield Piece(start, end, tuple(_marked(inside, mid=last + 1 < len(said))), places)
        first = last + 1


def split_untranscribed(wave: Tensor, sample_rate: int, longest: float) -> Iterator[Piece]:
    """Cut (W,) samples of which nobody knows the words into about equal pieces of at most `longest` seconds.

    Each cut is at the quietest moment nearby, within as far as the pieces stay short enough.
    """
    seconds = len(wave) / sample_rate
    count = math.ceil(seconds / longest)
    frame = round(_QUIET * sample_rate)
    loudness = wave[: len(wave) // frame * frame].view(-1, frame).square().mean(1)  # (W / frame,)
    spare = (longest - seconds / count) / 2  # seconds that a cut may be away on either side
    start = 0.0
    for number in range(1, count):
        end = number * seconds / count
        first, last = math.ceil((end - spare) / _QUIET - 0.5), math.floor((end + spare) / _QUIET - 0.5)
        if first <= last:
            end = (first + int(loudness[first : last + 1].argmin()) + 0.5) * _QUIET
        yield Piece(start, end, ())
        start = end
    yield Piece(start, seconds, ())


@dataclass(frozen=True)
class _Said:
    """A spoken word, where it is, and the marks behind it."""

    word: Word
    span: Span
    marks: tuple[Word, ...]


def _said(words: Sequence[Word], spans: Sequence[Span]) -> list[_Said]:
    places = [i for i, word in enumerate(words) if word.phonemes]
    ends = [*places[1:], len(words)]
    return [_Said(words[i], span, tuple(words[i + 1 : end])) for i, end, span in zip(places, ends, spans, strict=True)]


def _pause(said: Sequence[_Said], i: int) -> float:
    """Seconds of silence behind a word that another follows."""
    return said[i + 1].span[0] - said[i].span[1]


def _marked(said: Sequence[_Said], mid: bool) -> Iterator[Word]:
    """The words of a piece with their marks, and where one pauses a comma and for how long."""
    for i, each in enumerate(said):
        yield each.word
        yield from each.marks
        pause = _pause(said, i) if i + 1 < len(said) else 0.0
        if not each.marks and (pause >= _PAUSE or (mid and i + 1 == len(said))):
            yield Word(",")
        if pause >= _PAUSE:
            yield Word(f"{{{LONG_PAUSE if pause >= _LONG_PAUSE else SHORT_PAUSE}}}")
