"""Recordings to a speaker embedding."""

import math
from abc import ABC, abstractmethod
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms

_MAX_GAIN = 100.0


class SpeakerEncoder(nn.Module, ABC):
    """A few recordings of one speaker to one speaker embedding.

    Args:
        embedding_gain: predicted embeddings are moved away from the mean of the learned ones by this factor, which
            compensates regression to the mean.

    Raises:
        ValueError: for a gain that is not above 0, or above 100.
    """

    def __init__(self, embedding_gain: float = 1.0) -> None:
        super().__init__()
        self.embedding_gain: Tensor
        self.register_buffer("embedding_gain", torch.tensor(_checked_gain(float(embedding_gain))))
        self._tts: Tensor  # fingerprint as bytes, a buffer so that it is saved with the weights
        self.register_buffer("_tts", torch.zeros(8, dtype=torch.uint8))

    @abstractmethod
    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, N, W) with lengths (B, N) in samples -> speaker embeddings (B, E)."""

    def predict(self, waves: Tensor, lengths: Tensor, table: Tensor) -> Tensor:
        """As `forward`, with `embedding_gain` applied around the mean of the learned embeddings (speakers, E).

        Raises ValueError for a gain out of bounds, which a file may hold.
        """
        return apply_gain(self(waves, lengths), table, _checked_gain(self.embedding_gain.item()))

    @property
    def tts_fingerprint(self) -> str:
        """Fingerprint of the `TTSModel` whose embeddings are predicted: 16 hex digits, all 0 before training."""
        return bytes(self._tts.tolist()).hex()

    @tts_fingerprint.setter
    def tts_fingerprint(self, fingerprint: str) -> None:
        self._tts.copy_(torch.tensor(list(bytes.fromhex(fingerprint)), dtype=torch.uint8))


def _checked_gain(gain: float) -> float:
    if not 0 < gain <= _MAX_GAIN:
        raise ValueError(f"embedding_gain is a factor above 0, up to {_MAX_GAIN}, got {gain:g}")
    return gain


def apply_gain(embedding: Tensor, table: Tensor, gain: float) -> Tensor:
    """Move embeddings (..., E) away from the mean of a speaker table (speakers, E) by a factor."""
    mean = table.detach().mean(0)
    return mean + gain * (embedding - mean) if gain != 1 else embedding


class ResidualGLU(nn.Module):
    """Convolution over time, gated linear unit, residual: (B, H, T) -> (B, H, T)."""

    def __init__(self, channels: int, width: int) -> None:
        super().__init__()
        self.conv = nn.Conv1d(channels, 2 * channels, width)
        self.padding = ((width - 1) // 2, width // 2)  # an even width, such as the paper's 12, is asymmetric

    def forward(self, x: Tensor) -> Tensor:
        return (F.glu(self.conv(F.pad(x, self.padding)), 1) + x) * math.sqrt(0.5)


class ClipAttention(nn.Module):
    """Weights of the recordings, which sum to 1, by self-attention among them: (B, N, H) -> (B, N).

    The paper's softsign scores may be negative or sum to 0, so they are normalised as (1 + score) / sum(1 + score).
    """

    def __init__(self, channels: int, attention: int, heads: int) -> None:
        super().__init__()
        self.query, self.key, self.value = (nn.Sequential(nn.Linear(channels, attention), nn.ELU()) for _ in range(3))
        self.attend = nn.MultiheadAttention(attention, heads, batch_first=True)
        self.score = nn.Linear(attention, 1)

    def forward(self, x: Tensor) -> Tensor:
        attended, _ = self.attend(self.query(x), self.key(x), self.value(x), need_weights=False)
        score = 1 + F.softsign(self.score(attended).squeeze(-1))  # (B, N) in (0, 2)
        return score / score.sum(-1, keepdim=True)


class ConvAttentionEncoder(SpeakerEncoder):
    """The paper's encoder: spectral, temporal and clip-attention parts (section 3.3 and its figure).

    One model takes any number of recordings, of any length.

    Args:
        spectrograms: settings of the mel spectrograms that are its input.
        speaker_dim: E, size of an embedding.
        channels, prenet_layers, conv_layers, width: of the spectral and temporal parts.
        attention, heads: size and heads of the attention among recordings.
        embedding_gain: as in `SpeakerEncoder`.
    """

    def __init__(
        self,
        spectrograms: Spectrograms,
        speaker_dim: int = 512,
        channels: int = 128,
        prenet_layers: int = 2,
        conv_layers: int = 2,
        width: int = 12,
        attention: int = 128,
        heads: int = 2,
        embedding_gain: float = 1.0,
    ) -> None:
        super().__init__(embedding_gain)
        self.spectrograms = spectrograms
        sizes = (spectrograms.n_mels, *[channels] * prenet_layers)
        self.prenet = nn.Sequential(*(nn.Sequential(nn.Linear(i, o), nn.ELU()) for i, o in pairwise(sizes)))
        self.convs = nn.ModuleList(ResidualGLU(channels, width) for _ in range(conv_layers))
        self.clip_attention = ClipAttention(channels, attention, heads)
        self.embed = nn.Linear(channels, speaker_dim)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        mels = self.spectrograms.mel(waves)  # (B, N, T, M)
        frames = self.spectrograms.frames(lengths).unsqueeze(-1)  # (B, N, 1)
        return self.from_mels(mels, torch.arange(mels.shape[2], device=mels.device) < frames)

    def from_mels(self, mels: Tensor, mask: Tensor) -> Tensor:
        """Mel spectrograms (B, N, T, M), mask of frames without padding (B, N, T) -> (B, E)."""
        clips, clip_mask = mels.flatten(0, 1), mask.flatten(0, 1).unsqueeze(1)  # (B·N, T, M), (B·N, 1, T)
        x = self.prenet(clips).mT * clip_mask  # (B·N, H, T)
        for conv in self.convs:
            x = conv(x) * clip_mask  # masked after each layer, so that padding does not leak in
        mean = x.sum(2) / clip_mask.sum(2).clamp(min=1)  # (B·N, H)
        pooled = mean.unflatten(0, mels.shape[:2])  # (B, N, H)
        return torch.einsum("bn,bne->be", self.clip_attention(pooled), self.embed(pooled))
