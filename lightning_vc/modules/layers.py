"""The two layers that Deep Voice 3 is made of: a weight-normed projection and a gated convolution block."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

HALF = math.sqrt(0.5)  # keeps the variance where two signals are added


def projection(inputs: int, outputs: int) -> nn.Linear:
    """A weight-normed linear layer, (..., inputs) -> (..., outputs), drawn so that it keeps the variance."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(1 / inputs))
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)


class VoiceBias(nn.Module):
    """What a voice adds to `channels` features: softsign of a projection, (B, E) -> (B, channels)."""

    def __init__(self, voice_dim: int, channels: int) -> None:
        super().__init__()
        self.project = projection(voice_dim, channels)

    def forward(self, voice: Tensor) -> Tensor:
        return F.softsign(self.project(voice))


class ConvBlock(nn.Module):
    """Dropout, convolution over time, gated linear unit biased by the voice, residual (Deep Voice 3, section 3.3).

    A causal block sees only the past, so it can also go one step at a time: `step`.
    """

    def __init__(self, channels: int, width: int, voice_dim: int, dropout: float = 0.05, causal: bool = False) -> None:
        super().__init__()
        if width % 2 == 0 and not causal:
            raise ValueError(f"a convolution that keeps the length needs an odd width, got {width}")
        self.dropout = nn.Dropout(dropout)
        conv = nn.Conv1d(channels, 2 * channels, width)
        nn.init.normal_(conv.weight, std=math.sqrt(4 * (1 - dropout) / (width * channels)))
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.conv = weight_norm(conv)
        self.voice = VoiceBias(voice_dim, channels)
        self.past = width - 1
        self.padding = (self.past, 0) if causal else (self.past // 2, self.past // 2)

    def forward(self, x: Tensor, voice: Tensor) -> Tensor:
        """(B, H, T), (B, E) -> (B, H, T)."""
        return self.gate(self.conv(F.pad(self.dropout(x), self.padding)), x, self.voice(voice))

    def step(self, x: Tensor, past: Tensor, bias: Tensor) -> tuple[Tensor, Tensor]:
        """One step of a causal block: (B, H, 1), its last inputs (B, H, width - 1), voice bias (B, H)."""
        seen = torch.cat([past, x], -1)  # (B, H, width)
        return self.gate(self.conv(seen), x, bias), seen[..., 1:]

    @staticmethod
    def gate(convolved: Tensor, x: Tensor, bias: Tensor) -> Tensor:
        """(B, 2H, T), (B, H, T), (B, H) -> (B, H, T)."""
        content, gate = convolved.chunk(2, 1)
        return ((content + bias.unsqueeze(-1)) * torch.sigmoid(gate) + x) * HALF
