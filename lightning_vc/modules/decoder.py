"""Keys and values to mel frames, r at a time, each group from those before it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.modules.attention import Attention
from lightning_vc.modules.layers import ConvBlock, VoiceBias, projection


@dataclass(frozen=True)
class Decoded:
    """What the decoder made of S steps."""

    mel: Tensor  # (B, S * r, M)
    hidden: Tensor  # (B, H, S)
    done: Tensor  # (B, S) logits: is this the last step?
    alignments: Tensor  # (B, A, S, L)


class Prenet(nn.Module):
    """The last frames, as the decoder's blocks want them; (B, S, r * M), (B, E) -> (B, H, S).

    Args:
        dropout: a high one keeps the decoder from copying its last frames instead of reading the text.
    """

    def __init__(self, inputs: int, voice_dim: int, sizes: tuple[int, ...] = (128, 256), dropout: float = 0.01) -> None:
        super().__init__()
        self.layers = nn.ModuleList(starmap(projection, pairwise((inputs, *sizes))))
        self.voices = nn.ModuleList(VoiceBias(voice_dim, size) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.dim = sizes[-1]

    def forward(self, frames: Tensor, voice: Tensor) -> Tensor:
        x = frames
        for layer, bias in zip(self.layers, self.voices, strict=True):
            x = self.dropout(F.relu(layer(x) + bias(voice).unsqueeze(1)))
        return x.mT


class DecoderLayer(nn.Module):
    """A causal convolution block, and the attention that follows it, if any."""

    def __init__(self, block: ConvBlock, attention: Attention | None) -> None:
        super().__init__()
        self.block, self.attention = block, attention


class Decoder(nn.Module):
    """Prenet, then causal convolution blocks that attend to the text (Deep Voice 3, section 3.5).

    Args:
        prenet, attention: the parts, as functions of the sizes that are known here.
        attending: the blocks that attention follows; None is all of them, the paper's multi-hop attention.
    """

    def __init__(
        self,
        memory: int = 256,
        voice_dim: int = 512,
        n_mels: int = 80,
        reduction: int = 4,
        layers: int = 8,
        width: int = 5,
        dropout: float = 0.01,
        attending: tuple[int, ...] | None = None,
        prenet: Callable[[int, int], Prenet] = lambda frames, voice: Prenet(frames, voice),
        attention: Callable[[int, int, int, int], Attention] = lambda h, text, voice, r: Attention(h, text, voice, r),
    ) -> None:
        super().__init__()
        self.n_mels, self.reduction = n_mels, reduction
        attends = set(range(layers) if attending is None else attending)
        if not attends or not attends <= set(range(layers)):
            raise ValueError(f"attending names blocks 0 to {layers - 1} and at least one, got {attending}")
        self.prenet = prenet(n_mels * reduction, voice_dim)
        self.dim = channels = self.prenet.dim
        self.layers = nn.ModuleList(
            DecoderLayer(
                ConvBlock(channels, width, voice_dim, dropout, causal=True),
                attention(channels, memory, voice_dim, reduction) if i in attends else None,
            )
            for i in range(layers)
        )
        self.mel = projection(channels, n_mels * reduction)
        self.done = projection(channels, 1)

    def _layers(self) -> Iterator[DecoderLayer]:
        return (cast(DecoderLayer, layer) for layer in self.layers)

    def leave(self, x: Tensor, alignments: list[Tensor]) -> Decoded:
        """Hidden states (B, H, S) to what the decoder says."""
        mel = self.mel(x.mT).unflatten(-1, (self.reduction, self.n_mels)).flatten(1, 2)
        return Decoded(mel, x, self.done(x.mT).squeeze(-1), torch.stack(alignments, 1))

    def forward(self, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, frames: Tensor) -> Decoded:
        """Teacher forcing: keys, values (B, L, H), padding (B, L), voice (B, E), true frames (B, S * r, M)."""
        groups = frames.unflatten(1, (-1, self.reduction)).flatten(2)  # (B, S, r * M)
        x = self.prenet(F.pad(groups, (0, 0, 1, 0))[:, :-1], voice)  # each step sees the group before its own
        alignments = []
        for layer in self._layers():
            x = layer.block(x, voice)
            if layer.attention:
                x, weights = layer.attention(x, layer.attention.remember(keys, values, voice), padding.unsqueeze(1))
                alignments.append(weights)
        return self.leave(x, alignments)

    @torch.no_grad()
    def generate(
        self, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, max_steps: int, window: tuple[int, int]
    ) -> tuple[Decoded, Tensor]:
        """Free running until every sentence says it is done: what was decoded, and steps of each (B,), 0 if cut off.

        Attention is held monotonic: a step may look `window` (back, ahead) symbols from where its layer looked last.
        """
        batch = len(padding)
        last = (~padding).sum(1) - 1  # (B,)
        steppers = [Stepper(layer, keys, values, padding, voice, window) for layer in self._layers()]
        group = keys.new_zeros(batch, 1, self.n_mels * self.reduction)
        steps = torch.zeros(batch, dtype=torch.long, device=padding.device)
        outs: list[Decoded] = []
        for step in range(max_steps):
            x = self.prenet(group, voice)  # (B, H, 1)
            for stepper in steppers:
                x = stepper(x, step)
            outs.append(self.leave(x, [stepper.weights for stepper in steppers if stepper.weights is not None]))
            group = outs[-1].mel.clamp(0, 1.2).flatten(1).unsqueeze(1)  # no runaway: no recording is louder
            # Only a decoder that has read to the end may stop.
            read = torch.stack([stepper.place >= last - 1 for stepper in steppers if stepper.memory]).any(0)
            ended = (outs[-1].done[:, 0] > 0) & read & (steps == 0)
            steps = torch.where(ended, step + 1, steps)
            if bool((steps > 0).all()):
                break
        joined = Decoded(
            torch.cat([out.mel for out in outs], 1),
            torch.cat([out.hidden for out in outs], 2),
            torch.cat([out.done for out in outs], 1),
            torch.cat([out.alignments for out in outs], 2),
        )
        return joined, steps


class Stepper:
    """A decoder layer that goes one step at a time, and what it remembers in between.

    Attributes:
        weights: (B, 1, L) attention of the last step; None where the layer does not attend.
        place: (B,) the symbol that had most of it.
    """

    def __init__(
        self, layer: DecoderLayer, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, window: tuple[int, int]
    ) -> None:
        self.layer, self.padding, self.window = layer, padding, window
        self.bias: Tensor = layer.block.voice(voice)  # (B, H)
        self.past = keys.new_zeros(*self.bias.shape, layer.block.past)  # (B, H, width - 1)
        self.memory = layer.attention.remember(keys, values, voice) if layer.attention else None
        self.weights: Tensor | None = None
        self.place = torch.zeros(len(keys), dtype=torch.long, device=keys.device)
        self.symbols = torch.arange(padding.shape[1], device=keys.device)

    def __call__(self, x: Tensor, step: int) -> Tensor:
        """(B, H, 1) -> (B, H, 1)."""
        x, self.past = self.layer.block.step(x, self.past, self.bias)
        if self.layer.attention and self.memory:
            ahead = self.symbols - self.place.unsqueeze(1)  # (B, L)
            blocked = (ahead < -self.window[0]) | (ahead > self.window[1]) | self.padding
            x, self.weights = self.layer.attention(x, self.memory, blocked.unsqueeze(1), step)
            self.place = self.weights[:, 0].argmax(-1)
        return x
