"""Spectrograms back to waveforms."""

from abc import ABC, abstractmethod

import torch
from torch import Tensor, nn

from lightning_vc.audio.backend import torchaudio
from lightning_vc.audio.features import Spectrograms, magnitude
from lightning_vc.audio.io import level
from lightning_vc.types import Spectra


class Vocoder(nn.Module, ABC):
    """What the acoustic model predicts in, sound out."""

    @abstractmethod
    def forward(self, spectra: Spectra) -> Tensor:
        """(B, T, M) and (B, T, F) -> (B, W) with W = (T - 1) * hop."""


class GriffinLim(Vocoder):
    """Phases by Griffin and Lim's iteration with momentum, from the linear spectrogram.

    `power` sharpens the magnitudes before the iteration (1.4 in Deep Voice 3): harmonics stand out, noise sinks.
    """

    def __init__(self, spectrograms: Spectrograms, rounds: int = 30, power: float = 1.4) -> None:
        super().__init__()
        if rounds < 1 or power <= 0:
            raise ValueError(f"Griffin-Lim needs rounds >= 1 and power > 0, got rounds={rounds}, power={power}")
        self.spectrograms, self.power = spectrograms, power
        self.iterate = torchaudio.transforms.GriffinLim(
            spectrograms.n_fft, rounds, spectrograms.window, spectrograms.hop, power=1, momentum=0.99, rand_init=False
        )

    def forward(self, spectra: Spectra) -> Tensor:
        sharp = magnitude(spectra.linear.mT.clamp(0, 1.2)) ** self.power  # (B, F, T)
        waves = self.iterate(self.spectrograms.undo(sharp))
        # Sharpening changes the level: every sound leaves as loud as the recordings that models are trained on.
        return torch.stack([level(wave) for wave in waves])  # (B, W)
