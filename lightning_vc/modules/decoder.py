"""Keys and values to mel frames, r at a time, each group from those before it."""

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.modules.attention import Attention, AttentionStepper, Walk
from lightning_vc.modules.layers import ConvBlock, ConvStepper, VoiceBias, projection


@dataclass(frozen=True)
class Decoded:
    """Output of S decoder steps."""

    mel: Tensor  # (B, S * r, M)
    hidden: Tensor  # (B, H, S)
    done: Tensor  # (B, S) logits: is this the last step?
    alignments: Tensor  # (B, A, S, L)


class Prenet(nn.Module):
    """Previous frames to inputs of the decoder's blocks; (B, S, r * M), (B, E) -> (B, H, S).

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


class PrenetStepper:
    """A prenet for voices (B, E), one step at a time, without dropout: frames (B, r * M) -> (B, H)."""

    def __init__(self, prenet: Prenet, voice: Tensor) -> None:
        layers = [cast(nn.Linear, layer) for layer in prenet.layers]
        self.weights = [layer.weight.mT for layer in layers]
        pairs = zip(layers, prenet.voices, strict=True)
        self.biases: list[Tensor] = [layer.bias + bias(voice) for layer, bias in pairs]  # (B, size) each

    def __call__(self, frames: Tensor) -> Tensor:
        for weight, bias in zip(self.weights, self.biases, strict=True):
            frames = torch.addmm(bias, frames, weight).relu_()
        return frames

    def keep(self, rows: Tensor) -> None:
        """Go on with these of the sentences only."""
        self.biases = [bias[rows] for bias in self.biases]


class DecoderLayer(nn.Module):
    """A causal convolution block, and the attention that follows it, if any."""

    def __init__(self, block: ConvBlock, attention: Attention | None) -> None:
        super().__init__()
        self.block, self.attention = block, attention


class Decoder(nn.Module):
    """Prenet, then causal convolution blocks that attend to the text (Deep Voice 3, section 3.5).

    Args:
        prenet, attention: the parts, as functions of the sizes that are known here.
        attending: numbers of the blocks that attention follows; all of them, as in the paper, if None.
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
        attends = range(layers) if attending is None else attending
        if not attends or len(attends) > layers or not all(block in range(layers) for block in attends):
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
        """Hidden states (B, H, S) to the output."""
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
        self,
        keys: Tensor,
        values: Tensor,
        padding: Tensor,
        voice: Tensor,
        limits: Tensor,
        walk: Walk,
        linger: int | None = None,
    ) -> tuple[Decoded, Tensor, Tensor]:
        """Free-running decoding, without dropout, each layer's attention held to a walk.

        A sentence ends, and leaves the batch, where the decoder says so, after as many steps as its limit (B,), or
        after its attention was at the end of the text for `linger` to twice as many steps.

        Returns the padded output, the steps of each sentence (B,), and which came to an end before the limit (B,).
        """
        stepper = DecoderStepper(self, keys, values, padding, voice, walk)
        rows = torch.arange(len(padding), device=padding.device)  # that have not ended
        last = (~padding).sum(1) - 1  # (B,)
        steps, finished = limits.clone(), torch.zeros_like(limits, dtype=torch.bool)
        frames = keys.new_zeros(len(padding), self.n_mels * self.reduction)
        hidden = keys.new_zeros(len(padding), int(limits.max()), self.dim)
        alignments = keys.new_zeros(len(padding), len(stepper.attention), hidden.shape[1], keys.shape[1])
        lingers = torch.zeros_like(finished)  # whose attention was at the end when it was last asked
        start, limit = 0, int(limits.min())  # where the steps begin that are not in those two yet; who is cut off next
        with torch.inference_mode():  # a sixth faster than no_grad alone; what leaves it was made outside
            for step in range(hidden.shape[1]):
                frames, done = stepper(frames, step)
                said_done = done > 0
                asked = linger is not None and (step + 1) % linger == 0
                if step + 1 < limit and not asked and not bool(said_done.any()):
                    continue
                # Only a decoder that has read to the end may stop: half of its layers, for one may run ahead.
                at_end = (stepper.places() >= last - 1).float().mean(0) >= 0.5  # (B,)
                ended = at_end & (said_done | lingers) if asked else at_end & said_done
                if asked:
                    lingers = at_end
                leaving = ended | (step + 1 >= limits)
                if not bool(leaving.any()):
                    continue
                hidden[rows, start : step + 1], alignments[rows, :, start : step + 1] = stepper.said()
                start = step + 1
                steps[rows[leaving]], finished[rows[ended]] = start, True
                staying = (~leaving).nonzero()[:, 0]
                if not len(staying):
                    break
                rows, last, limits, frames, lingers = (each[staying] for each in (rows, last, limits, frames, lingers))
                limit = int(limits.min())
                stepper.keep(staying)
        return self.leave(hidden[:, :start].mT, list(alignments[:, :, :start].unbind(1))), steps, finished


class DecoderStepper:
    """A decoder, one step at a time, without dropout: its layers' steppers and what they have made."""

    def __init__(
        self, decoder: Decoder, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, walk: Walk
    ) -> None:
        self.prenet = PrenetStepper(decoder.prenet, voice)
        self.layers = [
            (
                ConvStepper(layer.block, voice),
                AttentionStepper(layer.attention, keys, values, padding, voice, walk) if layer.attention else None,
            )
            for layer in decoder._layers()
        ]
        self.attention = [attention for _, attention in self.layers if attention]  # A
        self.weight = torch.cat([decoder.mel.weight, decoder.done.weight]).mT  # (H, r * M + 1)
        self.bias = torch.cat([decoder.mel.bias, decoder.done.bias])
        self.hidden: list[Tensor] = []  # (B, H) of each step

    def __call__(self, frames: Tensor, step: int) -> tuple[Tensor, Tensor]:
        """Frames before (B, r * M), number of the step -> its frames (B, r * M), logits of its being the last (B,)."""
        x = self.prenet(frames)
        for block, attention in self.layers:
            x = block(x)
            if attention:
                x = attention(x, step)
        self.hidden.append(x)
        said = torch.addmm(self.bias, x, self.weight)
        return said[:, :-1].clamp(0, 1.2), said[:, -1]  # no runaway: no recording is louder

    def places(self) -> Tensor:
        """The symbol with most attention of each layer in the last step: (A, B)."""
        return torch.stack([attention.place for attention in self.attention])

    def said(self) -> tuple[Tensor, Tensor]:
        """Hidden states (B, S, H) and attention (B, A, S, L) of the steps since the last call."""
        hidden, self.hidden = torch.stack(self.hidden, 1), []
        return hidden, torch.stack([attention.alignments() for attention in self.attention], 1)

    def keep(self, rows: Tensor) -> None:
        """Go on with these of the sentences only."""
        for each in (self.prenet, *(part for layer in self.layers for part in layer if part)):
            each.keep(rows)
