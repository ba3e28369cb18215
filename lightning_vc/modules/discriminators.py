"""Networks that tell what a generator makes from recordings, and what is minimised where it must deceive them."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from itertools import pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

_PERIODS = (2, 3, 5, 7, 11)  # by which waves are folded (Kong et al. 2020)
RESOLUTIONS = (512, 1024, 2048)  # sizes of Fourier transforms (Jang et al. 2021)
_SLOPE = 0.1  # of the leaky rectifiers

Judged = tuple[list[Tensor], list[list[Tensor]]]  # by each discriminator: scores, and features of each of its layers


def deception(discriminators: nn.Module, made: Tensor, real: Tensor) -> dict[str, Tensor]:
    """The least squares of both sides (HiFi-GAN's equations 1 to 6), for one optimizer that moves both at once.

    "adversarial" and "matching" move what made `made` only, "discriminators" only them.

    Args:
        discriminators: made or real, of any shape -> `Judged`.
        made: what has to pass for `real`, of the same shape.
    """
    real_scores, real_features = discriminators(real)
    false_scores, _ = discriminators(made.detach())
    with _frozen(discriminators):  # the generator must not make them worse
        scores, features = discriminators(made)
    known = [each.detach() for each in _flat(real_features)]
    return {
        "adversarial": _off(scores, 1),
        "matching": torch.stack([F.l1_loss(*pair) for pair in zip(_flat(features), known, strict=True)]).mean(),
        "discriminators": _off(real_scores, 1) + _off(false_scores, 0),
    }


def at_rest(discriminators: nn.Module) -> Tensor:
    """A zero that gives each of their weights a gradient: DDP waits for all of them."""
    return 0 * torch.stack([parameter.sum() for parameter in discriminators.parameters()]).sum()


@contextmanager
def _frozen(module: nn.Module) -> Iterator[None]:
    moving = [parameter for parameter in module.parameters() if parameter.requires_grad]
    for parameter in moving:
        parameter.requires_grad_(False)
    yield
    for parameter in moving:
        parameter.requires_grad_(True)


def _off(scores: Sequence[Tensor], target: float) -> Tensor:
    """Mean square of how far the scores of each discriminator are from what they should be, summed."""
    return torch.stack([(each - target).square().mean() for each in scores]).sum()


def _flat(features: Sequence[Sequence[Tensor]]) -> list[Tensor]:
    return [each for layers in features for each in layers]


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
        return [scores for scores, _ in judged], [features for _, features in judged]


class _Layers(nn.Module):
    """Convolutions whose features are kept, and one to the scores."""

    def __init__(self, convs: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(weight_norm(conv) for conv in convs)

    def forward(self, x: Tensor) -> tuple[Tensor, list[Tensor]]:
        """(B, C, ., .) -> (B, scores), features."""
        features = []
        for conv in self.convs[:-1]:
            x = F.leaky_relu(conv(x), _SLOPE)
            features.append(x)
        return self.convs[-1](x).flatten(1), features


class _PeriodDiscriminator(nn.Module):
    def __init__(self, period: int, channels: int) -> None:
        super().__init__()
        self.period = period
        sizes = [1, *(channels * factor for factor in (1, 2, 4, 8))]
        convs = [nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0)) for a, b in pairwise(sizes)]
        same = nn.Conv2d(sizes[-1], sizes[-1], (5, 1), padding=(2, 0))
        self.layers = _Layers([*convs, same, nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0))])

    def forward(self, waves: Tensor) -> tuple[Tensor, list[Tensor]]:
        waves = F.pad(waves, (0, -waves.shape[-1] % self.period))
        return self.layers(waves.unflatten(-1, (-1, self.period)))


class _SpectralDiscriminator(nn.Module):
    def __init__(self, n_fft: int, channels: int) -> None:
        super().__init__()
        self.n_fft = n_fft
        self.window: Tensor
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)
        convs = [nn.Conv2d(2 if not number else channels, channels, (5, 3), (2, 1), (2, 1)) for number in range(4)]
        self.layers = _Layers([*convs, nn.Conv2d(channels, 1, (3, 3), padding=(1, 1))])

    def forward(self, waves: Tensor) -> tuple[Tensor, list[Tensor]]:
        spectrum = torch.stft(
            waves.squeeze(1).float(), self.n_fft, self.n_fft // 4, window=self.window, return_complex=True
        )
        # Magnitudes to the power of 0.3, so that what is quiet is heard too, and with phases, which it is all about.
        size = spectrum.abs().clamp(min=1e-5)
        seen = torch.view_as_real(spectrum / size * size**0.3)  # (B, F, T, 2)
        return self.layers(seen.permute(0, 3, 1, 2))
