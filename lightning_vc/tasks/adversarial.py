"""Adversarial fine-tuning of the converter of a generative model."""

from collections.abc import Iterable
from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.losses import masked_l1
from lightning_vc.modules.converter import Converter
from lightning_vc.modules.discriminators import MelDiscriminator, generator_losses
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.base import Losses, Task, check_encoder, check_same_speakers, store_fingerprint
from lightning_vc.tasks.tts import teacher_force
from lightning_vc.types import TTSBatch

_L1 = 15.0  # weight of the spectrograms' L1, which are decibels as 0 to 1


class AdversarialTask(Task):
    """Fine-tune the converter as the generator of a GAN (after GANSpeech, Yang et al. 2021).

    L1 alone makes predicted spectrograms too smooth. The discriminator compares mel spectrograms of predicted and of
    true linear ones, given the converter's input for each frame and the speaker embedding. The losses are the L1 of
    both spectrograms, those of a least-squares GAN, and feature matching, which is scaled to the L1 in each step. All
    other layers and the speaker table are frozen, so the speaker encoder stays valid. One optimizer updates converter
    and discriminator in the same step.

    Args:
        tts: the generative model; its acoustic model has a `converter`.
        encoder: the speaker encoder trained for its embeddings, which is saved beside it.
        frames: length of the random piece of each utterance that the discriminator gets.
        scheduled_sampling: of the acoustic model, in this training (see `AcousticModel`).
        warmup_steps: number of initial steps in which only the discriminator is trained.

    Raises:
        ValueError: for an encoder of another model, or an acoustic model without `converter`.
    """

    parts = ("tts", "encoder")

    def __init__(
        self,
        tts: TTSModel,
        encoder: SpeakerEncoder,
        frames: int = 96,
        scheduled_sampling: float = 0.5,
        warmup_steps: int = 100,
        optimizer: OptimizerCallable = lambda p: torch.optim.AdamW(p, lr=1.5e-4, betas=(0.8, 0.99)),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters(ignore=["tts", "encoder"])
        check_encoder(encoder, tts)
        if not isinstance(converter := getattr(tts.model, "converter", None), Converter):
            raise ValueError(
                f"{type(tts.model).__name__} has no converter to fine-tune: train a ConvFastPitch or DeepVoice3"
            )
        self.tts, self.encoder, self.learned_speakers = tts.train(), encoder, tts.speakers
        self.frames, self.warmup_steps = frames, warmup_steps
        tts.model.scheduled_sampling = scheduled_sampling
        condition = converter.enter.in_features + tts.model.speaker_dim
        self.discriminator = MelDiscriminator(tts.spectrograms.n_mels, condition)

    @property
    def converter(self) -> Converter:
        """The part of the acoustic model that is trained."""
        converter: Converter = self.tts.model.converter  # type: ignore[assignment]
        return converter

    def setup(self, stage: str) -> None:
        """Raise ValueError where speaker table and data have different speakers."""
        check_same_speakers(self.tts.speakers, self.trainer.datamodule.speakers)  # type: ignore[attr-defined]

    def trainable(self) -> Iterable[nn.Parameter]:
        return [*self.converter.parameters(), *self.discriminator.parameters()]

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The discriminator has twice the learning rate of the converter."""
        converter, discriminator = self.converter.parameters(), self.discriminator.parameters()
        return [{"params": list(converter)}, {"params": list(discriminator), "rate": 2.0}]

    def loss(self, batch: TTSBatch) -> Losses:
        speaker = self.tts.table(batch.speakers)
        inputs: list[Tensor] = []
        hook = self.converter.register_forward_pre_hook(lambda _, values: inputs.append(values[0].detach()))
        output, true, frames = teacher_force(self.tts, batch, speaker)
        hook.remove()
        mask = torch.arange(true.mel.shape[1], device=frames.device) < frames.unsqueeze(1)  # (B, T)
        losses = {
            "mel": masked_l1(output.spectra.mel, true.mel, mask),
            "linear": masked_l1(output.spectra.linear, true.linear, mask),
        }
        l1 = _L1 * (losses["mel"] + losses["linear"])
        if not self.training:
            return {"loss": l1, **losses}
        hidden = inputs[0].mT.repeat_interleave(self.tts.model.reduction, 1)  # (B, T, H)
        condition = torch.cat([hidden, speaker.unsqueeze(1).expand(-1, hidden.shape[1], -1)], -1) * mask.unsqueeze(-1)
        starts = (torch.rand(len(frames), device=frames.device) * (frames - self.frames).clamp(min=0)).long()  # (B,)
        generated, real = (
            _pieces(
                torch.cat([self.tts.spectrograms.mel_of(linear.float()) * mask.unsqueeze(-1), condition], -1),
                starts,
                self.frames,
            )
            for linear in (output.spectra.linear, true.linear)
        )
        losses |= generator_losses(self.discriminator, generated, real)
        matching = (l1 / losses["matching"].clamp(min=1e-8)).detach() * losses["matching"]
        generator = float(self.global_step >= self.warmup_steps) * (l1 + losses["adversarial"] + matching)
        return {"loss": generator + losses["discriminators"], **losses}

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the fingerprint of the saved generative model with the encoder."""
        super().on_save_checkpoint(checkpoint)
        store_fingerprint(checkpoint["state_dict"])


def _pieces(features: Tensor, starts: Tensor, length: int) -> Tensor:
    """`length` frames from each start, zeros after the end: (B, T, F), (B,) -> (B, length, F)."""
    at = starts.unsqueeze(1) + torch.arange(length, device=starts.device)  # (B, length)
    return F.pad(features, (0, 0, 0, length)).gather(1, at.unsqueeze(-1).expand(-1, -1, features.shape[2]))
