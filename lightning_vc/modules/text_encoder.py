"""Text to the keys and values of attention."""

import torch
from torch import Tensor, nn

from lightning_vc.modules.layers import HALF, ConvBlock, SpeakerBias, projection
from lightning_vc.text.symbols import SYMBOLS


class TextEncoder(nn.Module):
    """Symbol embedding, non-causal convolution blocks, keys and values (Deep Voice 3, section 3.4)."""

    def __init__(
        self,
        speaker_dim: int = 512,
        embedding: int = 256,
        channels: int = 256,
        layers: int = 7,
        width: int = 5,
        dropout: float = 0.01,
        n_symbols: int = len(SYMBOLS),
    ) -> None:
        super().__init__()
        self.n_symbols = n_symbols
        self.embed = nn.Embedding(n_symbols, embedding, padding_idx=0)
        nn.init.normal_(self.embed.weight, std=0.1)
        with torch.no_grad():
            self.embed.weight[0] = 0
        self.speaker_in = SpeakerBias(speaker_dim, embedding)
        self.enter = projection(embedding, channels)
        self.blocks = nn.ModuleList(ConvBlock(channels, width, speaker_dim, dropout) for _ in range(layers))
        self.leave = projection(channels, embedding)
        self.speaker_out = SpeakerBias(speaker_dim, embedding)
        self.dim = embedding

    def forward(self, text: Tensor, speaker: Tensor) -> tuple[Tensor, Tensor]:
        """(B, L), (B, E) -> keys (B, L, H), values (B, L, H); padding is masked in each layer."""
        mask = (text != 0).unsqueeze(1)  # (B, 1, L)
        symbols = self.embed(text) + self.speaker_in(speaker).unsqueeze(1)  # (B, L, H)
        x = self.enter(symbols).mT * mask  # (B, H, L)
        for block in self.blocks:
            x = block(x, speaker) * mask
        keys = self.leave(x.mT) + self.speaker_out(speaker).unsqueeze(1)  # (B, L, H)
        return keys, (keys + symbols) * HALF
