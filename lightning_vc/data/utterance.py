"""Preparing an utterance: read, check, trim, split at pauses, normalise its text, and encode it as samples."""

from dataclasses import dataclass

import torch
from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.audio.conditioning import condition, is_silent
from lightning_vc.console import printable
from lightning_vc.corpora.base import Corpus
from lightning_vc.data.alignment import SAMPLE_RATE, Piece, align, split, split_untranscribed
from lightning_vc.data.index import LONGEST_SECONDS
from lightning_vc.data.samples import Sample
from lightning_vc.text.events import without_events
from lightning_vc.text.normalize import normalize, written
from lightning_vc.types import Utterance, Word

_FULL_SCALE = 0.999
_MOST_LETTERS = 100  # of a text: so many, plus so many per second; speech has 15 per second
_MAX_CLIPPED = 0.01  # largest share of samples at full scale


@dataclass(frozen=True)
class Limits:
    """Which recordings are kept, and how they are cut.

    Args:
        min_seconds: shortest length, after trimming and splitting.
        max_seconds: longest length, at most 10 minutes.
        top_db: ends that are this many decibels below the loudest moment are trimmed.
        split_seconds: words are aligned, and utterances longer than this are cut at pauses between words into shorter
            pieces; utterances without a text are cut at quiet moments. By default, nothing is aligned or cut.
        min_rate: fewest phonemes per second; with fewer, an utterance is rejected, as its text is probably wrong.
        max_rate: most phonemes per second.
    """

    min_seconds: float = 0.5
    max_seconds: float = 20.0
    top_db: float = 40.0
    split_seconds: float | None = None
    min_rate: float = 2.0
    max_rate: float = 30.0

    def __post_init__(self) -> None:
        """Raise ValueError for limits that no utterance can meet."""
        for low, high in (("min_seconds", "max_seconds"), ("min_rate", "max_rate")):
            if not 0 <= getattr(self, low) < getattr(self, high):
                raise ValueError(
                    f"{low} {getattr(self, low)} must be 0 or more, and below {high} {getattr(self, high)}"
                )
        if self.max_seconds > LONGEST_SECONDS:
            raise ValueError(f"max_seconds {self.max_seconds} must be at most {LONGEST_SECONDS:g}")
        if self.split_seconds is not None and self.split_seconds <= self.min_seconds:
            raise ValueError(f"split_seconds {self.split_seconds} must be above min_seconds {self.min_seconds}")

    def check(self, piece: Piece) -> None:
        """Raise Rejected for a piece that is too short or long, or whose words are spoken too slowly or fast."""
        seconds = piece.end - piece.start
        if seconds < self.min_seconds:
            raise Rejected("too short")
        if seconds > self.max_seconds:
            raise Rejected("too long")
        rate = sum(len(word.phonemes) for word in piece.words) / seconds
        if piece.words and not self.min_rate <= rate <= self.max_rate:
            raise Rejected("too slow for its text" if rate < self.min_rate else "too fast for its text")


class Rejected(ValueError):
    """An utterance is rejected; the message is the reason, or `reason: detail`."""


@dataclass(frozen=True)
class Outcome:
    """The result of preparing one utterance."""

    samples: tuple[Sample, ...]
    rejected: tuple[tuple[str, str], ...]  # (id of the utterance or its piece, reason[: detail])
    unaligned: bool = False  # alignment was requested and failed
    events: bool = False  # event marks such as [noise] were removed from its text


def encode(corpus: Corpus, utterance: Utterance, limits: Limits, sample_rate: int) -> Outcome:
    """Prepare an utterance: one sample, or one for each piece."""
    try:
        wave = _read(corpus, utterance, limits, sample_rate)
        text, words = _words(utterance.text, len(wave) / sample_rate)
    except Rejected as reason:
        return Outcome((), ((utterance.id, str(reason)),))
    pieces, aligned = _pieces(wave, words, limits.split_seconds, sample_rate)
    samples, rejected = [], []
    for number, piece in enumerate(pieces):
        id = utterance.id if len(pieces) == 1 else f"{utterance.id}_{number:02d}"
        try:
            limits.check(piece)
        except Rejected as reason:
            rejected.append((id, str(reason)))
            continue
        cut = wave[round(piece.start * sample_rate) : round(piece.end * sample_rate)]
        piece_text = text if piece.spans is None else written(piece.words)
        piece_words = None if words is None else piece.words
        seconds, flac = len(cut) / sample_rate, io.encode(cut, sample_rate, ".flac")
        samples.append(Sample(id, utterance.speaker, piece_text, piece_words, piece.spans, seconds, flac))
    return Outcome(tuple(samples), tuple(rejected), unaligned=not aligned, events=text != utterance.text)


def _read(corpus: Corpus, utterance: Utterance, limits: Limits, sample_rate: int) -> Tensor:
    """Trimmed audio of an utterance, (W,); raises Rejected if it is unreadable, not finite, silent or clipped."""
    try:
        wave = corpus.read(utterance.recorded or utterance, sample_rate)  # (W,)
    except (ValueError, FileNotFoundError, PermissionError) as error:
        raise Rejected(f"unreadable: {printable(error)}") from error
    if wave.dim() != 1 or wave.dtype != torch.float32:
        raise TypeError(
            f"{type(corpus).__name__}.read returned {tuple(wave.shape)} {wave.dtype} for utterance {utterance.id}: "
            "it must return (W,) float32"
        )
    if not wave.isfinite().all():
        raise Rejected("not finite")
    if is_silent(wave):
        raise Rejected("silent")
    if float((wave.abs() >= _FULL_SCALE).float().mean()) > _MAX_CLIPPED:
        raise Rejected("clipped")
    wave = condition(wave, sample_rate, limits.top_db)
    return wave if utterance.speed == 1 else io.resample(wave, round(sample_rate * utterance.speed), sample_rate)


def _words(text: str | None, seconds: float) -> tuple[str | None, tuple[Word, ...] | None]:
    """Text without marks of events, and its words.

    Raises Rejected for a text that cannot be spoken, and for one that is far too long for its recording of so many
    seconds, before time is spent on it.
    """
    if text is None:
        return None, None
    if len(text) > _MOST_LETTERS * (1 + seconds):
        raise Rejected("too fast for its text")
    reason = "words not understood"
    try:
        text = without_events(text)
        reason = "unspeakable text"
        return text, tuple(normalize(text))
    except ValueError as error:
        raise Rejected(reason) from error


def _pieces(
    wave: Tensor, words: tuple[Word, ...] | None, longest: float | None, sample_rate: int
) -> tuple[list[Piece], bool]:
    """Pieces of an utterance, or one piece for the whole; and False if alignment failed."""
    seconds = len(wave) / sample_rate
    if longest is not None and words is None:
        return list(split_untranscribed(wave, sample_rate, longest)), True
    if longest is not None and words and (spans := align(io.resample(wave, sample_rate, SAMPLE_RATE), words)):
        return list(split(words, spans, seconds, longest)), True
    return [Piece(0.0, seconds, words or ())], longest is None
