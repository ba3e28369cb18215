"""Synthesised speech, as returned by `Cloner.say`."""

from base64 import b64encode
from dataclasses import dataclass
from html import escape
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from torch import Tensor

from lightning_vc.audio import io
from lightning_vc.console import short
from lightning_vc.types import Spectra


@dataclass(frozen=True)
class Speech:
    """A synthesised text, as returned by `Cloner.say`; its segments are concatenated. All tensors are on the CPU.

    In a notebook it is shown as an audio player.
    """

    wave: Tensor  # (W,) in [-1, 1]
    sample_rate: int
    text: str
    spectra: Spectra  # (1, T, M), (1, T, F)
    alignments: tuple[Tensor, ...]  # (A, S, L) for each segment: attention of decoder steps to symbols
    symbols: tuple[str, ...]  # of all segments
    finished: bool  # False where decoding was cut off
    problems: tuple[str, ...] = ()  # suspected errors, each with its sentence

    @property
    def duration(self) -> float:
        """Length in seconds."""
        return len(self.wave) / self.sample_rate

    @property
    def samples(self) -> NDArray[np.float32]:
        """The wave as a NumPy array (W,) of float32 in [-1, 1]."""
        samples: NDArray[np.float32] = self.wave.numpy()
        return samples

    def save(self, path: str | Path) -> None:
        """Write a sound file in the format of the suffix: .wav, .flac, .ogg, .opus or .mp3.

        Raises ValueError for another suffix, and OSError if the file cannot be written.
        """
        io.write(path, self.wave, self.sample_rate)

    def __repr__(self) -> str:
        return f"<Speech of {self.duration:.2f} s at {self.sample_rate} Hz, text {short(self.text)}>"

    def _repr_html_(self) -> str:
        """An audio player that holds the sound."""
        sound = b64encode(io.encode(self.wave, self.sample_rate, ".wav")).decode()
        return f'<audio controls title="{escape(self.text)}" src="data:audio/wav;base64,{sound}"></audio>'
