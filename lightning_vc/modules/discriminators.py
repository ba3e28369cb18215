"""Networks that tell what a generator makes from recordings, and what is minimised where it must deceive them."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

_PERIODS = (2, 3, 5, 7, 11)  # by which waves are folded (Kong et al. 2020)
RESOLUTIONS = (512, 1024, 2048)  # sizes of Fourier transforms (Jang et al. 2021)
_SLOPE = 0.1  # of the leaky rectifiers

Judged = tuple[list[Tensor], list[Tensor]]  # scores of each discriminator, features of all of their layers


def generator_losses(discriminators: nn.Module, made: Tensor, real: Tensor) -> dict[str, Tensor]:
    """The least squares of both sides (HiFi-GAN's equations 1 to 6), for one optimizer that moves both at once.

    "adversarial" and "matching" move what made `made` only, "discriminators" only them.

    Args:
        discriminators: made or real, of any shape -> `Judged`.
        made: what has to pass for `real`, of the same shape.
    """
    real_scores, real_features = discriminators(real)
    false_scores, _ = discriminators(made.detach())
    discriminators.requires_grad_(False)  # the generator must not make them worse
    scores, features = discriminators(made)
    discriminators.requires_grad_(True)
    pairs = zip(features, real_features, strict=True)
    return {
        "adversarial": _off(scores, 1),
        "matching": torch.stack([F.l1_loss(feature, target.detach()) for feature, target in pairs]).mean(),
        "discriminators": _off(real_scores, 1) + _off(false_scores, 0),
    }


def zero_loss(discriminators: nn.Module) -> Tensor:
    """A zero that gives each of their weights a gradient: DDP waits for all of them."""
    return 0 * torch.stack([parameter.sum() for parameter in discriminators.parameters()]).sum()


def _off(scores: Sequence[Tensor], target: float) -> Tensor:
    """Mean square of how far the scores of each discriminator are from what they should be, summed."""
    return torch.stack([(each - target).square().mean() for each in scores]).sum()


class Discriminators(nn.Module):
    """Small ones of two kinds, of waves folded by periods and of spectrograms, each as HiFi-GAN's and UnivNet's are.

    Args:
        channels: of the first layer of those of periods; later ones have up to eight times as many.
        spectral: channels of those of spectrograms.
    """

    def __init__(self, channels: int = 16, spectral: int = 16) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [_PeriodDiscriminator(period, channels) for period in _PERIODS]
            + [_SpectralDiscriminator(n_fft, spectral) for n_fft in RESOLUTIONS]
        )

    def forward(self, waves: Tensor) -> Judged:
        """(B, 1, W) -> scores, high for recordings, and features."""
        judged = [part(waves) for part in self.parts]
        return [scores for scores, _ in judged], [feature for _, features in judged for feature in features]


class _Discriminator(nn.Module, ABC):
    """Convolutions over an image of a wave, whose features are kept, and one to the scores."""

    def __init__(self, convs: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(weight_norm(conv) for conv in convs)

    @abstractmethod
    def image(self, waves: Tensor) -> Tensor:
        """(B, 1, W) -> (B, C, ., .)."""

    def forward(self, waves: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, 1, W) -> (B, scores), features."""
        x, features = self.image(waves), []
        for conv in self.convs[:-1]:
            x = F.leaky_relu(conv(x), _SLOPE)
            features.append(x)
        return self.convs[-1](x).flatten(1), features


class _PeriodDiscriminator(_Discriminator):
    def __init__(self, period: int, channels: int) -> None:
        sizes = [1, *(channels * factor for factor in (1, 2, 4, 8))]
        convs = [nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0)) for a, b in pairwise(sizes)]
        same = nn.Conv2d(sizes[-1], sizes[-1], (5, 1), padding=(2, 0))
        super().__init__([*convs, same, nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0))])
        self.period = period

    def image(self, waves: Tensor) -> Tensor:
        return F.pad(waves, (0, -waves.shape[-1] % self.period)).unflatten(-1, (-1, self.period))


class _SpectralDiscriminator(_Discriminator):
    window: Tensor

    def __init__(self, n_fft: int, channels: int) -> None:
        convs = [nn.Conv2d(2 if not number else channels, channels, (5, 3), (2, 1), (2, 1)) for number in range(4)]
        super().__init__([*convs, nn.Conv2d(channels, 1, (3, 3), padding=(1, 1))])
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def image(self, waves: Tensor) -> Tensor:
        """Magnitudes to the power of 0.3, so that what is quiet counts too, and with phases: (B, 2, F, T)."""
        spectrum = torch.stft(
            waves.squeeze(1).float(), self.n_fft, self.n_fft // 4, window=self.window, return_complex=True
        )
        size = spectrum.abs().clamp(min=1e-5)
        return torch.view_as_real(spectrum / size * size**0.3).permute(0, 3, 1, 2)
