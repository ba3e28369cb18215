"""Forced alignment of words, and segmentation of recordings at pauses.

PocketSphinx 5 aligns; its English model is part of its wheel (BSD licence).
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

SAMPLE_RATE = 16000  # of the aligner's acoustic model, in hertz
_FRAMES = 100  # of the aligner's acoustic model, per second
_PAUSE, _LONG_PAUSE = 0.2, 0.4  # seconds of silence between words from which it is a pause, or a long pause
_LOUDNESS_FRAME = 0.05  # seconds over which loudness is averaged
_NOISE = 3e-4  # of full scale: -70 dB
_MARGIN = 0.1  # seconds of silence to keep around the speech


@dataclass(frozen=True)
class Piece:
    """A part of a recording and the words in it."""

    start: float  # seconds
    end: float
    words: tuple[Word, ...]
    spans: tuple[Span, ...] | None = None  # of each word with phonemes, from the start of the piece


def align(wave: Tensor, words: Sequence[Word]) -> list[Span] | None:
    """Align English words with (W,) samples at 16 kHz: a span of each word with phonemes; None if alignment fails.

    The result does not depend on earlier calls, so that shards are reproducible with any number of workers.
    """
    decoder = _decoder()
    names = [_name(decoder, word) for word in words if word.phonemes]
    decoder.reinit_feat()  # forget noise level and cepstral mean of the previous recording
    decoder.set_align_text(" ".join(names))
    decoder.start_utt()
    # Weak noise is added, because alignment fails in digital silence, such as the pauses of generated speech.
    noise = _NOISE * torch.randn(len(wave), generator=torch.Generator().manual_seed(0))
    decoder.process_raw(((wave + noise).clamp(-1, 1) * 32767).short().numpy().tobytes(), full_utt=True)
    decoder.end_utt()
    if not names or decoder.hyp() is None:
        return None
    segments = [segment for segment in decoder.seg() if not segment.word.startswith("<")]  # <s>, <sil>, </s>
    if [segment.word.partition("(")[0] for segment in segments] != names:  # a variant is written as for(2)
        return None
    return [(segment.start_frame / _FRAMES, (segment.end_frame + 1) / _FRAMES) for segment in segments]


@cache
def _decoder() -> Decoder:
    """The decoder of this process, cached because loading is slow."""
    return Decoder(lm=None, cmn="batch", loglevel="FATAL")


def _name(decoder: Decoder, word: Word) -> str:
    """Dictionary entry of a word; a word that the dictionary lacks is added under its pronunciation."""
    if decoder.lookup_word(word.text):
        return word.text
    phones = [ARPABET[phoneme.lstrip("ˈˌ")] for phoneme in word.phonemes]
    name = "-".join(["new", *phones])
    if decoder.lookup_word(name) is None:
        decoder.add_word(name, " ".join(phones), True)
    return name


def split(words: Sequence[Word], spans: Sequence[Span], seconds: float, longest: float) -> Iterator[Piece]:
    """Cut a recording of length `seconds` at pauses into as long pieces as possible, at most `longest` seconds each.

    Speech without a pause is not cut, however long. A pause without punctuation, and the end of a piece in the middle
    of a sentence, get a comma; a symbol of the pause's length, {/} or {%}, follows the punctuation.
    """
    positions = [number for number, word in enumerate(words) if word.phonemes]
    marked_words = [words[start:end] for start, end in pairwise([*positions, len(words)])]  # with punctuation
    pauses = [start - end for (_, end), (start, _) in pairwise(spans)]  # seconds after each word but the last
    first, count = 0, len(positions)
    while first < count:
        start = max(0.0, spans[first][0] - _MARGIN)
        ends = [i for i in range(first, count) if i + 1 == count or pauses[i] >= _PAUSE]
        fitting_ends = [i for i in ends if min(seconds, spans[i][1] + _MARGIN) - start <= longest]
        last = max(fitting_ends, default=ends[0])
        piece_words = [word for i in range(first, last) for word in _with_pause(marked_words[i], pauses[i])]
        piece_words += marked_words[last]
        if len(marked_words[last]) == 1 and last + 1 < count:
            piece_words.append(Word(","))
        spans_inside = tuple((begin - start, end - start) for begin, end in spans[first : last + 1])
        yield Piece(start, min(seconds, spans[last][1] + _MARGIN), tuple(piece_words), spans_inside)
        first = last + 1


def _with_pause(word: Sequence[Word], pause: float) -> Iterator[Word]:
    """A word with its punctuation; before a pause a comma if there is none, then the symbol of the pause's length."""
    yield from word
    if pause >= _PAUSE:
        if len(word) == 1:
            yield Word(",")
        yield Word(f"{{{LONG_PAUSE if pause >= _LONG_PAUSE else SHORT_PAUSE}}}")


def split_untranscribed(wave: Tensor, sample_rate: int, longest: float) -> Iterator[Piece]:
    """Cut (W,) samples without a transcript into about equal pieces of at most `longest` seconds.

    Each cut is at the quietest moment within the range in which no piece becomes too long.
    """
    seconds = len(wave) / sample_rate
    count = math.ceil(seconds / longest)
    frame = round(_LOUDNESS_FRAME * sample_rate)
    loudness = wave[: len(wave) // frame * frame].view(-1, frame).square().mean(1)  # (W / frame,)
    spare = (longest - seconds / count) / 2  # seconds by which a cut may move to either side
    start = 0.0
    for number in range(1, count):
        end = number * seconds / count
        first = math.ceil((end - spare) / _LOUDNESS_FRAME - 0.5)
        last = math.floor((end + spare) / _LOUDNESS_FRAME - 0.5)
        if first <= last:
            end = (first + int(loudness[first : last + 1].argmin()) + 0.5) * _LOUDNESS_FRAME
        yield Piece(start, end, ())
        start = end
    yield Piece(start, seconds, ())
