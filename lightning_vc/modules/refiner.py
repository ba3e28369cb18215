"""Refinement of predicted mel spectrograms, the generator of a conditional GAN."""

import torch
from torch import Tensor, nn

from lightning_vc.modules.convnext import ConvNeXtBlock

_SPREAD = 0.06  # initial standard deviation of the noise that becomes detail, about that of the error of predictions


class SpectrogramRefiner(nn.Module):
    """Adds the detail to a predicted mel spectrogram that an acoustic model trained by L1 averages out.

    ConvNeXt blocks at the frame rate transform noise into that detail, conditioned on the predicted spectrograms (after
    the post-filter of Kaneko et al. 2017, which is a conditional GAN too). `RefinerTask` trains it.

    Args:
        n_mels, n_bins: M and F of the spectrograms.
        channels, layers, width: of the ConvNeXt blocks; every other one is dilated by 2.
    """

    def __init__(
        self, n_mels: int = 80, n_bins: int = 513, channels: int = 256, layers: int = 8, width: int = 7
    ) -> None:
        super().__init__()
        self.sizes = n_mels, n_bins
        self.noise = nn.Linear(n_mels, channels)
        self.condition = nn.Conv1d(n_mels + n_bins, channels, 3, padding=1)
        self.blocks = nn.ModuleList(
            ConvNeXtBlock(channels, width, layers**-0.5, dilation=1 + layer % 2) for layer in range(layers)
        )
        self.last = nn.LayerNorm(channels)
        self.leave = nn.Linear(channels, n_mels)
        nn.init.zeros_(self.leave.weight)
        nn.init.zeros_(self.leave.bias)
        self.spread = nn.Parameter(torch.full((n_mels,), _SPREAD))

    def forward(self, mel: Tensor, linear: Tensor, noise: Tensor) -> Tensor:
        """Predictions (B, T, M) and (B, T, F), standard normal noise (B, T, M) -> mel spectrogram (B, T, M)."""
        predicted = 3 * torch.cat([linear, mel], -1) - 1.5  # about -1 to 1
        x = self.noise(noise) + self.condition(predicted.mT).mT  # (B, T, H)
        for block in self.blocks:
            x = block(x)
        return mel + self.spread * (noise + self.leave(self.last(x)).float())
