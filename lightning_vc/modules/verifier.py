"""Do recordings come from one speaker: a network that hears each of them, and a score for two speakers."""

from abc import ABC, abstractmethod

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lightning_vc.audio.backend  # noqa: F401  # before speechbrain, which imports torchaudio
from lightning_vc.audio.features import Spectrograms

from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN  # isort: skip


class SpeakerVerifier(nn.Module, ABC):
    """Hears one recording at a time; what it heard of several is averaged, projected and compared.

    Two speakers x and y get the score w x·y - x'Sx - y'Sy + b with a symmetric S (voice cloning paper): the log odds
    that they are one.

    Args:
        embedding: E, how many numbers are compared.
        project: mean of what was heard (..., H) to what is compared (..., E).
        weight, bias: w and b at first; S is 0.
    """

    def __init__(self, embedding: int, project: nn.Module, weight: float = 1.0, bias: float = 0.0) -> None:
        super().__init__()
        self.embedding, self.project = embedding, project
        self.weight, self.bias = nn.Parameter(torch.tensor(weight)), nn.Parameter(torch.tensor(bias))
        self.within = nn.Parameter(torch.zeros(embedding, embedding))

    @abstractmethod
    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, W) of so many samples (B,) -> what was heard of each (B, H)."""

    def speaker(self, heard: Tensor) -> Tensor:
        """N recordings of each of B speakers (B, N, H) -> speakers (B, E)."""
        return self.project(heard.mean(1))

    def score(self, x: Tensor, y: Tensor) -> Tensor:
        """Each of the speakers (B, E) with each of (C, E) -> log odds (B, C)."""
        symmetric = (self.within + self.within.mT) / 2
        own, other = (((each @ symmetric) * each).sum(-1) for each in (x, y))  # (B,), (C,)
        return self.weight * x @ y.mT - own[:, None] - other + self.bias


class ConvGRUVerifier(SpeakerVerifier):
    """The paper's: a convolution over time and frequency, a GRU, the mean over time."""

    def __init__(
        self,
        spectrograms: Spectrograms,
        n_mels: int = 80,
        channels: int = 64,
        kernel: tuple[int, int] = (20, 5),
        stride: tuple[int, int] = (8, 2),
        hidden: int = 128,
        embedding: int = 128,
        dropout: float = 0.1,
    ) -> None:
        super().__init__(embedding, nn.Linear(hidden, embedding))
        self.spectrograms, self.kernel, self.stride = spectrograms, kernel, stride
        self.conv = nn.Conv2d(1, channels, kernel, stride)
        self.norm = nn.BatchNorm2d(channels)
        self.dropout = nn.Dropout(dropout)
        self.rnn = nn.GRU(channels * ((n_mels - kernel[1]) // stride[1] + 1), hidden, batch_first=True)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        mels = self.spectrograms.mel(waves)  # (B, T, M)
        spare = max(0, self.kernel[0] - mels.shape[1])  # of what is shorter than the filter
        x = F.relu(self.norm(self.conv(F.pad(mels, (0, 0, 0, spare)).unsqueeze(1))))  # (B, H, T', M')
        states, _ = self.rnn(self.dropout(x.transpose(1, 2).flatten(2)))  # (B, T', H)
        steps = 1 + (self.spectrograms.frames(lengths) - self.kernel[0]).clamp(min=0) // self.stride[0]  # (B,)
        real = (torch.arange(states.shape[1], device=states.device) < steps[:, None]).unsqueeze(-1)  # (B, T', 1)
        return (states * real).sum(1) / real.sum(1)


class UnitLength(nn.Module):
    """Vectors of length 1 in the same direction; any shape."""

    def forward(self, x: Tensor) -> Tensor:
        return F.normalize(x, dim=-1)


class ECAPAVerifier(SpeakerVerifier):
    """ECAPA-TDNN (Desplanques et al. 2020) as speechbrain has it, before the score of the paper."""

    def __init__(self, spectrograms: Spectrograms, n_mels: int = 80, channels: int = 512, embedding: int = 192) -> None:
        super().__init__(embedding, UnitLength(), weight=10.0, bias=-5.0)
        self.spectrograms = spectrograms
        self.network = ECAPA_TDNN(n_mels, channels=[channels] * 4 + [3 * channels], lin_neurons=embedding)
        # The paper's last layer, which speechbrain leaves out: it takes away what all voices have in common.
        self.norm = nn.BatchNorm1d(embedding)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        mels, frames = self.spectrograms.mel(waves), self.spectrograms.frames(lengths)  # (B, T, M), (B,)
        real = torch.arange(mels.shape[1], device=mels.device) < frames[:, None]  # (B, T)
        mean = (mels * real.unsqueeze(-1)).sum(1, keepdim=True) / frames[:, None, None]  # (B, 1, M) the microphone
        heard: Tensor = self.network((mels - mean) * real.unsqueeze(-1), frames / mels.shape[1])  # (B, 1, E)
        return F.normalize(self.norm(heard.squeeze(1)), dim=-1)
