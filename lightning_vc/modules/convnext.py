"""ConvNeXt blocks over time, at the frame rate (Vocos, Siuzdak 2023)."""

import torch
from torch import Tensor, nn


class ConvNeXt(nn.Module):
    """Mel spectrograms to `outputs` numbers per frame."""

    def __init__(self, n_mels: int, outputs: int, channels: int, layers: int, width: int) -> None:
        super().__init__()
        self.enter = nn.Conv1d(n_mels, channels, width, padding=width // 2)
        self.norm = nn.LayerNorm(channels)
        self.blocks = nn.ModuleList(ConvNeXtBlock(channels, width, 1 / layers) for _ in range(layers))
        self.last = nn.LayerNorm(channels)
        self.leave = nn.Linear(channels, outputs)

    def forward(self, mels: Tensor) -> Tensor:
        """(B, T, M) -> (B, T, outputs); decibels, mostly between 0.2 and 0.8, are scaled to about -1 to 1."""
        x = self.norm(self.enter((3 * mels - 1.5).mT).mT)  # (B, T, H)
        for block in self.blocks:
            x = block(x)
        outputs: Tensor = self.leave(self.last(x))
        return outputs


class ConvNeXtBlock(nn.Module):
    """A depthwise convolution over time and a two-layer perceptron for each frame, added to the input."""

    def __init__(self, channels: int, width: int, scale: float, dilation: int = 1) -> None:
        super().__init__()
        self.conv = nn.Conv1d(
            channels, channels, width, padding=width // 2 * dilation, dilation=dilation, groups=channels
        )
        self.layers = nn.Sequential(
            nn.LayerNorm(channels), nn.Linear(channels, 4 * channels), nn.GELU(), nn.Linear(4 * channels, channels)
        )
        self.scale = nn.Parameter(torch.full((channels,), scale))

    def forward(self, x: Tensor) -> Tensor:
        """(B, T, H) -> (B, T, H)."""
        return x + self.scale * self.layers(self.conv(x.mT).mT)
