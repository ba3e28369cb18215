"""Dot-product attention whose position rates depend on the speaker embedding."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn

from lightning_vc.modules.layers import HALF, projection


def positions(count: int, dim: int, rate: Tensor, first: int = 0) -> Tensor:
    """Sinusoids of positions first ... first + count - 1, at the rate of each speaker: (B,) -> (B, count, dim)."""
    index = torch.arange(first, first + count, device=rate.device, dtype=rate.dtype)
    frequencies = 10000 ** (-torch.arange(0, dim, 2, device=rate.device, dtype=rate.dtype) / dim)  # (dim / 2,)
    angle = rate[:, None, None] * index[:, None] * frequencies  # (B, count, dim / 2)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(2)


@dataclass(frozen=True)
class MonotonicWindow:
    """How attention moves through a text at synthesis.

    Attributes:
        back, ahead: how many symbols attention may move back or ahead from one step to the next.
        max_dwell: attention has to leave a symbol after `max_dwell` to `2 * max_dwell` steps; None: never.
    """

    back: int = 1
    ahead: int = 3
    max_dwell: int | None = None


class Attention(nn.Module):
    """Dot-product attention of decoder steps to symbols (Deep Voice 3, section 3.5).

    Position signals are added to queries and keys, at rates that depend on the speaker. Both projections are
    initialised with the same weights, so that attention is near the diagonal before training.

    Args:
        key_rate: frames of a symbol before training; w_k = 2 * key_rate / r * sigmoid(project(speaker)).
        position_weight: amplitude of the position signal.
    """

    def __init__(
        self,
        channels: int,
        memory: int,
        speaker_dim: int = 512,
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
        self.rates = projection(speaker_dim, 2)
        self.dropout = nn.Dropout(dropout)

    def project_memory(self, keys: Tensor, values: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """(B, L, H), (B, L, H), (B, E) -> keys (B, h, L), values (B, L, h), query rates (B,); once for all steps."""
        query_rate, key_rate = (2 * torch.sigmoid(self.rates(speaker))).unbind(-1)
        signal = positions(keys.shape[1], keys.shape[2], key_rate * self.key_rate)
        return self.key(keys + self.position_weight * signal).mT, self.value(values), query_rate

    def forward(
        self, x: Tensor, memory: tuple[Tensor, Tensor, Tensor], blocked: Tensor, first: int = 0
    ) -> tuple[Tensor, Tensor]:
        """(B, H, S), memory, blocked symbols (B, 1 or S, L), first step -> (B, H, S), weights (B, S, L)."""
        keys, values, rate = memory
        signal = positions(x.shape[2], x.shape[1], rate, first)
        query = self.query(x.mT + self.position_weight * signal)  # (B, S, h)
        scores = (query @ keys) * keys.shape[1] ** -0.5
        weights = scores.masked_fill(blocked, float("-inf")).softmax(-1)  # (B, S, L)
        return (x + self.out(self.dropout(weights) @ values).mT) * HALF, weights


class AttentionWindow:
    """Which symbols each of A attention layers may attend to in each decoder step.

    Args:
        monotonic: the window around the symbol with the highest weight in the last step.
        padding: (B, L); it gets no attention.
        layers: A.

    Attributes:
        last_positions: (A, B) the symbol with the highest weight in the last step; the decoder sets it.
    """

    def __init__(self, monotonic: MonotonicWindow, padding: Tensor, layers: int) -> None:
        self.monotonic, self.padding = monotonic, padding
        self.symbols = torch.arange(padding.shape[1], device=padding.device)  # (L,)
        self.last = (~padding).sum(1) - 1  # (B,)
        self.last_positions = self.last.new_zeros(layers, len(padding))
        self.min_centers = self.last_positions  # (A, B) lower bound of the centres of the windows
        self.checked_positions = self.last_positions - 1  # (A, B) `last_positions` when `max_dwell` was last checked

    def blocked(self, step: int) -> Tensor:
        """Symbols outside the windows in this step, counted from 0: (A, B, L)."""
        if self.monotonic.max_dwell and step and step % self.monotonic.max_dwell == 0:
            # Windows around these centres exclude `last_positions`.
            next_centers = torch.minimum(self.last_positions + self.monotonic.back + 1, self.last)
            self.min_centers = torch.where(
                self.last_positions <= self.checked_positions, next_centers, self.min_centers
            )
            self.checked_positions = self.last_positions
        middle = torch.maximum(self.last_positions, self.min_centers).unsqueeze(-1)  # (A, B, 1)
        return (
            (self.symbols < middle - self.monotonic.back)
            | (self.symbols > middle + self.monotonic.ahead)
            | self.padding
        )
