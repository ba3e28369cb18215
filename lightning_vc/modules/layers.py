"""The two layers of Deep Voice 3: a weight-normed projection and a gated convolution block."""

import math
from copy import deepcopy
from typing import TypeVar

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils import parametrize
from torch.nn.utils.parametrizations import weight_norm

M = TypeVar("M", bound=nn.Module)

HALF = math.sqrt(0.5)  # keeps the variance where two signals are added
_FEW = 10_000  # numbers


def projection(inputs: int, outputs: int) -> nn.Linear:
    """A weight-normed linear layer, (..., inputs) -> (..., outputs), initialised to keep the variance."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(1 / inputs))
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)


class SpeakerBias(nn.Module):
    """Bias of `channels` features from a speaker embedding: softsign of a projection, (B, E) -> (B, channels)."""

    def __init__(self, speaker_dim: int, channels: int) -> None:
        super().__init__()
        self.project = projection(speaker_dim, channels)

    def forward(self, speaker: Tensor) -> Tensor:
        return F.softsign(self.project(speaker))


class SparseDropout(nn.Dropout):
    """Dropout that draws the positions to drop, with replacement, instead of one decision for each number.

    Each number is dropped with probability p. With nn.Dropout, forward and backward of a `ConvBlock` take 1.2 times as
    long on a CPU. On a GPU, and for tensors below 10,000 numbers, this layer is nn.Dropout.
    """

    def forward(self, x: Tensor) -> Tensor:
        """Any shape."""
        if not self.training or self.p in (0, 1) or x.is_cuda or x.numel() < _FEW:
            return super().forward(x)
        mask = x.new_full(x.shape, 1 / (1 - self.p))
        drawn = round(-math.log1p(-self.p) * mask.numel())
        mask.view(-1)[torch.randint(mask.numel(), (drawn,), device=x.device)] = 0
        return x * mask


class ConvBlock(nn.Module):
    """Dropout, convolution over time, gated linear unit with speaker bias, residual (Deep Voice 3, section 3.3)."""

    def __init__(
        self, channels: int, width: int, speaker_dim: int, dropout: float = 0.05, causal: bool = False
    ) -> None:
        super().__init__()
        if width % 2 == 0 and not causal:
            raise ValueError(f"a convolution that keeps the length needs an odd width, got {width}")
        self.dropout = SparseDropout(dropout)
        conv = nn.Conv1d(channels, 2 * channels, width)
        nn.init.normal_(conv.weight, std=math.sqrt(4 * (1 - dropout) / (width * channels)))
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.conv = weight_norm(conv)
        self.speaker = SpeakerBias(speaker_dim, channels)
        self.padding = (width - 1, 0) if causal else (width // 2, width // 2)

    def forward(self, x: Tensor, speaker: Tensor, past: Tensor | None = None) -> Tensor:
        """(B, H, T), (B, E) -> (B, H, T).

        `past` (B, H, width - 1) are the inputs of a causal block before x; without it they are zeros.
        """
        inputs = self.dropout(x)
        inputs = F.pad(inputs, self.padding) if past is None else torch.cat([past, inputs], 2)
        content, gate = self.conv(inputs).chunk(2, 1)  # (B, H, T) each
        return ((content + self.speaker(speaker).unsqueeze(-1)) * torch.sigmoid(gate) + x) * HALF


def with_plain_weights(module: M) -> M:
    """Copy a module with parametrized weights (weight norm, low-rank updates) computed once instead of at each call.

    `parametrize.remove_parametrizations` would change the class that the copy shares with the original, and
    `parametrize.cached` would apply to all threads.
    """
    copied = deepcopy(module)
    for part in list(copied.modules()):
        if parametrize.is_parametrized(part, "weight"):
            weight = nn.Parameter(part.weight.detach(), requires_grad=False)  # type: ignore[operator]
            part.__class__ = parametrize.type_before_parametrizations(part)
            del part.parametrizations
            part.weight = weight
    return copied
