"""Dot-product attention whose position rates belong to the voice."""

import torch
from torch import Tensor, nn

from lightning_vc.modules.layers import HALF, projection


def positions(count: int, dim: int, rate: Tensor, first: int = 0) -> Tensor:
    """Sinusoids of positions first ... first + count - 1, sped up by each voice's rate: (B,) -> (B, count, dim)."""
    index = torch.arange(first, first + count, device=rate.device, dtype=rate.dtype)
    pitch = 10000 ** (-torch.arange(0, dim, 2, device=rate.device, dtype=rate.dtype) / dim)  # (dim / 2,)
    angle = rate[:, None, None] * index[:, None] * pitch  # (B, count, dim / 2)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(2)


class Attention(nn.Module):
    """Where in the text a decoder step is (Deep Voice 3, section 3.5).

    Queries and keys carry position signals at rates that a voice sets: a slow voice walks its keys in smaller steps.
    Both projections start from the same weights, so that attention starts near the diagonal.

    Args:
        key_rate: frames that a symbol lasts at first; w_k = 2 * key_rate / r * sigmoid(project(voice)).
        position_weight: how loud the position signal is.
    """

    def __init__(
        self,
        channels: int,
        memory: int,
        voice_dim: int = 512,
        reduction: int = 4,
        hidden: int = 256,
        key_rate: float = 2.6,
        position_weight: float = 0.1,
        dropout: float = 0.01,
    ) -> None:
        super().__init__()
        self.key_rate, self.position_weight = key_rate / reduction, position_weight
        self.query = projection(channels, hidden)
        self.key = projection(memory, hidden)
        if channels == memory:
            self.key.load_state_dict(self.query.state_dict())
        self.value = projection(memory, hidden)
        self.out = projection(hidden, channels)
        self.rates = projection(voice_dim, 2)
        self.dropout = nn.Dropout(dropout)

    def remember(self, keys: Tensor, values: Tensor, voice: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, H), (B, L, H), (B, E) to what all steps share: keys (B, h, L), values (B, L, h), query rates (B,)."""
        query_rate, key_rate = (2 * torch.sigmoid(self.rates(voice))).unbind(-1)
        signal = positions(keys.shape[1], keys.shape[2], key_rate * self.key_rate)
        keys = self.key(keys + self.position_weight * signal)
        return keys.mT, self.value(values), query_rate

    def forward(
        self, x: Tensor, memory: tuple[Tensor, Tensor, Tensor], blocked: Tensor, first: int = 0
    ) -> tuple[Tensor, Tensor]:
        """Steps from `first` on: (B, H, S), memory, blocked symbols (B, 1 or S, L) -> (B, H, S), weights (B, S, L)."""
        keys, values, rate = memory
        signal = positions(x.shape[2], x.shape[1], rate, first)
        query = self.query(x.mT + self.position_weight * signal)  # (B, S, h)
        scores = (query @ keys) * keys.shape[1] ** -0.5
        weights = scores.masked_fill(blocked, float("-inf")).softmax(-1)  # (B, S, L)
        context = self.dropout(weights) @ values  # (B, S, h)
        return (x + self.out(context).mT) * HALF, weights
