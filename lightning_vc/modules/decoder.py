"""Keys and values to mel frames, r at a time, each group from those before it."""

from dataclasses import dataclass

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


class Decoder(nn.Module):
    """Prenet, then causal convolution blocks, each followed by attention if it is one of `attending`
    (Deep Voice 3, section 3.5; None is every block, multi-hop attention as in the paper).

    Args:
        key_rate: frames that a symbol lasts at first.
        prenet_dropout: dropout on the prenet; a high one keeps the decoder from copying its last frame
            instead of reading the text.
    """

    def __init__(
        self,
        memory: int = 256,
        voice_dim: int = 512,
        n_mels: int = 80,
        reduction: int = 4,
        prenet: tuple[int, ...] = (128, 256),
        layers: int = 8,
        width: int = 5,
        attending: tuple[int, ...] | None = None,
        attention: int = 256,
        key_rate: float = 2.6,
        position_weight: float = 0.1,
        dropout: float = 0.01,
        prenet_dropout: float = 0.01,
    ) -> None:
        super().__init__()
        self.n_mels, self.reduction = n_mels, reduction
        self.attending = tuple(range(layers)) if attending is None else attending
        if not self.attending or not set(self.attending) <= set(range(layers)):
            raise ValueError(f"attending names blocks 0 to {layers - 1} and at least one, got {attending}")
        sizes = (n_mels * reduction, *prenet)
        self.prenet = nn.ModuleList(map(projection, sizes[:-1], sizes[1:]))
        self.prenet_voice = nn.ModuleList(VoiceBias(voice_dim, size) for size in prenet)
        self.prenet_dropout = nn.Dropout(prenet_dropout)
        self.dim = channels = prenet[-1]
        self.blocks = nn.ModuleList(ConvBlock(channels, width, voice_dim, dropout, causal=True) for _ in range(layers))
        self.attentions = nn.ModuleDict(
            {
                str(i): Attention(
                    channels, memory, attention, voice_dim, key_rate / reduction, position_weight, dropout
                )
                for i in self.attending
            }
        )
        self.mel = projection(channels, n_mels * reduction)
        self.done = projection(channels, 1)

    def enter(self, frames: Tensor, voice: Tensor) -> Tensor:
        """Groups of frames (B, S, r * M), (B, E) -> (B, H, S)."""
        x = frames
        for layer, bias in zip(self.prenet, self.prenet_voice, strict=True):
            x = self.prenet_dropout(F.relu(layer(x) + bias(voice).unsqueeze(1)))
        return x.mT

    def leave(self, x: Tensor, alignments: list[Tensor]) -> Decoded:
        """Hidden states (B, H, S) to what the decoder says."""
        mel = self.mel(x.mT).unflatten(-1, (self.reduction, self.n_mels)).flatten(1, 2)
        return Decoded(mel, x, self.done(x.mT).squeeze(-1), torch.stack(alignments, 1))

    def forward(self, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, frames: Tensor) -> Decoded:
        """Teacher forcing: keys, values (B, L, H), padding (B, L), voice (B, E), true frames (B, S * r, M)."""
        groups = frames.unflatten(1, (-1, self.reduction)).flatten(2)  # (B, S, r * M)
        x = self.enter(F.pad(groups, (0, 0, 1, 0))[:, :-1], voice)  # each step sees the group before its own
        alignments = []
        for i, block in enumerate(self.blocks):
            x = block(x, voice)
            if i in self.attending:
                attend = self.attentions[str(i)]
                x, weights = attend(x, attend.remember(keys, values, voice), padding.unsqueeze(1))
                alignments.append(weights)
        return self.leave(x, alignments)

    @torch.no_grad()
    def generate(
        self, keys: Tensor, values: Tensor, padding: Tensor, voice: Tensor, max_steps: int, window: tuple[int, int]
    ) -> tuple[Decoded, Tensor]:
        """Free running until every sentence says it is done: what was decoded, and steps of each (B,), 0 if cut off.

        Attention is held monotonic: a step may look `window` (back, ahead) symbols from where its layer looked last.
        """
        batch, length = padding.shape
        last = (~padding).sum(1) - 1  # (B,)
        index = torch.arange(length, device=padding.device)
        memories = {i: self.attentions[str(i)].remember(keys, values, voice) for i in self.attending}
        where = {i: torch.zeros(batch, dtype=torch.long, device=padding.device) for i in self.attending}
        biases = [block.voice(voice) for block in self.blocks]
        pasts = [
            keys.new_zeros(batch, bias.shape[1], block.past) for block, bias in zip(self.blocks, biases, strict=True)
        ]
        group = keys.new_zeros(batch, 1, self.n_mels * self.reduction)
        steps = torch.zeros(batch, dtype=torch.long, device=padding.device)
        outs: list[Decoded] = []
        for step in range(max_steps):
            x, alignments = self.enter(group, voice), []
            for i, block in enumerate(self.blocks):
                x, pasts[i] = block.step(x, pasts[i], biases[i])
                if i in self.attending:
                    near = (index >= where[i][:, None] - window[0]) & (index <= where[i][:, None] + window[1])
                    x, weights = self.attentions[str(i)](x, memories[i], (~near | padding).unsqueeze(1), step)
                    where[i] = weights[:, 0].argmax(-1)
                    alignments.append(weights)
            outs.append(self.leave(x, alignments))
            group = outs[-1].mel.clamp(0, 1.2).flatten(1).unsqueeze(1)  # no runaway: no recording is louder
            # Only a decoder that has read to the end may stop.
            read = torch.stack([place >= last - 1 for place in where.values()]).any(0)
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
