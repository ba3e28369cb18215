"""Recordings to embeddings for speaker recognition, which are compared by their cosine."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

import lightning_vc.audio.backend  # noqa: F401  # before speechbrain, which imports torchaudio
from lightning_vc.audio.features import Spectrograms

from speechbrain.lobes.models.ECAPA_TDNN import ECAPA_TDNN  # isort: skip


class SpeakerEmbedder(nn.Module):
    """ECAPA-TDNN (Desplanques et al. 2020) of speechbrain, on mel spectrograms minus their mean over time.

    Args:
        spectrograms: settings of the mel spectrograms that are its input.
        channels: of the convolutions; 512 or 1,024 in the paper.
        embedding_dim: E.
    """

    def __init__(self, spectrograms: Spectrograms, channels: int = 512, embedding_dim: int = 192) -> None:
        super().__init__()
        self.spectrograms, self.embedding_dim = spectrograms, embedding_dim
        sizes = [channels] * 4 + [3 * channels]
        self.network = ECAPA_TDNN(spectrograms.n_mels, channels=sizes, lin_neurons=embedding_dim)
        self.norm = nn.BatchNorm1d(embedding_dim)  # the paper's last layer, which speechbrain's network lacks

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, W) with lengths (B,) in samples -> embeddings of unit length (B, E)."""
        mels, frames = self.spectrograms.mel(waves), self.spectrograms.frames(lengths)  # (B, T, M), (B,)
        mask = (torch.arange(mels.shape[1], device=mels.device) < frames[:, None]).unsqueeze(-1)  # (B, T, 1)
        mean = (mels * mask).sum(1, keepdim=True) / frames[:, None, None]  # (B, 1, M), an estimate of the channel
        embeddings: Tensor = self.network((mels - mean) * mask, frames / mels.shape[1])  # (B, 1, E)
        return F.normalize(self.norm(embeddings.squeeze(1)), dim=-1)


class SpeakerRecognizer(nn.Module):
    """A classifier of the training speakers, whose embeddings verify any speaker.

    Args:
        network: recordings to embeddings.
        speakers: ids of the classes; recipes link them from the data.
        scale: of the cosines before the softmax.
    """

    def __init__(self, network: SpeakerEmbedder, speakers: list[str], scale: float = 30.0) -> None:
        super().__init__()
        self.network, self.speakers, self.scale = network, speakers, scale
        self.classes = nn.Linear(network.embedding_dim, len(speakers), bias=False)

    def embed(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, W) with lengths (B,) in samples -> embeddings of unit length (B, E)."""
        embeddings: Tensor = self.network(waves, lengths)
        return embeddings

    def cosines(self, embeddings: Tensor) -> Tensor:
        """Embeddings (B, E) -> cosines to the classes (B, speakers)."""
        return F.linear(embeddings, F.normalize(self.classes.weight))

    def classify(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, W) with lengths (B,) in samples -> log-probabilities of `speakers` (B, speakers)."""
        return F.log_softmax(self.scale * self.cosines(self.embed(waves, lengths)), -1)
