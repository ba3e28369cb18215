"""Which of many speakers is heard: the network of the paper's classifier, up to its embedding."""

import torch.nn.functional as F
from torch import Tensor, nn


class ConvClassifier(nn.Module):
    """One recording to the few numbers that its speaker is told from (voice cloning paper, section on evaluation).

    A layer for each frame, convolutions over time, the mean over time, and the embedding.
    """

    def __init__(
        self,
        n_mels: int = 80,
        channels: int = 256,
        conv_layers: int = 6,
        width: int = 4,
        embedding: int = 32,
        dropout: float = 0.1,
    ) -> None:
        super().__init__()
        self.embedding = embedding
        self.padding = ((width - 1) // 2, width // 2)  # the paper's width of 4 has no middle
        self.enter = nn.Sequential(nn.Linear(n_mels, channels), nn.ReLU())
        self.convs = nn.ModuleList(nn.Conv1d(channels, channels, width) for _ in range(conv_layers))
        self.norms = nn.ModuleList(nn.BatchNorm1d(channels) for _ in range(conv_layers))
        self.dropout = nn.Dropout(dropout)
        self.leave = nn.Linear(channels, embedding)

    def forward(self, mels: Tensor, mask: Tensor) -> Tensor:
        """(B, T, M), (B, T) -> (B, embedding)."""
        real = mask.unsqueeze(1)  # (B, 1, T)
        x = self.enter(mels).mT * real  # (B, H, T)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.dropout(F.relu(norm(conv(F.pad(x, self.padding))))) * real  # what pads a clip is not heard
        return self.leave(x.sum(2) / real.sum(2).clamp(min=1))
