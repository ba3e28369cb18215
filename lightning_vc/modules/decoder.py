"""Autoregressive decoder: keys and values to mel frames, r at a time."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from itertools import pairwise, starmap
from typing import cast

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.modules.attention import Attention, AttentionWindow, MonotonicWindow
from lightning_vc.modules.layers import ConvBlock, SpeakerBias, projection, with_plain_weights


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
        dropout: a high value keeps the decoder from relying on its previous frames instead of the text.
    """

    def __init__(
        self, inputs: int, speaker_dim: int, sizes: tuple[int, ...] = (128, 256), dropout: float = 0.01
    ) -> None:
        super().__init__()
        self.layers = nn.ModuleList(starmap(projection, pairwise((inputs, *sizes))))
        self.speakers = nn.ModuleList(SpeakerBias(speaker_dim, size) for size in sizes)
        self.dropout = nn.Dropout(dropout)
        self.dim = sizes[-1]

    def forward(self, frames: Tensor, speaker: Tensor) -> Tensor:
        x = frames
        for layer, bias in zip(self.layers, self.speakers, strict=True):
            x = self.dropout(F.relu(layer(x) + bias(speaker).unsqueeze(1)))
        return x.mT


class DecoderLayer(nn.Module):
    """A causal convolution block, and the attention that follows it, if any."""

    def __init__(self, block: ConvBlock, attention: Attention | None) -> None:
        super().__init__()
        self.block, self.attention = block, attention


class Decoder(nn.Module):
    """Prenet, then causal convolution blocks with attention to the text (Deep Voice 3, section 3.5).

    Args:
        prenet, attention: functions that build the parts from the sizes that they share.
        attending: indices of the blocks that are followed by attention; None: all blocks, as in the paper.
    """

    def __init__(
        self,
        memory: int = 256,
        speaker_dim: int = 512,
        n_mels: int = 80,
        reduction: int = 4,
        layers: int = 8,
        width: int = 5,
        dropout: float = 0.01,
        attending: tuple[int, ...] | None = None,
        prenet: Callable[[int, int], Prenet] = lambda frames, speaker: Prenet(frames, speaker),
        attention: Callable[[int, int, int, int], Attention] = lambda h, text, speaker, r: Attention(
            h, text, speaker, r
        ),
    ) -> None:
        super().__init__()
        self.n_mels, self.reduction = n_mels, reduction
        attends = range(layers) if attending is None else attending
        if not attends or len(attends) > layers or not all(block in range(layers) for block in attends):
            raise ValueError(f"attending names blocks 0 to {layers - 1} and at least one, got {attending}")
        self.prenet = prenet(n_mels * reduction, speaker_dim)
        self.dim = channels = self.prenet.dim
        self.layers = nn.ModuleList(
            DecoderLayer(
                ConvBlock(channels, width, speaker_dim, dropout, causal=True),
                attention(channels, memory, speaker_dim, reduction) if i in attends else None,
            )
            for i in range(layers)
        )
        self.mel = projection(channels, n_mels * reduction)
        self.done = projection(channels, 1)

    def project_memory(self, keys: Tensor, values: Tensor, speaker: Tensor) -> list[tuple[Tensor, Tensor, Tensor]]:
        """Projections of a text for each attention layer: (B, L, H), (B, L, H), (B, E) -> A memories."""
        attention = [layer.attention for layer in cast(Iterable[DecoderLayer], self.layers) if layer.attention]
        return [part.project_memory(keys, values, speaker) for part in attention]

    def _hidden(
        self,
        x: Tensor,
        speaker: Tensor,
        memories: Sequence[tuple[Tensor, Tensor, Tensor]],
        blocked: Tensor,
        first: int = 0,
        pasts: list[Tensor] | None = None,
    ) -> tuple[Tensor, Tensor]:
        """Outputs of the prenet (B, H, S) to hidden states (B, H, S) and attention (B, A, S, L).

        Args:
            x, speaker: (B, H, S), (B, E).
            memories: from `project_memory`.
            blocked: symbols that the A layers may not attend to, (A, B, 1 or S, L).
            first: index of the first of these steps.
            pasts: last inputs of each block, (B, H, width - 1); updated in place.
        """
        alignments: list[Tensor] = []
        for number, layer in enumerate(cast(Iterable[DecoderLayer], self.layers)):
            inputs, past = x, pasts[number] if pasts else None
            x = layer.block(inputs, speaker, past)
            if pasts:
                pasts[number] = torch.cat([pasts[number], inputs], 2)[..., inputs.shape[2] :]
            if layer.attention:
                x, weights = layer.attention(x, memories[len(alignments)], blocked[len(alignments)], first)
                alignments.append(weights)
        return x, torch.stack(alignments, 1)

    def _decoded(self, x: Tensor, alignments: Tensor) -> Decoded:
        """Hidden states (B, H, S) to the output."""
        mel = self.mel(x.mT).unflatten(-1, (self.reduction, self.n_mels)).flatten(1, 2)
        return Decoded(mel, x, self.done(x.mT).squeeze(-1), alignments)

    def forward(self, keys: Tensor, values: Tensor, padding: Tensor, speaker: Tensor, frames: Tensor) -> Decoded:
        """Teacher forcing: keys, values (B, L, H), padding (B, L), speaker (B, E), true frames (B, S * r, M)."""
        groups = frames.unflatten(1, (-1, self.reduction)).flatten(2)  # (B, S, r * M)
        x = self.prenet(F.pad(groups, (0, 0, 1, 0))[:, :-1], speaker)  # the input of a step is the previous group
        memories = self.project_memory(keys, values, speaker)
        blocked = padding.unsqueeze(1).expand(len(memories), -1, -1, -1)  # (A, B, 1, L)
        return self._decoded(*self._hidden(x, speaker, memories, blocked))

    @torch.no_grad()
    def generate(
        self,
        keys: Tensor,
        values: Tensor,
        padding: Tensor,
        speaker: Tensor,
        limits: Tensor,
        monotonic: MonotonicWindow,
        end_patience: int | None = None,
    ) -> tuple[Decoded, Tensor, Tensor]:
        """Free-running decoding, without dropout, with each attention layer restricted to a monotonic window.

        A sentence ends where `done` is predicted, at its limit (B,) of steps, or once attention has been at the end of
        the text for `end_patience` to `2 * end_patience` steps.

        Returns the output, which is 0 after the end of a sentence, the number of steps of each sentence (B,), and
        whether it ended before its limit (B,).
        """
        decoder = with_plain_weights(self).eval()
        memories = decoder.project_memory(keys, values, speaker)
        window = AttentionWindow(monotonic, padding, len(memories))
        blocks = [layer.block for layer in cast(Iterable[DecoderLayer], self.layers)]
        pasts = [keys.new_zeros(len(keys), self.dim, block.padding[0]) for block in blocks]
        frames = keys.new_zeros(len(keys), 1, self.reduction * self.n_mels)
        steps, finished = limits, torch.zeros_like(limits, dtype=torch.bool)
        was_at_end = finished  # whether attention was at the end when `end_patience` was last checked
        hidden, alignments, step = [], [], 0
        while step < int(steps.max()):
            inputs = decoder.prenet(frames, speaker)  # (B, H, 1)
            blocked = window.blocked(step).unsqueeze(2)  # (A, B, 1, L)
            x, weights = decoder._hidden(inputs, speaker, memories, blocked, step, pasts)
            hidden.append(x)
            alignments.append(weights)
            window.last_positions = weights[:, :, 0].argmax(-1).T  # (A, B)
            frames = decoder.mel(x.mT).clamp(0, 1.2)  # the range of recordings; bounds the feedback
            # Stop only where half of the attention layers have reached the end: a single one may be ahead.
            at_end = (window.last_positions >= window.last - 1).float().mean(0) >= 0.5  # (B,)
            done, step = decoder.done(x.mT).flatten() > 0, step + 1
            if end_patience is not None and step % end_patience == 0:
                done, was_at_end = done | was_at_end, at_end
            ended = at_end & done & (steps >= step)
            steps, finished = torch.where(ended, step, steps), finished | ended
        mask = (torch.arange(step, device=keys.device) < steps.unsqueeze(1)).unsqueeze(1)  # (B, 1, S)
        decoded = self._decoded(torch.cat(hidden, 2) * mask, torch.cat(alignments, 2) * mask.unsqueeze(-1))
        return decoded, steps, finished
