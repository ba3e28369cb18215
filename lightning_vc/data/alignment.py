"""Where in a recording each word of its text is, and where it may be cut.

PocketSphinx 5 aligns; its English model comes in its wheel (BSD licence).
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from itertools import pairwise

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


def align(wave: Tensor, words: Sequence[Word]) -> list[Span] | None:
    """Where each word with phonemes is in (W,) samples of English at 16 kHz; None where text and sound do not agree.

    What it finds does not depend on what was aligned before: shards must be the same whoever makes them.
    """
    decoder = _decoder()
    names = [_name(decoder, word) for word in words if word.phonemes]
    decoder.reinit_feat()  # it would go on with the noise and the mean of the recording before
    decoder.set_align_text(" ".join(names))
    decoder.start_utt()
    # Where there is no sound at all, as between generated sentences, it finds nothing: so it always hears a hiss.
    hiss = _HISS * torch.randn(len(wave), generator=torch.Generator().manual_seed(0))
    decoder.process_raw(((wave + hiss).clamp(-1, 1) * 32767).short().numpy().tobytes(), full_utt=True)
    decoder.end_utt()
    if not names or decoder.hyp() is None:
        return None
    found = [each for each in decoder.seg() if not each.word.startswith("<")]  # <s>, <sil>, </s>
    if [each.word.partition("(")[0] for each in found] != names:  # the decoder writes for(2) for a variant
        return None
    return [(each.start_frame / _FRAMES, (each.end_frame + 1) / _FRAMES) for each in found]


@cache
def _decoder() -> Decoder:
    """The decoder of this process: it takes a moment to load."""
    return Decoder(lm=None, cmn="batch", loglevel="FATAL")


def _name(decoder: Decoder, word: Word) -> str:
    """What the decoder calls a word. It learns one that it does not know under the name of its pronunciation."""
    if decoder.lookup_word(word.text):
        return word.text
    phones = [ARPABET[phoneme.lstrip("ˈˌ")] for phoneme in word.phonemes]
    name = "-".join(["new", *phones])
    if decoder.lookup_word(name) is None:
        decoder.add_word(name, " ".join(phones), True)
    return name


def split(words: Sequence[Word], spans: Sequence[Span], seconds: float, longest: float) -> Iterator[Piece]:
    """Cut a recording of so many `seconds` at pauses into pieces of at most `longest` seconds, as long as they can be.

    A stretch without a pause stays whole, however long. Pauses inside a piece that the text has no mark for, and the
    end of a piece in the middle of a sentence, get a comma; how long one pauses stands behind it, as {/} or {%}.
    """
    places = [number for number, word in enumerate(words) if word.phonemes]
    marked = [words[start:end] for start, end in pairwise([*places, len(words)])]  # each word and the marks behind it
    pauses = [start - end for (_, end), (start, _) in pairwise(spans)]  # seconds behind each word but the last
    first, count = 0, len(places)
    while first < count:
        start = max(0.0, spans[first][0] - _MARGIN)
        ends = [i for i in range(first, count) if i + 1 == count or pauses[i] >= _PAUSE]
        fitting = [i for i in ends if min(seconds, spans[i][1] + _MARGIN) - start <= longest]
        last = max(fitting, default=ends[0])
        inside = [word for i in range(first, last) for word in _with_pause(marked[i], pauses[i])]
        inside += marked[last]
        if len(marked[last]) == 1 and last + 1 < count:
            inside.append(Word(","))
        places_inside = tuple((begin - start, end - start) for begin, end in spans[first : last + 1])
        yield Piece(start, min(seconds, spans[last][1] + _MARGIN), tuple(inside), places_inside)
        first = last + 1


def _with_pause(word: Sequence[Word], pause: float) -> Iterator[Word]:
    """A word, the marks behind it or a comma if it has none and one pauses there, and for how long."""
    yield from word
    if pause >= _PAUSE:
        if len(word) == 1:
            yield Word(",")
        yield Word(f"{{{LONG_PAUSE if pause >= _LONG_PAUSE else SHORT_PAUSE}}}")


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
