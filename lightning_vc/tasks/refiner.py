"""Training of the refiner of a vocoder on predictions of a generative model."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.audio.vocoder import NeuralVocoder
from lightning_vc.modules.discriminators import MelDiscriminators, generator_losses
from lightning_vc.modules.refiner import SpectrogramRefiner
from lightning_vc.modules.tts import TTSModel, check_spectrograms
from lightning_vc.tasks.base import Losses, Task, check_same_speakers
from lightning_vc.tasks.tts import teacher_force
from lightning_vc.types import Spectra, TTSBatch

_L1, _MATCHING = 16.0, 2.0  # weights of the losses


class RefinerTask(Task):
    """Train a refiner as the generator of a GAN on the teacher-forced predictions of a frozen generative model.

    The losses are the L1 of mel spectrograms and those of a least-squares GAN with feature matching, as in HiFi-GAN
    (Kong et al. 2020). One optimizer updates refiner and discriminators in the same step. The checkpoint has the
    vocoder with its refiner.

    Args:
        vocoder: the vocoder that gets the refiner; it is frozen.
        tts: the generative model, which is frozen.
        refiner: the refiner to train; by default, training continues with that of `vocoder`.
        frames: length of the random piece of each utterance in a step.

    Raises:
        ValueError: for a vocoder or a refiner of other spectrograms than those of `tts`, or no refiner.
    """

    parts = ("vocoder",)
    evaluated = ("tts",)  # as in synthesis

    def __init__(
        self,
        vocoder: NeuralVocoder,
        tts: TTSModel,
        refiner: SpectrogramRefiner | None = None,
        frames: int = 80,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=3e-4, betas=(0.8, 0.99)),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters(ignore=["vocoder", "tts"])
        check_spectrograms(vocoder, tts)
        if (trained := refiner or vocoder.refiner) is None:
            raise ValueError("the vocoder has no refiner to train: give the settings of one as --model.refiner")
        needed = tts.spectrograms.n_mels, tts.spectrograms.n_bins
        if trained.sizes != needed:
            raise ValueError(
                f"the refiner has n_mels, n_bins of {trained.sizes}, the spectrograms of the TTS model {needed}"
            )
        self.vocoder, self.tts, self.frames = vocoder.train(), tts, frames
        self.refiner = self.vocoder.refiner = trained
        self.discriminators = MelDiscriminators()

    def setup(self, stage: str) -> None:
        """Raise ValueError where speaker table and data have different speakers."""
        check_same_speakers(self.tts.speakers, self.trainer.datamodule.speakers)  # type: ignore[attr-defined]

    def trainable(self) -> Iterable[nn.Parameter]:
        return [*self.refiner.parameters(), *self.discriminators.parameters()]

    def loss(self, batch: TTSBatch) -> Losses:
        predicted, real = self.pieces(batch)
        refined = self.refiner(predicted.mel, predicted.linear, torch.randn_like(real))
        losses = {"mel": F.l1_loss(refined, real)}
        if not self.training:
            return {"loss": losses["mel"], **losses}
        pairs = (torch.stack([mel, predicted.mel], 1) for mel in (refined, real))
        losses |= generator_losses(self.discriminators, *pairs)
        generator = _L1 * losses["mel"] + losses["adversarial"] + _MATCHING * losses["matching"]
        return {"loss": generator + losses["discriminators"], **losses}

    @torch.no_grad()
    def pieces(self, batch: TTSBatch) -> tuple[Spectra, Tensor]:
        """Random pieces of predicted and of real mel spectrograms (B, T, M); the middle ones in validation."""
        output, true, frames = teacher_force(self.tts, batch, self.tts.table(batch.speakers))
        linear = output.spectra.linear.float()
        spare = (frames - self.frames).clamp(min=0)  # (B,)
        starts = ((torch.rand(len(spare), device=spare.device) if self.training else 0.5) * spare).long()  # (B,)
        at = starts.unsqueeze(1) + torch.arange(self.frames, device=starts.device)  # (B, T)
        at = at.minimum(frames.unsqueeze(1) - 1).unsqueeze(-1)  # a short utterance is continued by its last frame
        linear, mel = (x.gather(1, at.expand(-1, -1, x.shape[2])) for x in (linear, true.mel))
        return Spectra(self.tts.spectrograms.mel_of(linear), linear), mel

    def _config(self, part: str) -> dict[str, Any] | None:
        """Settings of the vocoder with its refiner."""
        config = super()._config(part)
        refiner = self.hparams["refiner"]
        return {**config, "init_args": {**config["init_args"], "refiner": refiner}} if config and refiner else config
