"""Waveforms to spectrograms, in batches and on the device of the waveforms."""

import torch
from torch import Tensor, nn

from lightning_vc.audio.backend import torchaudio
from lightning_vc.types import Spectra

MAX_FFT = 8192  # samples
_MOST_MELS = 512
_LARGEST_OVERLAP = 64  # frames that contain one sample
_MAX_VALUES = 2**19  # of a second of linear spectrogram; 48 kHz with n_fft 4096 and hop 256 has 384,000
_FLOOR = 1e-5  # lowest magnitude: -100 dB, 0 on the normalised scale


class Spectrograms(nn.Module):
    """Magnitude spectrograms with pre-emphasis, linear and mel, in decibels scaled so that [-100, 0] dB becomes [0, 1].

    A waveform of W samples has W // hop + 1 frames; frame t is centred on sample t * hop. The defaults are those of
    Deep Voice 3 for LibriSpeech with the finer frames of the voice cloning paper (docs/paper.md).

    Raises ValueError for invalid or too large sizes.
    """

    def __init__(
        self,
        sample_rate: int = 16000,
        n_fft: int = 4096,
        window: int = 1200,
        hop: int = 300,
        n_mels: int = 80,
        preemphasis: float = 0.97,
    ) -> None:
        super().__init__()
        if not (0 < hop <= window <= n_fft <= MAX_FFT and n_fft <= _LARGEST_OVERLAP * hop):
            raise ValueError(
                f"need 0 < hop <= window <= n_fft <= {MAX_FFT} and n_fft <= {_LARGEST_OVERLAP} * hop, "
                f"got hop={hop}, window={window}, n_fft={n_fft}"
            )
        max_mels = min(_MOST_MELS, n_fft // 2 + 1)
        if not (1000 <= sample_rate <= 768_000 and 1 <= n_mels <= max_mels and 0 <= preemphasis < 1):
            raise ValueError(
                f"spectrograms need a sample_rate from 1000 to 768000, n_mels from 1 to {max_mels} and preemphasis "
                f"from 0 to below 1, got sample_rate={sample_rate}, n_mels={n_mels}, preemphasis={preemphasis}"
            )
        if sample_rate * (n_fft // 2 + 1) > hop * _MAX_VALUES:
            raise ValueError(
                f"a second of spectrogram may have {_MAX_VALUES} values, sample_rate={sample_rate}, n_fft={n_fft} and "
                f"hop={hop} make {sample_rate * (n_fft // 2 + 1) // hop}: take a larger hop"
            )
        self.sample_rate, self.n_fft, self.window, self.hop = sample_rate, n_fft, window, hop
        self.n_mels, self.n_bins, self.preemphasis = n_mels, n_fft // 2 + 1, preemphasis
        # Not on the device "meta": torchaudio reads values, and arithmetic there imports torch's compiler (2 s).
        with torch.device("cpu"):
            self.stft = torchaudio.transforms.Spectrogram(n_fft, window, hop, power=1)
            self.mel_scale = torchaudio.transforms.MelScale(
                n_mels, sample_rate, n_stft=self.n_bins, norm="slaney", mel_scale="slaney"
            )
            rotation = torch.exp(-1j * torch.linspace(0, torch.pi, self.n_bins))
        # Weights sum to one, so that a mel band is an average of bins and has their scale.
        self.mel_scale.fb /= self.mel_scale.fb.sum(0, keepdim=True).clamp(min=1e-8)
        # Pre-emphasis is applied as a factor for each bin, which can be undone without recursion over samples.
        self.emphasis: Tensor
        self.register_buffer("emphasis", (1 - preemphasis * rotation).abs().unsqueeze(-1), persistent=False)  # (F, 1)

    def forward(self, waves: Tensor) -> Spectra:
        """(B, W) -> mel (B, T, M), linear (B, T, F)."""
        magnitude = self.magnitude(waves)
        return Spectra(decibels(self.mel_scale(magnitude)).mT, decibels(magnitude).mT)

    def mel(self, waves: Tensor) -> Tensor:
        """Compute the mel spectrogram only: (..., W) -> (..., T, M)."""
        return decibels(self.mel_scale(self.magnitude(waves))).mT

    def mel_of(self, linear: Tensor) -> Tensor:
        """Convert a linear to a mel spectrogram, both in decibels: (..., T, F) -> (..., T, M)."""
        return decibels(self.mel_scale(magnitude(linear).mT)).mT

    @torch.no_grad()
    def linear_of(self, mel: Tensor, iterations: int = 50, inverse: Tensor | None = None) -> Tensor:
        """Estimate the linear spectrogram of a mel spectrogram, both in decibels: (..., T, M) -> (..., T, F).

        Non-negative least squares by multiplicative steps (Lee and Seung 2001), from the pseudo-inverse of the filter
        bank (M, F), which is computed unless it is given as `inverse`.
        """
        bands, target = self.mel_scale.fb, magnitude(mel)
        start = torch.linalg.pinv(bands) if inverse is None else inverse
        linear = (target @ start).clamp(min=_FLOOR)
        for _ in range(iterations):
            linear = linear * (target @ bands.mT) / (linear @ bands @ bands.mT).clamp(min=1e-8)
        return decibels(linear)

    @property
    def settings(self) -> dict[str, float]:
        """The arguments of the constructor."""
        names = ("sample_rate", "n_fft", "window", "hop", "n_mels", "preemphasis")
        return {name: getattr(self, name) for name in names}

    def magnitude(self, waves: Tensor) -> Tensor:
        """(..., W) -> (..., F, T), at most about 1 for a full-scale sine."""
        return self.stft(waves) * self.emphasis * (2 / self.window)

    def undo(self, magnitude: Tensor) -> Tensor:
        """Undo pre-emphasis and scaling: magnitudes of a short-time Fourier transform; both (..., F, T)."""
        return magnitude / self.emphasis * (self.window / 2)

    def frames(self, samples: Tensor) -> Tensor:
        """Convert numbers of samples to numbers of frames; any shape."""
        return samples // self.hop + 1


def decibels(magnitude: Tensor) -> Tensor:
    """Magnitude to the normalised scale: 1 is 0 dB, 0 is -100 dB."""
    return 1 + torch.log10(magnitude.clamp(min=_FLOOR)) / 5


def magnitude(decibels: Tensor) -> Tensor:
    """The inverse of `decibels`."""
    return 10 ** (5 * (decibels - 1))
