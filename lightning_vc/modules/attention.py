"""Dot-product attention whose position rates belong to the voice."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.modules.layers import HALF, projection

_SIGNALS = 64  # steps whose positions are computed together


def positions(count: int, dim: int, rate: Tensor, first: int = 0) -> Tensor:
    """Sinusoids of positions first ... first + count - 1, sped up by each voice's rate: (B,) -> (B, count, dim)."""
    index = torch.arange(first, first + count, device=rate.device, dtype=rate.dtype)
    pitch = 10000 ** (-torch.arange(0, dim, 2, device=rate.device, dtype=rate.dtype) / dim)  # (dim / 2,)
    angle = rate[:, None, None] * index[:, None] * pitch  # (B, count, dim / 2)
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(2)


@dataclass(frozen=True)
class Walk:
    """How attention moves through a text at synthesis.

    Attributes:
        back, ahead: symbols that one step may be from the last.
        patience: steps after which it is pushed on from where it stays, between once and twice as many; None is never.
    """

    back: int = 1
    ahead: int = 3
    patience: int | None = None


class Attention(nn.Module):
    """Dot-product attention of decoder steps to symbols (Deep Voice 3, section 3.5).

    Queries and keys carry position signals at rates that depend on the voice. Both projections start from the same
    weights, so that attention starts near the diagonal.

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
        """(B, L, H), (B, L, H), (B, E) -> keys (B, h, L), values (B, L, h) and query rates (B,) for all steps."""
        query_rate, key_rate = (2 * torch.sigmoid(self.rates(voice))).unbind(-1)
        signal = positions(keys.shape[1], keys.shape[2], key_rate * self.key_rate)
        return self.key(keys + self.position_weight * signal).mT, self.value(values), query_rate

    def forward(self, x: Tensor, memory: tuple[Tensor, Tensor, Tensor], blocked: Tensor) -> tuple[Tensor, Tensor]:
        """(B, H, S), memory, blocked symbols (B, 1 or S, L) -> (B, H, S), weights (B, S, L)."""
        keys, values, rate = memory
        signal = positions(x.shape[2], x.shape[1], rate)
        query = self.query(x.mT + self.position_weight * signal)  # (B, S, h)
        scores = (query @ keys) * keys.shape[1] ** -0.5
        weights = scores.masked_fill(blocked, float("-inf")).softmax(-1)  # (B, S, L)
        return (x + self.out(self.dropout(weights) @ values).mT) * HALF, weights


class AttentionStepper:
    """Attention held to a walk, one step at a time, without dropout: (B, H), number of the step -> (B, H).

    A step sees only the few symbols of its window, so it costs the same however long the text is. The projections of
    queries and contexts are linear, and are multiplied into keys and values beforehand.

    Args:
        keys, values, padding, voice: (B, L, H), (B, L, H), (B, L), (B, E).
    """

    def __init__(
        self, attention: Attention, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, walk: Walk
    ) -> None:
        self.walk, back, ahead = walk, walk.back, walk.ahead
        keys, values, self.rate = attention.remember(keys, values, voice)  # (B, h, L), (B, L, h), (B,)
        keys = keys.mT * keys.shape[1] ** -0.5
        # Nobody may look beyond the ends, nor at padding.
        scores = (keys @ attention.query.bias).masked_fill(padding, -torch.inf)  # (B, L)
        scores = F.pad(scores, (back, ahead), value=-torch.inf).unsqueeze(2)  # (B, L', 1)
        keys, values = keys @ attention.query.weight, attention.out(values) * HALF  # (B, L, H) both
        self.dim = keys.shape[2]
        # One row for each symbol of each text: what is looked up together lies together.
        table = torch.cat([F.pad(keys, (0, 0, back, ahead)), F.pad(values, (0, 0, back, ahead)), scores], 2)
        self.length = table.shape[1]
        self.table = table.flatten(0, 1)  # (B * L', 2 * H + 1)
        self.first = (torch.arange(len(table), device=table.device) * self.length + back).unsqueeze(1)  # (B, 1) rows
        self.end = self.first + (~padding).sum(1, keepdim=True) - 1  # (B, 1)
        self.row = self.first  # of the symbol that had most attention in the last step
        self.floor = self.first  # where it was pushed to last: its window is about no symbol before that
        self.before = self.first - 1  # where it was when it was last asked whether it moves
        self.window = torch.arange(-back, ahead + 1, device=table.device)
        self.position_weight = attention.position_weight
        self.signal = table  # of the next steps, (B, _SIGNALS, H)
        self.trail: list[tuple[Tensor, Tensor]] = []  # of each step: rows of its window, and their weights

    def __call__(self, x: Tensor, step: int) -> Tensor:
        if step % _SIGNALS == 0:
            self.signal = self.position_weight * positions(_SIGNALS, self.dim, self.rate, step)
        if self.walk.patience and step and step % self.walk.patience == 0:
            beyond = torch.minimum(self.row + self.walk.back + 1, self.end)  # from where it cannot look at it
            self.floor = torch.where(self.row <= self.before, beyond, self.floor)
            self.before = self.row
        rows = torch.maximum(self.row, self.floor) + self.window  # (B, w)
        keys, values, scores = F.embedding(rows, self.table).split((self.dim, self.dim, 1), 2)
        query = (x + self.signal[:, step % _SIGNALS]).unsqueeze(2)  # (B, H, 1)
        weights = torch.baddbmm(scores, keys, query).softmax(1)  # (B, w, 1)
        self.trail.append((rows, weights))
        self.row = rows.gather(1, weights.argmax(1))
        return torch.baddbmm(x.unsqueeze(1), weights.mT, values, beta=HALF).squeeze(1)

    @property
    def place(self) -> Tensor:
        """(B,) the symbol that had most attention in the last step."""
        return (self.row - self.first)[:, 0]

    def alignments(self) -> Tensor:
        """Weights of the steps since the last call: (B, S, L)."""
        rows, weights = (torch.stack(each, 1) for each in zip(*self.trail, strict=True))  # (B, S, w), (B, S, w, 1)
        self.trail.clear()
        places = rows - self.first.unsqueeze(1) + self.walk.back
        whole = weights.new_zeros(*rows.shape[:2], self.length).scatter_(2, places, weights[..., 0])
        return whole[..., self.walk.back : self.length - self.walk.ahead]

    def keep(self, rows: Tensor) -> None:
        """Go on with these of the sentences only."""
        for name in ("first", "end", "row", "floor", "before", "rate", "signal"):
            setattr(self, name, getattr(self, name)[rows])
