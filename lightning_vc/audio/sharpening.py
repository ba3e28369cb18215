"""What is done to a spectrogram that a model predicts, dull as an average is, before it becomes sound."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace

import torch
import torch.nn.functional as F
from torch import Tensor

from lightning_vc.audio.features import Spectrograms, magnitude

_AROUND = 400.0  # hertz: wider than harmonics are apart, narrower than formants are
_QUIETEST = 0.1  # share of the frames in which a frequency has noise alone
_BESIDE = 9  # bins over which that is averaged
_MOST = 100.0  # of any setting: far more than makes speech
_LEFT = 0.1  # of a magnitude, where all of it is taken for noise


@dataclass(frozen=True)
class Sharpening:
    """Powers of magnitudes, then spectral subtraction of steady noise; as it is, nothing.

    Args:
        power: of all magnitudes (1.4 in Deep Voice 3): what is loud stands out, noise sinks.
        contrast: to this power too those relative to what is around them in frequency: harmonics stand out, while
            formants stay as they are.
        denoise: so many times the power that a frequency has in the quietest tenth of the frames is subtracted from it
            (Boll 1979; Berouti et al. 1979), by 20 dB at most.

    Raises:
        ValueError: for settings that make no sound.
    """

    power: float = 1.0
    contrast: float = 1.0
    denoise: float = 0.0

    def __post_init__(self) -> None:
        """Refuse what makes no sense."""
        if not (0 < self.power <= _MOST and 0 < self.contrast <= _MOST and 0 <= self.denoise <= _MOST):
            raise ValueError(
                f"sharpening needs power and contrast above 0 and denoise of 0 or more, all up to {_MOST:.0f}, "
                f"got power={self.power}, contrast={self.contrast}, denoise={self.denoise}"
            )

    def otherwise(self, settings: Mapping[str, float]) -> "Sharpening":
        """The same with some settings that are others; raises ValueError for those that there are not."""
        if unknown := settings.keys() - asdict(self):
            raise ValueError(f"adapted has no setting {', '.join(sorted(unknown))}: give {', '.join(asdict(self))}")
        return replace(self, **settings)

    def __call__(self, linear: Tensor, spectrograms: Spectrograms) -> Tensor:
        """A linear spectrogram in decibels (B, T, F) -> magnitudes (B, F, T)."""
        around = 2 * round(_AROUND * spectrograms.n_fft / spectrograms.sample_rate / 2) + 1  # bins
        envelope = F.avg_pool1d(linear, around, 1, around // 2, count_include_pad=False)
        sharp = 1 + self.power * (envelope - 1 + self.contrast * (linear - envelope))  # powers multiply decibels
        return self._denoised(magnitude(sharp).mT) if self.denoise else magnitude(sharp).mT

    def _denoised(self, magnitudes: Tensor) -> Tensor:
        """(B, F, T) -> (B, F, T)."""
        quiet = magnitudes.quantile(_QUIETEST, 2).unsqueeze(1)  # (B, 1, F)
        noise = F.avg_pool1d(quiet, _BESIDE, 1, _BESIDE // 2, count_include_pad=False).mT  # (B, F, 1)
        share = self.denoise * (noise / magnitudes.clamp(min=torch.finfo(magnitudes.dtype).tiny)).square()
        return magnitudes * (1 - share).clamp(min=_LEFT**2).sqrt()
