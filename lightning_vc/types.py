"""What the layers hand to each other, and the letters in which every shape is written.

B  examples of a batch          T  spectrogram frames          M  mel bands
N  clips of one speaker         S  decoder steps, T / r        F  bins of the linear spectrogram
L  symbols of a text            W  samples of a waveform       E  speaker embedding
H  hidden channels              A  attention layers            r  frames per decoder step
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor

Initialization = Literal["mean", "nearest", "encoder"]  # embedding from which an adaptation starts


@dataclass(frozen=True)
class Speaker:
    """Who speaks, as far as the corpus says."""

    id: str
    sex: str | None = None  # "F" or "M"
    accent: str | None = None
    age: int | None = None


@dataclass(frozen=True)
class Utterance:
    """One recording of a corpus and what is known of it."""

    id: str
    speaker: Speaker
    text: str | None = None  # None where nobody transcribed it
    audio: Path | None = None  # None where the corpus makes the sound itself
    recorded: "Utterance | None" = None  # where this is another one, heard at another speed
    speed: float = 1.0  # pitch goes with it, so it is another voice


Span = tuple[float, float]  # seconds from the start of a recording


class Word(NamedTuple):
    """A normalised word, a punctuation mark (which has no phonemes), or what a user wrote in braces."""

    text: str
    phonemes: tuple[str, ...] = ()


class TTSBatch(NamedTuple):
    """Transcribed utterances of known speakers."""

    text: Tensor  # (B, L) symbol numbers, 0 where padded
    waves: Tensor  # (B, W), zero padded
    lengths: Tensor  # (B,) samples
    times: Tensor  # (B, L) seconds from the start to the middle of each symbol, NaN in padding and where unknown
    speakers: Tensor  # (B,) rows of the speaker table
    ids: list[str]  # B utterance ids


class CloningBatch(NamedTuple):
    """N clips from each of B speakers."""

    waves: Tensor  # (B, N, W), zero padded
    lengths: Tensor  # (B, N) samples
    speakers: Tensor  # (B,) rows of the speaker table, for recognition those of the classes
    ids: list[list[str]]  # B lists of N utterance ids


class JointBatch(NamedTuple):
    """Transcribed utterances, and other clips of whoever says each of them."""

    utterances: TTSBatch
    clips: CloningBatch

    @property
    def lengths(self) -> Tensor:
        """(B,) samples of the utterances."""
        return self.utterances.lengths


class WaveBatch(NamedTuple):
    """Pieces of recordings, whoever speaks."""

    waves: Tensor  # (B, W), zero padded
    lengths: Tensor  # (B,) samples
    ids: list[str]  # B utterance ids


class Spectra(NamedTuple):
    """One sound as both spectrograms, on a decibel scale normalised to about [0, 1]."""

    mel: Tensor  # (B, T, M)
    linear: Tensor  # (B, T, F)


@dataclass(frozen=True)
class Speech:
    """A synthesised text: what `Cloner.say` returns. Of several sentences each follows the one before."""

    wave: Tensor  # (W,) in [-1, 1]
    sample_rate: int
    text: str
    spectra: Spectra  # (1, T, M), (1, T, F)
    alignments: tuple[Tensor, ...]  # of each stretch, (A, S, L): attention of each decoder step over its symbols
    symbols: tuple[str, ...]  # that were read, of all stretches
    finished: bool  # False where the decoder had to be cut off
    problems: tuple[str, ...] = ()  # what seems to have gone wrong, and in which sentence
