"""Which of many speakers is heard: networks of a classifier, up to their embedding."""

from abc import ABC, abstractmethod

import torch.nn.functional as F
from torch import Tensor, nn

import lightning_vc.audio.backend  # noqa: F401  # before speechbrain, which imports torchaudio

from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN  # isort: skip


class SpeakerClassifier(nn.Module, ABC):
    """One recording to the few numbers that its speaker is told from.

    Attributes:
        embedding: E, how many numbers.
    """

    embedding: int

    @abstractmethod
    def forward(self, mels: Tensor, mask: Tensor) -> Tensor:
        """(B, T, M) and which frames are real (B, T), the first ones -> (B, E)."""


class ConvClassifier(SpeakerClassifier):
    """The paper's (section on evaluation): a layer for each frame, convolutions over time, and the mean over time."""

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
        real = mask.unsqueeze(1)  # (B, 1, T)
        x = self.enter(mels).mT * real  # (B, H, T)
        for conv, norm in zip(self.convs, self.norms, strict=True):
            x = self.dropout(F.relu(norm(conv(F.pad(x, self.padding))))) * real  # what pads a clip is not heard
        return self.leave(x.sum(2) / real.sum(2).clamp(min=1))


class ECAPAClassifier(SpeakerClassifier):
    """ECAPA-TDNN (Desplanques et al. 2020) as speechbrain has it; far better than the paper's on few recordings."""

    def __init__(self, n_mels: int = 80, channels: int = 128, embedding: int = 192) -> None:
        super().__init__()
        self.embedding = embedding
        self.network = ECAPA_TDNN(n_mels, channels=[channels] * 4 + [3 * channels], lin_neurons=embedding)

    def forward(self, mels: Tensor, mask: Tensor) -> Tensor:
        heard: Tensor = self.network(mels * mask.unsqueeze(-1), mask.float().mean(1))  # (B, 1, E)
        return heard.squeeze(1)
