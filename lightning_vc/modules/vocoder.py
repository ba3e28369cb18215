"""Networks that make sound of mel spectrograms."""

from abc import ABC, abstractmethod
from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.sharpening import Sharpening
from lightning_vc.audio.vocoder import Vocoder
from lightning_vc.types import Spectra


class MelVocoder(nn.Module, ABC):
    """A network that makes waves of mel spectrograms, and that is trained (`VocoderTask`).

    Attributes:
        hop: samples that come of a frame.
        context: frames on each side that a sample can depend on; needless where `stream` is another.
        sharpening: of the linear spectrogram that it makes, before that becomes sound; None where it makes none.
    """

    hop: int
    context: int
    sharpening: Sharpening | None = None

    @abstractmethod
    def forward(self, mels: Tensor) -> Tensor:
        """(B, T, M) -> (B, W) with W = (T - 1) * hop."""

    def stream(self, mels: Tensor, frames: int) -> Iterator[Tensor]:
        """The same in pieces of so many frames, each made with what it depends on at both ends."""
        end = mels.shape[1] - 1
        for start in range(0, max(1, end), frames):
            first, stop = max(0, start - self.context), min(start + frames, end)
            waves = self(mels[:, first : stop + self.context + 1])
            yield waves[:, (start - first) * self.hop :][:, : (stop - start) * self.hop]


class NeuralVocoder(Vocoder):
    """A trained network in the place of Griffin-Lim.

    It hears the mel spectrogram of the linear one that the model predicts, made of more than the decoder's own.

    Args:
        network: of mel spectrograms.
        spectrograms: those that it was trained with, and that the acoustic model predicts.
        frames: that a piece of a stream is made of.
    """

    def __init__(self, network: MelVocoder, spectrograms: Spectrograms, frames: int = 128) -> None:
        super().__init__()
        self.network, self.spectrograms, self.frames = network, spectrograms, frames
        self.sharpening = network.sharpening

    def forward(self, spectra: Spectra) -> Tensor:
        waves: Tensor = self.network(self.spectrograms.mel_of(spectra.linear))
        return waves

    def stream(self, spectra: Spectra) -> Iterator[Tensor]:
        """Pieces that, joined, are what `forward` makes."""
        yield from self.network.stream(self.spectrograms.mel_of(spectra.linear), self.frames)


class ConvNeXt(nn.Module):
    """Layers at the rate of frames, from mel spectrograms to so many numbers of each frame (Siuzdak 2023, Vocos).

    Args:
        n_mels: bands of the spectrogram.
        outputs: numbers of each frame.
        channels: of all layers.
        layers: blocks, with four times the channels inside.
        width: of their filters over time.
    """

    def __init__(self, n_mels: int, outputs: int, channels: int, layers: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(n_mels, channels, width, padding=width // 2)
        self.norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(_ConvNeXtBlock(channels, width, 1 / layers) for _ in range(layers))
        self.last = nn.LayerNorm(channels)
        self.leave = nn.Linear(channels, outputs)

    def forward(self, mels: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, outputs)."""
        x = self.norm(self.enter(centred(mels).mT).mT)  # (B, T, H)
        for block in self.blocks:
            x = block(x)
        said: Tensor = self.leave(self.last(x))
        return said


class _ConvNeXtBlock(nn.Module):
    """A filter over time of each channel, and two layers for each frame, added to what comes in."""

    def __init__(self, channels: int, width: int, scale: float) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, channels, width, padding=width // 2, groups=channels)
        self.layers = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H) -> (B, T, H)."""
        return x + self.scale * self.layers(self.conv(x.mT).mT)


def centred(mels: Tensor) -> Tensor:
    """Decibels as `features.decibels` writes them, which are mostly between 0.2 and 0.8, to about -1 to 1."""
    return 3 * mels - 1.5
