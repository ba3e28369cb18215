"""Features of steps to features of frames, such as the linear spectrogram."""

from torch import Tensor, nn

from lightning_vc.modules.layers import ConvBlock, projection


class Converter(nn.Module):
    """Upsampling of each step to r frames, then non-causal convolution blocks (Deep Voice 3, section 3.6)."""

    def __init__(
        self,
        hidden: int = 256,
        speaker_dim: int = 512,
        n_bins: int = 2049,
        reduction: int = 4,
        channels: int = 256,
        layers: int = 8,
        width: int = 5,
        dropout: float = 0.01,
    ) -> None:
        super().__init__()
        self.reduction, self.channels = reduction, channels
        self.enter = projection(hidden, channels * reduction)
        self.blocks = nn.ModuleList(ConvBlock(channels, width, speaker_dim, dropout) for _ in range(layers))
        self.leave = projection(channels, n_bins)

    def forward(self, hidden: Tensor, speaker: Tensor, mask: Tensor | None = None) -> Tensor:
        """(B, H, S), (B, E), mask of frames without padding (B, S * r) or None for all -> (B, S * r, F)."""
        x = self.enter(hidden.mT).unflatten(-1, (self.reduction, self.channels)).flatten(1, 2).mT  # (B, H, T)
        for block in self.blocks:
            if mask is not None:
                x = x * mask.unsqueeze(1)
            x = block(x, speaker)
        features: Tensor = self.leave(x.mT)
        return features
