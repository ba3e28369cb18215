"""Training of a neural vocoder as the generator of a GAN."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.modules.discriminators import RESOLUTIONS, Discriminators, generator_losses, zero_loss
from lightning_vc.modules.tts import TTSModel, check_spectrograms
from lightning_vc.tasks.base import Losses, Task, check_same_speakers
from lightning_vc.tasks.tts import teacher_force
from lightning_vc.types import TTSBatch

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


class VocoderTuningTask(VocoderTask):
    """Fine-tune a vocoder on the teacher-forced predictions of a generative model (Shen et al. 2018, Kong et al. 2020).

    Synthesised spectrograms are smoother than those of recordings, which the tuned vocoder compensates.

    Args:
        vocoder, discriminators: pretrained by a `VocoderTask`.
        tts: the generative model, which is frozen.
        frames: length of the random piece of each utterance in a step.

    Raises:
        ValueError: for a vocoder of other spectrograms than those of `tts`.
    """

    evaluated = ("tts",)  # as in synthesis

    def __init__(
        self,
        vocoder: NeuralVocoder,
        discriminators: nn.Module,
        tts: TTSModel,
        frames: int = 48,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=1e-4, betas=(0.8, 0.99)),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(vocoder.train(), discriminators.train(), optimizer=optimizer, scheduler=scheduler)
        check_spectrograms(vocoder, tts)
        self.frames, self.tts = frames, tts

    def setup(self, stage: str) -> None:
        """Raise ValueError where speaker table and data have different speakers."""
        check_same_speakers(self.tts.speakers, self.trainer.datamodule.speakers)  # type: ignore[attr-defined]

    def trainable(self) -> Iterable[nn.Parameter]:
        return [*self.vocoder.parameters(), *self.discriminators.parameters()]

    @torch.no_grad()
    def inputs(self, batch: TTSBatch) -> tuple[Tensor, Tensor]:
        """Random pieces of predictions (B, T, M) and recordings (B, W); the middle ones in validation."""
        tts, hop = self.tts, self.tts.spectrograms.hop
        output, _, frames = teacher_force(tts, batch, tts.table(batch.speakers))
        mels = F.pad(tts.spectrograms.mel_of(output.spectra.linear.float()), (0, 0, 0, self.frames))
        spare = frames - self.frames  # (B,)
        position = torch.rand(len(spare), device=spare.device) if self.training else 0.5
        starts = (position * spare.clamp(min=0)).long().tolist()
        waves, samples = F.pad(batch.waves, (0, self.frames * hop)), (self.frames - 1) * hop
        pieces = [mel[at : at + self.frames] for mel, at in zip(mels, starts, strict=True)]
        recordings = [wave[at * hop : at * hop + samples] for wave, at in zip(waves, starts, strict=True)]
        return torch.stack(pieces), torch.stack(recordings)
