"""Discriminators of waves and of mel spectrograms, and the losses of generator and discriminators."""

from abc import ABC, abstractmethod
from collections.abc import Sequence
from itertools import chain, pairwise

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.utils.parametrizations import weight_norm

_PERIODS = (2, 3, 5, 7, 11)  # by which waves are folded (Kong et al. 2020)
RESOLUTIONS = (512, 1024, 2048)  # sizes of Fourier transforms (Jang et al. 2021)
_SLOPE = 0.1  # of the leaky rectifiers

DiscriminatorOutput = tuple[list[Tensor], list[Tensor]]  # scores of each discriminator, features of all layers


def generator_losses(discriminators: nn.Module, generated: Tensor, real: Tensor) -> dict[str, Tensor]:
    """Least-squares GAN losses (HiFi-GAN, equations 1 to 6), for one optimizer of both networks.

    "adversarial" and "matching" have gradients in the generator only, "discriminators" in the discriminators only.

    Args:
        discriminators: generated or real waves or spectrograms, of any shape -> `DiscriminatorOutput`.
        generated: output of the generator.
        real: recordings, of the same shape.
    """
    real_scores, real_features = discriminators(real)
    generated_scores, _ = discriminators(generated.detach())
    discriminators.requires_grad_(False)  # the loss of the generator trains the generator only
    scores, features = discriminators(generated)
    discriminators.requires_grad_(True)
    pairs = zip(features, real_features, strict=True)
    return {
        "adversarial": _squared_error(scores, 1),
        "matching": torch.stack([F.l1_loss(feature, target.detach()) for feature, target in pairs]).mean(),
        "discriminators": _squared_error(real_scores, 1) + _squared_error(generated_scores, 0),
    }


def zero_loss(discriminators: nn.Module) -> Tensor:
    """A zero with a gradient for each weight of the discriminators, because DDP waits for all gradients."""
    return 0 * torch.stack([parameter.sum() for parameter in discriminators.parameters()]).sum()


def _squared_error(scores: Sequence[Tensor], target: float) -> Tensor:
    """Mean squared error of the scores of each discriminator, summed over discriminators."""
    return torch.stack([(score - target).square().mean() for score in scores]).sum()


class Discriminators(nn.Module):
    """Small multi-period discriminators (as in HiFi-GAN) and multi-resolution spectrogram ones (as in UnivNet).

    Args:
        channels: of the first layer of the period discriminators; later layers have up to eight times as many.
        spectral: channels of the spectrogram discriminators.
    """

    def __init__(self, channels: int = 16, spectral: int = 16) -> None:
        super().__init__()
        self.parts = nn.ModuleList(
            [_PeriodDiscriminator(period, channels) for period in _PERIODS]
            + [_SpectralDiscriminator(n_fft, spectral) for n_fft in RESOLUTIONS]
        )

    def forward(self, waves: Tensor) -> DiscriminatorOutput:
        """(B, 1, W) -> scores, high for recordings, and features."""
        outputs = [part(waves) for part in self.parts]
        scores, features = zip(*outputs, strict=True)
        return [*chain(*scores)], [*chain(*features)]


class _Discriminator(nn.Module, ABC):
    """Convolutions over a two-dimensional view of the input, the last one to the scores; all features are returned."""

    def __init__(self, convs: Sequence[nn.Conv2d]) -> None:
        super().__init__()
        self.convs = nn.ModuleList(weight_norm(conv) for conv in convs)

    @abstractmethod
    def image(self, inputs: Tensor) -> Tensor:
        """Waves (B, 1, W) or spectrograms -> (B, C, ., .)."""

    def forward(self, inputs: Tensor) -> DiscriminatorOutput:
        """Waves (B, 1, W) or spectrograms -> scores (B, .), high for recordings, and features."""
        x, features = self.image(inputs), []
        for conv in self.convs[:-1]:
            x = F.leaky_relu(conv(x), _SLOPE)
            features.append(x)
        return [self.convs[-1](x).flatten(1)], features


class _PeriodDiscriminator(_Discriminator):
    def __init__(self, period: int, channels: int) -> None:
        sizes = [1, *(channels * factor for factor in (1, 2, 4, 8))]
        convs = [nn.Conv2d(a, b, (5, 1), (3, 1), padding=(2, 0)) for a, b in pairwise(sizes)]
        same = nn.Conv2d(sizes[-1], sizes[-1], (5, 1), padding=(2, 0))
        super().__init__([*convs, same, nn.Conv2d(sizes[-1], 1, (3, 1), padding=(1, 0))])
        self.period = period

    def image(self, inputs: Tensor) -> Tensor:
        return F.pad(inputs, (0, -inputs.shape[-1] % self.period)).unflatten(-1, (-1, self.period))


class _SpectralDiscriminator(_Discriminator):
    window: Tensor

    def __init__(self, n_fft: int, channels: int) -> None:
        convs = [nn.Conv2d(2 if not number else channels, channels, (5, 3), (2, 1), (2, 1)) for number in range(4)]
        super().__init__([*convs, nn.Conv2d(channels, 1, (3, 3), padding=(1, 1))])
        self.n_fft = n_fft
        self.register_buffer("window", torch.hann_window(n_fft), persistent=False)

    def image(self, inputs: Tensor) -> Tensor:
        """Complex spectrum with magnitudes to the power of 0.3, which raises quiet parts: (B, 2, F, T)."""
        spectrum = torch.stft(
            inputs.squeeze(1).float(), self.n_fft, self.n_fft // 4, window=self.window, return_complex=True
        )
        size = spectrum.abs().clamp(min=1e-5)
        return torch.view_as_real(spectrum / size * size**0.3).permute(0, 3, 1, 2)


class MelDiscriminator(_Discriminator):
    """Of mel spectrograms with a condition for each frame, which is projected to a second channel.

    Args:
        n_mels: number of mel bands M.
        condition: C, number of features of the condition.
        channels: of the first layers; later layers have twice as many.
    """

    def __init__(self, n_mels: int, condition: int, channels: int = 32) -> None:
        more = 2 * channels
        convs = [
            nn.Conv2d(2, channels, (3, 5), padding=(1, 2)),
            nn.Conv2d(channels, channels, (4, 5), (2, 1), (1, 2)),
            nn.Conv2d(channels, more, (4, 5), 2, (1, 2)),
            nn.Conv2d(more, more, (4, 5), 2, (1, 2)),
            nn.Conv2d(more, more, 3, padding=1),
        ]
        super().__init__([*convs, nn.Conv2d(more, 1, 3, padding=1)])
        self.n_mels, self.project = n_mels, nn.Linear(condition, n_mels)

    def image(self, inputs: Tensor) -> Tensor:
        """Frames of decibels and condition, (B, T, M + C) -> (B, 2, M, T).

        Decibels, mostly between 0.2 and 0.8, are scaled to about -1 to 1.
        """
        mels, condition = inputs.split([self.n_mels, inputs.shape[-1] - self.n_mels], -1)
        return torch.stack([4 * mels - 2, self.project(condition)], 1).mT
