"""Types that several layers share, and the letters that denote tensor dimensions.

B  examples of a batch          T  spectrogram frames          M  mel bands
N  clips of one speaker         S  decoder steps, T / r        F  bins of the linear spectrogram
L  symbols of a text            W  samples of a waveform       E  speaker embedding
H  hidden channels              A  attention layers            r  frames per decoder step
"""

from dataclasses import dataclass
from pathlib import Path
from typing import Literal, NamedTuple

from torch import Tensor

Initialization = Literal["mean", "encoder"]  # embedding from which an adaptation starts


@dataclass(frozen=True)
class Speaker:
    """A speaker, with what the corpus documents."""

    id: str
    sex: str | None = None  # "F" or "M"
    accent: str | None = None
    age: int | None = None


@dataclass(frozen=True)
class Utterance:
    """One recording of a corpus with its annotations."""

    id: str
    speaker: Speaker
    text: str | None = None  # None where there is no transcript
    audio: Path | None = None  # None where the corpus generates the sound
    recorded: "Utterance | None" = None  # the original of a copy at another speed
    speed: float = 1.0  # also changes the pitch, so a copy is of another speaker


Span = tuple[float, float]  # seconds from the start of a recording


class Word(NamedTuple):
    """A normalised word, a punctuation mark (without phonemes), or phonemes that a user wrote in braces."""

    text: str
    phonemes: tuple[str, ...] = ()


class TTSBatch(NamedTuple):
    """Transcribed utterances of speakers of the speaker table."""

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
    speakers: Tensor  # (B,) rows of the speaker table, or classes of speaker recognition
    ids: list[list[str]]  # B lists of N utterance ids


class JointBatch(NamedTuple):
    """Transcribed utterances, and other clips of the same speakers."""

    utterances: TTSBatch
    clips: CloningBatch

    @property
    def lengths(self) -> Tensor:
        """(B,) samples of the utterances."""
        return self.utterances.lengths


class WaveBatch(NamedTuple):
    """Pieces of recordings of any speakers."""

    waves: Tensor  # (B, W), zero padded
    lengths: Tensor  # (B,) samples
    ids: list[str]  # B utterance ids


class Spectra(NamedTuple):
    """One sound as both spectrograms, on a decibel scale normalised to about [0, 1]."""

    mel: Tensor  # (B, T, M)
    linear: Tensor  # (B, T, F)
