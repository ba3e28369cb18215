"""Training of a neural vocoder as the generator of a GAN."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.modules.discriminators import RESOLUTIONS, Discriminators, generator_losses, zero_loss
from lightning_vc.tasks.base import Losses, Task

_SPECTRAL, _MATCHING = 45.0, 2.0  # weights of the losses


class VocoderTask(Task):
    """The losses of HiFi-GAN (Kong et al. 2020, equations 3 to 7), with a spectral loss at several resolutions.

    One optimizer updates generator and discriminators in the same step.

    Args:
        vocoder: mel spectrograms to waves, the generator.
        discriminators: (B, 1, W) to scores and features; by default `Discriminators`.
        warmup_steps: number of initial steps by the spectral loss alone, without discriminators.
    """

    parts = ("vocoder", "discriminators")

    def __init__(
        self,
        vocoder: NeuralVocoder,
        discriminators: nn.Module | None = None,
        warmup_steps: int = 0,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=2e-4, betas=(0.8, 0.99)),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters(ignore=["tts"])
        self.vocoder, self.discriminators, self.warmup_steps = vocoder, discriminators or Discriminators(), warmup_steps
        rate = vocoder.spectrograms.sample_rate
        self.compared = nn.ModuleList(
            Spectrograms(rate, n_fft, n_fft, n_fft // 4, 40 * n_fft // 512, preemphasis=0) for n_fft in RESOLUTIONS
        )

    def inputs(self, batch: Any) -> tuple[Tensor, Tensor]:
        """Mel spectrograms (B, T, M) and their waves (B, W)."""
        spectrograms = self.vocoder.spectrograms
        mels = spectrograms.mel(batch.waves)
        return mels, batch.waves[:, : (mels.shape[1] - 1) * spectrograms.hop]

    def loss(self, batch: Any) -> Losses:
        mels, real = self.inputs(batch)
        generated = self.vocoder.from_mel(mels)
        spectral = self.difference(generated, real)
        if not self.training:
            return {"loss": spectral, "spectral": spectral}
        if self.global_step < self.warmup_steps:
            return {"loss": _SPECTRAL * spectral + zero_loss(self.discriminators), "spectral": spectral}
        losses = {"spectral": spectral, **generator_losses(self.discriminators, generated[:, None], real[:, None])}
        generator = _SPECTRAL * spectral + losses["adversarial"] + _MATCHING * losses["matching"]
        return {"loss": generator + losses["discriminators"], **losses}

    def difference(self, generated: Tensor, real: Tensor) -> Tensor:
        """Mean absolute difference of linear and mel spectrograms of all resolutions, in decibels as 0 to 1."""
        differences = [
            F.l1_loss(a, b)
            for spectrograms in self.compared
            for a, b in zip(spectrograms(generated.float()), spectrograms(real), strict=True)
        ]
        return torch.stack(differences).mean()
