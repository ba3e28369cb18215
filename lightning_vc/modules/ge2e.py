"""A speaker encoder over a frozen speaker verification network: GE2E (Wan et al. 2018, arXiv:1710.10467)."""

from collections.abc import Iterable

import torch
import torch.nn.functional as F
from torch import Tensor, nn

from lightning_vc.audio.backend import torchaudio
from lightning_vc.modules.speaker_encoder import SpeakerEncoder

_SAMPLE_RATE = 16000  # Hz
_WINDOW, _HOP = 400, 160  # samples: 25 and 10 ms
_MELS = 40
_SEGMENT, _STEP = 160, 77  # frames of a segment, and between the starts of two: 1.6 s, and 1.3 segments a second
_LEAST = 0.75  # share of the last segment that has to be inside of the recording
_SIZE = 256  # of the states and of the vector
_AT_ONCE = 128  # segments, bounds memory


class GE2E(nn.Module):
    """Recordings to unit vectors by three LSTM layers over mel spectrograms of power; no logarithm, no pre-emphasis.

    A recording at 16 kHz is cut into segments of 1.6 s. Its vector is the mean of theirs, scaled to length 1.
    """

    def __init__(self) -> None:
        super().__init__()
        self.sample_rate = _SAMPLE_RATE
        with torch.device("cpu"):  # torchaudio cannot read values on the device "meta"
            mel = torchaudio.transforms.MelScale(
                _MELS, _SAMPLE_RATE, n_stft=_WINDOW // 2 + 1, norm="slaney", mel_scale="slaney"
            )
            window = torch.hann_window(_WINDOW)
        self.window: Tensor
        self.bands: Tensor
        self.register_buffer("window", window, persistent=False)
        self.register_buffer("bands", mel.fb, persistent=False)  # (F, M)
        self.lstm = nn.LSTM(_MELS, _SIZE, num_layers=3, batch_first=True)
        self.linear = nn.Linear(_SIZE, _SIZE)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, W) with lengths (B,) in samples -> unit vectors (B, 256)."""
        starts, real = _segments(waves.shape[1], lengths)  # (S,), (B, S)
        inside = torch.arange(waves.shape[1], device=waves.device) < lengths.unsqueeze(1)
        missing = (int(starts[-1]) + _SEGMENT) * _HOP - waves.shape[1]
        mels = self.mel(F.pad(waves * inside, (0, max(0, missing))))  # (B, T, M)
        segments = mels.unfold(1, _SEGMENT, _STEP)[:, : len(starts)].mT[real]  # (real ones, 160, M)
        vectors = waves.new_zeros(*real.shape, _SIZE)  # (B, S, 256)
        vectors[real] = torch.cat([self.embed(part) for part in segments.split(_AT_ONCE)])
        return F.normalize(vectors.sum(1), dim=-1)

    def mel(self, waves: Tensor) -> Tensor:
        """(B, W) -> mel spectrograms of power (B, W // 160 + 1, 40)."""
        stft = torch.stft(waves, _WINDOW, _HOP, window=self.window, pad_mode="constant", return_complex=True)
        return stft.abs().square().mT @ self.bands

    def embed(self, mels: Tensor) -> Tensor:
        """Mel spectrograms of segments (B, 160, 40) -> unit vectors (B, 256)."""
        _, (state, _) = self.lstm(mels)
        return F.normalize(F.relu(self.linear(state[-1])), dim=-1)


class GE2EEncoder(SpeakerEncoder):
    """A linear map from the mean of the recordings' GE2E vectors to a speaker embedding.

    `GE2E` is frozen. Training begins from its published weights (`--pretrained.encoder` of `encoder fit`).

    Args:
        speaker_dim: E, size of an embedding.
        embedding_gain: as in `SpeakerEncoder`.
    """

    def __init__(self, speaker_dim: int = 512, embedding_gain: float = 1.0) -> None:
        super().__init__(embedding_gain)
        self.network = GE2E()
        self.head = nn.Linear(_SIZE, speaker_dim)
        nn.init.zeros_(self.head.weight)

    def trainable(self) -> Iterable[nn.Parameter]:
        return self.head.parameters()

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        with torch.no_grad():
            vectors = self.network(waves.flatten(0, 1), lengths.flatten()).unflatten(0, lengths.shape)  # (B, N, 256)
        return self.head(F.layer_norm(vectors.mean(1), (_SIZE,)))


def _segments(samples: int, lengths: Tensor) -> tuple[Tensor, Tensor]:
    """First frames of the segments of recordings (B, `samples`), and which of them each one has; (S,), (B, S).

    The last segment of a recording may end after it by a quarter; the first one by more.
    """
    frames = samples // _HOP + 1
    starts = torch.arange(0, max(1, frames - _SEGMENT + _STEP + 1), _STEP, device=lengths.device)
    covered = (lengths.unsqueeze(1) / _HOP - starts) / _SEGMENT
    return starts, (covered >= _LEAST) | (starts == 0)
