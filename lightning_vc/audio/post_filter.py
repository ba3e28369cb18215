"""Post-filter for predicted spectrograms, which are over-smoothed."""

from dataclasses import dataclass

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_vc.audio.features import Spectrograms, magnitude

_ENVELOPE_WIDTH = 400.0  # hertz: wider than the spacing of harmonics, narrower than that of formants
_NOISE_QUANTILE = 0.1  # quantile over frames that estimates the noise of a frequency
_NOISE_BINS = 9  # bins over which the noise is averaged
_LARGEST = 100.0  # highest value of any setting
_NOISE_FLOOR = 0.1  # least gain of spectral subtraction


@dataclass(frozen=True)
class PostFilter:
    """Powers of magnitudes, then spectral subtraction of stationary noise; the defaults change nothing.

    Args:
        power: of all magnitudes (1.4 in Deep Voice 3).
        contrast: a further power of magnitudes relative to their envelope over frequency, which sharpens harmonics and
            keeps formants.
        denoise: factor of the noise power that is subtracted from each frequency, by 20 dB at most; the noise is
            estimated from the quietest tenth of the frames (Boll 1979; Berouti et al. 1979).

    Raises ValueError for a setting that is out of bounds.
    """

    power: float = 1.0
    contrast: float = 1.0
    denoise: float = 0.0

    def __post_init__(self) -> None:
        """Check the bounds."""
        if not (0 < self.power <= _LARGEST and 0 < self.contrast <= _LARGEST and 0 <= self.denoise <= _LARGEST):
            raise ValueError(
                f"a post-filter needs power and contrast above 0 and denoise of 0 or more, all up to {_LARGEST:.0f}, "
                f"got power={self.power}, contrast={self.contrast}, denoise={self.denoise}"
            )

    def __call__(self, linear: Tensor, spectrograms: Spectrograms) -> Tensor:
        """Decibels (B, T, F) to magnitudes without pre-emphasis (B, F, T) of the same energy."""
        plain = spectrograms.undo(magnitude(linear).mT)
        if self == PostFilter():
            return plain
        width = 2 * round(_ENVELOPE_WIDTH * spectrograms.n_fft / spectrograms.sample_rate / 2) + 1  # bins
        envelope = F.avg_pool1d(linear, width, 1, width // 2, count_include_pad=False)
        sharp = magnitude(1 + self.power * (envelope - 1 + self.contrast * (linear - envelope))).mT  # (B, F, T)
        filtered = spectrograms.undo(self._denoised(sharp) if self.denoise else sharp)
        energy = filtered.norm(dim=(1, 2), keepdim=True).clamp(min=torch.finfo(filtered.dtype).tiny)
        return filtered * (plain.norm(dim=(1, 2), keepdim=True) / energy)

    def _denoised(self, magnitudes: Tensor) -> Tensor:
        """Subtract stationary noise: (B, F, T) -> (B, F, T)."""
        quiet = magnitudes.quantile(_NOISE_QUANTILE, 2).unsqueeze(1)  # (B, 1, F)
        noise = F.avg_pool1d(quiet, _NOISE_BINS, 1, _NOISE_BINS // 2, count_include_pad=False).mT  # (B, F, 1)
        share = self.denoise * (noise / magnitudes.clamp(min=torch.finfo(magnitudes.dtype).tiny)).square()
        return magnitudes * (1 - share).clamp(min=_NOISE_FLOOR**2).sqrt()
