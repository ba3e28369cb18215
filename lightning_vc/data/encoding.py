"""One utterance of a corpus as samples of a shard: read, check, trim, split, spell, code."""

import hashlib
import json
import zlib
from dataclasses import dataclass
from functools import cache
from urllib.parse import quote

import torch
from torch import Tensor

from lightning_vc.audio.conditioning import condition, is_silent
from lightning_vc.audio.io import encode_flac, resample
from lightning_vc.console import printable
from lightning_vc.corpora.base import Corpus
from lightning_vc.data.alignment import SAMPLE_RATE, Aligner, Piece, split, split_untranscribed
from lightning_vc.data.index import LONGEST_SECONDS
from lightning_vc.text.events import without_events
from lightning_vc.text.normalize import normalize, written
from lightning_vc.types import Utterance, Word

FLAC_HEADER = 1024  # bytes of a flac file, which cover its header and more
_CRC = len(b'{"crc32": "00000000", ')
_FULL_SCALE = 0.999
_MAX_CLIPPED = 0.01  # share of the samples that may be at full scale
_LONGEST_KEY = 100 - len(".flac")  # the name of a file in a plain header of a tar has 100 bytes


@dataclass(frozen=True)
class Limits:
    """Which recordings are kept, and how they are cut.

    Args:
        min_seconds, max_seconds: length, after trimming and splitting; at most 10 minutes.
        top_db: the ends are trimmed where they are so much below the loudest moment.
        split_seconds: words are found in the sound, and utterances longer than this are cut at the pauses between them
            into pieces that are no longer; those without a text are cut where they are quiet. Nothing of this is done
            if it is not given.
        min_rate, max_rate: phonemes a second: what is slower or faster has another text than its own.
    """

    min_seconds: float = 0.5
    max_seconds: float = 20.0
    top_db: float = 40.0
    split_seconds: float | None = None
    min_rate: float = 2.0
    max_rate: float = 30.0

    def __post_init__(self) -> None:
        """Refuse limits that keep nothing."""
        for low, high in (("min_seconds", "max_seconds"), ("min_rate", "max_rate")):
            if not 0 <= getattr(self, low) < getattr(self, high):
                raise ValueError(
                    f"{low} {getattr(self, low)} must be 0 or more, and below {high} {getattr(self, high)}"
                )
        if self.max_seconds > LONGEST_SECONDS:
            raise ValueError(f"max_seconds {self.max_seconds} must be at most {LONGEST_SECONDS:g}")
        if self.split_seconds is not None and self.split_seconds <= self.min_seconds:
            raise ValueError(f"split_seconds {self.split_seconds} must be above min_seconds {self.min_seconds}")


class Rejected(ValueError):
    """An utterance that is left out; its message is the reason, or `reason: detail`."""


@dataclass(frozen=True)
class Encoded:
    """A sample: the members of its tar file, and what the index counts."""

    key: str
    flac: bytes
    json: bytes
    seconds: float
    transcribed: bool


@dataclass(frozen=True)
class Outcome:
    """What became of one utterance."""

    samples: tuple[Encoded, ...]
    rejected: tuple[tuple[str, str], ...]  # (id of the utterance or its piece, reason[: detail])
    unaligned: bool = False  # its words should have been found, and were not
    events: bool = False  # marks of events, such as [noise], were removed from its text


def encode(corpus: Corpus, utterance: Utterance, limits: Limits, sample_rate: int) -> Outcome:
    """Make samples of an utterance: one, or its pieces."""
    try:
        wave = _read(corpus, utterance, limits, sample_rate)
        spoken, words = _words(utterance.text)
    except Rejected as reason:
        return Outcome((), ((utterance.id, str(reason)),))
    seconds = len(wave) / sample_rate
    spans = None
    if words is not None and limits.split_seconds is not None:
        spans = _aligner()(resample(wave, sample_rate, SAMPLE_RATE), words)
    if spans is not None:
        pieces = list(split(words or (), spans, seconds, limits.split_seconds or seconds))
    elif words is None and limits.split_seconds is not None:
        pieces = list(split_untranscribed(wave, sample_rate, limits.split_seconds))
    else:
        pieces = [Piece(0.0, seconds, tuple(words or ()))]
    unaligned = spans is None and words is not None and limits.split_seconds is not None
    samples, rejected = [], []
    for number, piece in enumerate(pieces):
        id = utterance.id if len(pieces) == 1 else f"{utterance.id}_{number:02d}"
        try:
            _check(piece, limits, words is not None)
        except Rejected as reason:
            rejected.append((id, str(reason)))
            continue
        cut = wave[round(piece.start * sample_rate) : round(piece.end * sample_rate)]
        if words is None:
            samples.append(_coded(id, utterance, None, None, cut, sample_rate))
        else:
            text = spoken if spans is None else written(piece.words)
            samples.append(_coded(id, utterance, text, piece, cut, sample_rate))
    return Outcome(tuple(samples), tuple(rejected), unaligned, events=spoken != utterance.text)


def checksum_holds(text: bytes, flac: bytes) -> bool:
    """Whether json and flac of a sample are those that were written, as far as can be told without decoding.

    The json begins with a CRC-32 of the rest of it and of the beginning of the flac, where length, rate and a digest of
    the sound are. Each frame of the flac that follows has a CRC of its own, which every decoder checks.
    """
    return text[:_CRC] == _head(text[_CRC:], flac)


def key_of(id: str) -> str:
    """Name of a sample in a tar file: ASCII, of a length that its header has room for, and without a dot.

    webdataset takes all that follows the first dot for the suffix.
    """
    key = quote(id, safe="").replace(".", "%2E")
    if len(key) <= _LONGEST_KEY:
        return key
    digest = hashlib.sha256(id.encode()).hexdigest()[:16]
    return f"{key[: _LONGEST_KEY - 1 - len(digest)]}-{digest}"


def _read(corpus: Corpus, utterance: Utterance, limits: Limits, sample_rate: int) -> Tensor:
    """Trimmed sound of an utterance, (W,); raises Rejected for what no limit would let pass."""
    try:
        wave = corpus.read(utterance.recorded or utterance, sample_rate)  # (W,)
    except (ValueError, FileNotFoundError, PermissionError) as error:
        raise Rejected(f"unreadable: {printable(error)}") from error
    if wave.dim() != 1 or wave.dtype != torch.float32:
        raise TypeError(
            f"{type(corpus).__name__}.read gave {tuple(wave.shape)} {wave.dtype} for utterance {utterance.id}: "
            "it must give (W,) float32"
        )
    if not wave.isfinite().all():
        raise Rejected("not finite")
    if is_silent(wave):
        raise Rejected("silent")
    if float((wave.abs() >= _FULL_SCALE).float().mean()) > _MAX_CLIPPED:
        raise Rejected("clipped")
    wave = condition(wave, sample_rate, limits.top_db)
    if utterance.speed != 1:
        wave = resample(wave, round(sample_rate * utterance.speed), sample_rate)
    return wave


def _words(text: str | None) -> tuple[str | None, list[Word] | None]:
    """Text without marks of events, and its words; raises Rejected for a text that cannot be spoken."""
    if text is None:
        return None, None
    try:
        text = without_events(text)
    except ValueError as error:
        raise Rejected("words not understood") from error
    try:
        return text, normalize(text)
    except ValueError as error:
        raise Rejected("unspeakable text") from error


def _check(piece: Piece, limits: Limits, transcribed: bool) -> None:
    seconds = piece.end - piece.start
    if seconds < limits.min_seconds:
        raise Rejected("too short")
    if seconds > limits.max_seconds:
        raise Rejected("too long")
    rate = sum(len(word.phonemes) for word in piece.words) / seconds
    if transcribed and not limits.min_rate <= rate <= limits.max_rate:
        raise Rejected("too slow for its text" if rate < limits.min_rate else "too fast for its text")


def _coded(
    id: str, utterance: Utterance, text: str | None, said: Piece | None, wave: Tensor, sample_rate: int
) -> Encoded:
    who, seconds = utterance.speaker, len(wave) / sample_rate
    flac = encode_flac(wave, sample_rate)
    known = {
        "id": id,
        "speaker": who.id,
        "sex": who.sex,
        "accent": who.accent,
        "age": who.age,
        "text": text,
        "words": said and [[word.text, " ".join(word.phonemes)] for word in said.words],
        "spans": said and said.spans and [[round(start, 2), round(end, 2)] for start, end in said.spans],
        "seconds": seconds,
    }
    body = json.dumps(known, ensure_ascii=False).encode()[1:]
    return Encoded(key_of(id), flac, _head(body, flac) + body, seconds, said is not None)


def _head(body: bytes, flac: bytes) -> bytes:
    return b'{"crc32": "%08x", ' % zlib.crc32(flac[:FLAC_HEADER], zlib.crc32(body))


@cache
def _aligner() -> Aligner:
    """One for each process: it takes a moment to load."""
    return Aligner()
