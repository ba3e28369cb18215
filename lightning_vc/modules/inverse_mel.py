"""The neural vocoder: mel to linear spectrograms by a network, phases by Griffin-Lim."""

from collections.abc import Iterator

import torch
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.post_filter import PostFilter
from lightning_vc.audio.vocoder import NO_FILTER, NeuralVocoder, check_iterations, invert, stream_inverse
from lightning_vc.types import Spectra


class InverseMelVocoder(NeuralVocoder):
    """A residual correction of the least-squares inverse of the mel filter bank, then Griffin-Lim.

    Griffin-Lim from the true linear spectrogram is as good as the recording (docs/results.md), so only magnitudes need
    a network. It predicts the difference between the linear spectrogram and the least-squares inverse, which is
    largest where mel bands are too wide to resolve harmonics. The initial prediction is 0.

    Args:
        spectrograms: the settings of its input and of the linear spectrogram that it predicts.
        channels, layers, width: of the ConvNeXt blocks, whose hidden layers have four times the channels.
        iterations: of Griffin-Lim.
        post_filter, adapted_post_filter: as in `Vocoder`; `adapted_post_filter` is `post_filter` by default.

    Raises:
        ValueError: for fewer than 1 or more than 100 iterations.
    """

    def __init__(
        self,
        spectrograms: Spectrograms,
        channels: int = 256,
        layers: int = 8,
        width: int = 7,
        iterations: int = 16,
        post_filter: PostFilter = NO_FILTER,
        adapted_post_filter: PostFilter | None = None,
    ) -> None:
        super().__init__()
        self.spectrograms, self.iterations = spectrograms, check_iterations(iterations)
        self.post_filter, self.adapted_post_filter = post_filter, adapted_post_filter or post_filter
        self.network = ConvNeXt(spectrograms.n_mels, spectrograms.n_bins, channels, layers, width)
        nn.init.zeros_(self.network.leave.weight)
        nn.init.zeros_(self.network.leave.bias)

    def from_mel(self, mels: Tensor) -> Tensor:
        return invert(NO_FILTER(self.linear(mels), self.spectrograms), self.spectrograms, self.iterations)

    def forward(self, spectra: Spectra, post_filter: PostFilter = NO_FILTER) -> Tensor:
        return invert(self._filtered(spectra, post_filter), self.spectrograms, self.iterations)

    def stream(self, spectra: Spectra, post_filter: PostFilter = NO_FILTER) -> Iterator[Tensor]:
        yield from stream_inverse(self._filtered(spectra, post_filter), self.spectrograms, self.iterations)

    def linear(self, mels: Tensor) -> Tensor:
        """The linear spectrogram, in decibels: (B, T, M) -> (B, T, F)."""
        return (self.spectrograms.linear_of(mels) + self.network(mels).float()).clamp(0, 1.2)

    def _filtered(self, spectra: Spectra, post_filter: PostFilter) -> Tensor:
        """Magnitudes (B, F, T)."""
        return post_filter(self.linear(self.spectrograms.mel_of(spectra.linear)), self.spectrograms)


class ConvNeXt(nn.Module):
    """ConvNeXt blocks at the frame rate, mel spectrograms to `outputs` numbers per frame (Vocos, Siuzdak 2023)."""

    def __init__(self, n_mels: int, outputs: int, channels: int, layers: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(n_mels, channels, width, padding=width // 2)
        self.norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(_ConvNeXtBlock(channels, width, 1 / layers) for _ in range(layers))
        self.last = nn.LayerNorm(channels)
        self.leave = nn.Linear(channels, outputs)

    def forward(self, mels: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, outputs); decibels, mostly between 0.2 and 0.8, are scaled to about -1 to 1."""
        x = self.norm(self.enter((3 * mels - 1.5).mT).mT)  # (B, T, H)
        for block in self.blocks:
            x = block(x)
        outputs: Tensor = self.leave(self.last(x))
        return outputs


class _ConvNeXtBlock(nn.Module):
    """A depthwise convolution over time and a two-layer perceptron for each frame, added to the input."""

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
