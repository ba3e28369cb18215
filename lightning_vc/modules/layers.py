"""The two layers that Deep Voice 3 is made of: a weight-normed projection and a gated convolution block."""

import math

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

HALF = math.sqrt(0.5)  # keeps the variance where two signals are added
_FEW = 10_000  # numbers
_BLOCKS = 16  # the fastest of 2, 4, 8 and 16 for one sentence, 256 channels and two threads


def projection(inputs: int, outputs: int) -> nn.Linear:
    """A weight-normed linear layer, (..., inputs) -> (..., outputs), drawn so that it keeps the variance."""
    layer = nn.Linear(inputs, outputs)
    nn.init.normal_(layer.weight, std=math.sqrt(1 / inputs))
    nn.init.zeros_(layer.bias)
    return weight_norm(layer)


class VoiceBias(nn.Module):
    """Bias of `channels` features by a voice: softsign of a projection, (B, E) -> (B, channels)."""

    def __init__(self, voice_dim: int, channels: int) -> None:
        super().__init__()
        self.project = projection(voice_dim, channels)

    def forward(self, voice: Tensor) -> Tensor:
        return F.softsign(self.project(voice))


class SparseDropout(nn.Dropout):
    """Dropout that draws the dropped numbers, with replacement, instead of a decision for every number.

    Each is dropped with probability p. With p = 0.05 this takes an eighth of the time of nn.Dropout on a CPU. For few
    numbers, whose drawn count would be coarse, and on a GPU it is nn.Dropout.
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
    """Dropout, convolution over time, gated linear unit biased by the voice, residual (Deep Voice 3, section 3.3).

    A causal block sees only the past, so it can also go one step at a time: `ConvStepper`.
    """

    def __init__(self, channels: int, width: int, voice_dim: int, dropout: float = 0.05, causal: bool = False) -> None:
        super().__init__()
        if width % 2 == 0 and not causal:
            raise ValueError(f"a convolution that keeps the length needs an odd width, got {width}")
        self.dropout = SparseDropout(dropout)
        conv = nn.Conv1d(channels, 2 * channels, width)
        nn.init.normal_(conv.weight, std=math.sqrt(4 * (1 - dropout) / (width * channels)))
        nn.init.zeros_(conv.bias)  # type: ignore[arg-type]
        self.conv = weight_norm(conv)
        self.voice = VoiceBias(voice_dim, channels)
        self.padding = (width - 1, 0) if causal else (width // 2, width // 2)
        self._fused: tuple[list[Tensor], Tensor] | None = None

    def forward(self, x: Tensor, voice: Tensor) -> Tensor:
        """(B, H, T), (B, E) -> (B, H, T)."""
        content, gate = self.conv(F.pad(self.dropout(x), self.padding)).chunk(2, 1)  # (B, H, T) both
        return ((content + self.voice(voice).unsqueeze(-1)) * torch.sigmoid(gate) + x) * HALF

    def fused(self) -> Tensor:
        """Weights of a `ConvStepper`, (blocks, width * H, 2H / blocks), kept until the parameters change.

        They cost as much as twenty steps, comparing the parameters a tenth of that; a fused optimizer does not increase
        their version counters.
        """
        now = [weight.detach() for weight in self.conv.parameters()]
        if self._fused is None or not all(map(_same, now, self._fused[0])):
            weight: Tensor = self.conv.weight.detach()  # (2H, H, width)
            blocks = math.gcd(_BLOCKS, weight.shape[1])
            # Each block has its share of the content, which is scaled beforehand, and the gates that belong to it.
            shared = weight.unflatten(0, (2, blocks, -1)) * weight.new_tensor([HALF, 1]).view(2, 1, 1, 1, 1)
            fused = shared.permute(1, 4, 3, 0, 2).flatten(3).flatten(1, 2).contiguous()
            self._fused = [weight.clone() for weight in now], fused
        return self._fused[1]


class ConvStepper:
    """A causal block for voices (B, E), one step at a time, without dropout: (B, H) -> (B, H).

    Reading the weights bounds a step. A product of several matrices is shared among threads and, even without them, is
    twice as fast as one with a vector: so the channels are computed in blocks.
    """

    def __init__(self, block: ConvBlock, voice: Tensor) -> None:
        self.weight = block.fused()
        bias = block.voice(voice)  # (B, H)
        content, gate = block.conv.bias.detach().chunk(2)
        both = torch.stack([(bias + content) * HALF, gate.expand_as(bias)])  # (2, B, H)
        self.bias = both.unflatten(2, (len(self.weight), -1)).permute(2, 1, 0, 3).flatten(2)  # (blocks, B, 2H / blocks)
        self.seen = bias.new_zeros(len(bias), self.weight.shape[1])  # the last inputs, the oldest first

    def __call__(self, x: Tensor) -> Tensor:
        self.seen = torch.cat([self.seen[:, x.shape[1] :], x], 1)
        gated = F.glu(torch.baddbmm(self.bias, self.seen.expand(len(self.bias), -1, -1), self.weight))
        return torch.add(gated.transpose(0, 1).reshape(x.shape), x, alpha=HALF)

    def keep(self, rows: Tensor) -> None:
        """Go on with these of the sentences only."""
        self.bias, self.seen = self.bias[:, rows], self.seen[rows]


def _same(one: Tensor, other: Tensor) -> bool:
    return one.device == other.device and one.dtype == other.dtype and one.equal(other)
