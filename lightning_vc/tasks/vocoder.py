"""Sound from mel spectrograms: a generator, and discriminators that it must deceive."""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.modules.vocoder import Discriminators, MelVocoder
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.types import WaveBatch


class VocoderTask(Task):
    """The losses of HiFi-GAN (Kong et al. 2020, equations 3 to 7), the spectral one at several resolutions.

    Generator and discriminators take their steps at the same time, by one optimizer: each from what the other was.

    Args:
        vocoder: mel spectrograms to waves.
        spectrograms: what it hears, the acoustic model's (its mel part).
        discriminators: (B, 1, W) to scores and features; the small `Discriminators` if none are given.
        alone: steps at first in which the generator learns from spectrograms alone; there the discriminators rest.
        resolutions: sizes of the Fourier transforms by which waves are compared.
        spectral: weight of their differences.
        matching: weight of those of the discriminators' features.
    """

    def __init__(
        self,
        vocoder: MelVocoder,
        spectrograms: Spectrograms,
        discriminators: nn.Module | None = None,
        alone: int = 0,
        resolutions: Sequence[int] = (512, 1024, 2048),
        spectral: float = 45.0,
        matching: float = 2.0,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=2e-4, betas=(0.8, 0.99)),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        self.vocoder, self.spectrograms = vocoder, spectrograms
        self.discriminators = discriminators or Discriminators()
        self.alone, self.spectral, self.matching = alone, spectral, matching
        self.compared = nn.ModuleList(
            Spectrograms(spectrograms.sample_rate, n_fft, n_fft, n_fft // 4, 40 * n_fft // 512, preemphasis=0)
            for n_fft in resolutions
        )

    def heard(self, batch: WaveBatch) -> tuple[Tensor, Tensor]:
        """Spectrograms (B, T, M) and the waves (B, W) that should come of them."""
        mels = self.spectrograms.mel(batch.waves)
        return mels, batch.waves[:, : (mels.shape[1] - 1) * self.spectrograms.hop]

    def loss(self, batch: WaveBatch) -> Losses:
        mels, real = self.heard(batch)
        made = self.vocoder.waves(mels)
        spectral = self.difference(made, real)
        if not self.training:
            return {"loss": spectral, "spectral": spectral}
        if self.global_step < self.alone:
            rest = sum((parameter.sum() for parameter in self.discriminators.parameters()), start=made.new_zeros(()))
            return {"loss": self.spectral * spectral + 0 * rest, "spectral": spectral}  # DDP waits for every gradient
        made, real = made.unsqueeze(1), real.unsqueeze(1)  # (B, 1, W)
        real_scores, real_features = self.discriminators(real)
        false_scores, _ = self.discriminators(made.detach())
        with _frozen(self.discriminators):  # the generator must not make them worse
            scores, features = self.discriminators(made)
        known = [each.detach() for each in _flat(real_features)]
        losses: Losses = {
            "spectral": spectral,
            "adversarial": _off(scores, 1),
            "matching": torch.stack([F.l1_loss(*pair) for pair in zip(_flat(features), known, strict=True)]).mean(),
            "discriminators": _off(real_scores, 1) + _off(false_scores, 0),
        }
        generator = self.spectral * spectral + losses["adversarial"] + self.matching * losses["matching"]
        return {"loss": generator + losses["discriminators"], **losses}

    def difference(self, made: Tensor, real: Tensor) -> Tensor:
        """Mean absolute difference of linear and mel spectrograms of all resolutions, on the scale of decibels."""
        differences = [
            F.l1_loss(a, b)
            for spectrograms in self.compared
            for a, b in zip(spectrograms(made.float()), spectrograms(real), strict=True)
        ]
        return torch.stack(differences).mean()


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
