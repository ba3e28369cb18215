"""Recordings to a voice."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn


class SpeakerEncoder(nn.Module, ABC):
    """A few recordings of one speaker in, one voice out."""

    @abstractmethod
    def forward(self, mels: Tensor, mask: Tensor) -> Tensor:
        """(B, N, T, M), (B, N, T) -> (B, E)."""


class ResidualGLU(nn.Module):
    """Convolution over time, gated linear unit, residual: (B, H, T) -> (B, H, T)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, 2 * channels, width)
        self.padding = ((width - 1) // 2, width // 2)  # the paper's width of 12 has no middle

    def forward(self, x: Tensor) -> Tensor:
        return (F.glu(self.conv(F.pad(x, self.padding)), 1) + x) * math.sqrt(0.5)


class ClipAttention(nn.Module):
    """How much each recording counts: self-attention among the recordings, (B, N, H) -> (B, N), summing to one.

    The paper's softsign scores may be negative and sum to nothing, so "normalize" is read as (1 + score) over its sum.
    """

    def __init__(self, channels: int, attention: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Sequential(nn.Linear(channels, attention), nn.ELU()) for _ in range(3))
        self.attend = nn.MultiheadAttention(attention, heads, batch_first=True)
        self.score = nn.Linear(attention, 1)

    def forward(self, x: Tensor) -> Tensor:
        attended, _ = self.attend(self.query(x), self.key(x), self.value(x), need_weights=False)
        score = 1 + F.softsign(self.score(attended).squeeze(-1))  # (B, N) in (0, 2)
        return score / score.sum(-1, keepdim=True)


class ConvAttentionEncoder(SpeakerEncoder):
    """The paper's encoder: spectral, temporal and clip-attention parts (section 3.3 and its figure).

    One model takes any number of recordings of any length.
    """

    def __init__(
        self,
        n_mels: int = 80,
        voice_dim: int = 512,
        channels: int = 128,
        prenet_layers: int = 2,
        conv_layers: int = 2,
        width: int = 12,
        attention: int = 128,
        heads: int = 2,
    ) -> None:
        super().__init__()
        sizes = (n_mels, *[channels] * prenet_layers)
        self.prenet = nn.Sequential(*(nn.Sequential(nn.Linear(i, o), nn.ELU()) for i, o in pairwise(sizes)))
        self.convs = nn.ModuleList(ResidualGLU(channels, width) for _ in range(conv_layers))
        self.weigh = ClipAttention(channels, attention, heads)
        self.embed = nn.Linear(channels, voice_dim)

    def forward(self, mels: Tensor, mask: Tensor) -> Tensor:
        clips, real = mels.flatten(0, 1), mask.flatten(0, 1).unsqueeze(1)  # (B·N, T, M), (B·N, 1, T)
        x = self.prenet(clips).mT * real  # (B·N, H, T)
        for conv in self.convs:
            x = conv(x) * real  # each time, or a clip would hear what pads it
        mean = x.sum(2) / real.sum(2).clamp(min=1)  # (B·N, H)
        pooled = mean.unflatten(0, mels.shape[:2])  # (B, N, H)
        return torch.einsum("bn,bne->be", self.weigh(pooled), self.embed(pooled))
