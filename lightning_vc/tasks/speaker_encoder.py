"""Speaker encoding: hear the recordings, predict the voice that the generative model has learned."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.checkpoint import field
from lightning_vc.metrics import retrieval_rank
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.tasks.base import Losses, Task, difference
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.types import CloningBatch

_MOST_STRETCH = 100
_SHARPNESS = 10.0  # of the verification loss, for a distance of a learned voice's deviation


class SpeakerEncoderTask(Task):
    """L1 between predicted and learned voices, which stay frozen (section 3.2).

    Beside the error (`error`) stand that of answering the mean voice always (`baseline`), the spread of the predictions
    relative to that of all learned voices (`spread`, 0 where the encoder has collapsed to one voice), and in validation
    how near the right voice is among all learned ones (`rank`, 1 where it is the nearest always).

    Args:
        encoder: recordings to voice.
        spectrograms: what the encoder hears (its mel part).
        base: checkpoint of the `TTSTask` whose voices are learned. Read when training starts, not when reloading.
        speakers: ids of the rows of the speaker table; recipes link them from the data.
        verification: weight of a second loss: the first clip of a speaker, heard alone, is to be nearer to the other
            clips of the same speaker than to those of the others in the batch. It is not in the paper, needs no
            learned voice, and so also learns from speakers who have none.
        stretch: voices that are heard are moved away from the mean of the learned ones by this factor before they are
            used, in cloning and joint training: who is not sure answers nearer to the mean than voices lie (`spread`
            below 1).
        augmentation: what happens to clips (B, N, W) of so many samples (B, N) before they are heard in training.

    Raises:
        ValueError: for a `stretch` that is not above 0, or above 100.
    """

    def __init__(
        self,
        encoder: SpeakerEncoder,
        spectrograms: Spectrograms,
        base: str,
        speakers: list[str],
        verification: float = 0.0,
        augmentation: nn.Module | None = None,
        stretch: float = 1.0,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=6e-4),
        scheduler: LRSchedulerCallable = lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=8000, gamma=0.6),
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        if not 0 < stretch <= _MOST_STRETCH:
            raise ValueError(
                f"stretch moves voices away from their mean by a factor above 0, up to {_MOST_STRETCH}, got {stretch}"
            )
        self.encoder, self.spectrograms = encoder, spectrograms
        self.base, self.speakers = base, speakers
        self.verification, self.augmentation, self.stretch = verification, augmentation, stretch
        self.voices: Tensor
        self.register_buffer("voices", torch.empty(0), persistent=False)  # (speakers, E), once training starts
        self.base_fingerprint = ""  # which weights those voices belong to

    def learned_speakers(self) -> list[str]:
        return self.speakers

    def setup(self, stage: str) -> None:
        base = TTSTask.load(self.base)
        if base.speakers != self.speakers:
            raise ValueError(
                f"{self.base} has learned other speakers ({difference(base.speakers, self.speakers)}): "
                "train the encoder on the shards that the base model was trained on"
            )
        self.voices = base.table.voices.detach().to(self.device)
        self.base_fingerprint = base.fingerprint()
        self._check_sizes()

    @torch.no_grad()
    def _check_sizes(self) -> None:
        """Raise ValueError where encoder, spectrograms and the voices of the base do not go together."""
        training = self.encoder.training
        self.encoder.eval()
        hop = self.spectrograms.hop
        try:
            voice = self(torch.zeros(1, 2, 50 * hop, device=self.device), torch.tensor([[50 * hop, 40 * hop]]))
        except RuntimeError as error:
            raise ValueError(
                f"{type(self.encoder).__name__} cannot hear these spectrograms ({error}): "
                f"they have n_mels {self.spectrograms.n_mels}"
            ) from error
        if voice.shape[-1] != self.voices.shape[1]:
            raise ValueError(
                f"the voices of {self.base} are {self.voices.shape[1]} numbers, {type(self.encoder).__name__} "
                f"answers with {voice.shape[-1]}: give both the same voice_dim"
            )
        self.encoder.train(training)

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, N, W) of so many samples (B, N) -> voices (B, E)."""
        mels = self.spectrograms.mel(waves)  # (B, N, T, M)
        frames = self.spectrograms.frames(lengths).unsqueeze(-1)  # (B, N, 1)
        voice: Tensor = self.encoder(mels, torch.arange(mels.shape[2], device=mels.device) < frames)
        return voice

    def stretched(self, voice: Tensor, learned: Tensor) -> Tensor:
        """Heard voices (..., E) as they are used, beside the learned ones (speakers, E)."""
        mean = learned.detach().mean(0)
        return mean + self.stretch * (voice - mean) if self.stretch != 1 else voice

    def augmented(self, batch: CloningBatch) -> CloningBatch:
        """The clips as they are heard: in training with what `augmentation` does to them."""
        if not self.training or self.augmentation is None:
            return batch
        return batch._replace(waves=self.augmentation(batch.waves, batch.lengths))

    def loss(self, batch: CloningBatch) -> Losses:
        batch = self.augmented(batch)
        voice = self(batch.waves, batch.lengths)  # (B, E)
        target = self.voices[batch.speakers]
        error = (voice - target).abs().mean()
        losses = {"loss": error, "error": error.detach()}
        if self.verification and batch.waves.shape[1] > 1:
            losses["verification"] = self._verify(batch)
            losses["loss"] = error + self.verification * losses["verification"]
        with torch.no_grad():
            # Of all voices, and without Bessel's correction: the batch may be of one speaker, or of one example.
            spread = voice.std(0, correction=0).mean() / self._deviation().mean()
            losses["spread"] = spread
            losses["baseline"] = (self.voices.mean(0) - target).abs().mean()
            if not self.training:
                losses["rank"] = retrieval_rank(voice, self.voices, batch.speakers)
        return losses

    def _verify(self, batch: CloningBatch) -> Tensor:
        """Prototypical loss (Snell et al. 2017), with the clips after the first as prototype."""
        first = self(batch.waves[:, :1], batch.lengths[:, :1]) / self._deviation()  # (B, E)
        others = self(batch.waves[:, 1:], batch.lengths[:, 1:]) / self._deviation()
        nearness = -_SHARPNESS * (first.unsqueeze(1) - others).square().mean(-1)  # (B, B)
        own = torch.arange(len(first), device=first.device)
        twice = (batch.speakers[:, None] == batch.speakers) & (own[:, None] != own)  # neither right nor wrong
        return F.cross_entropy(nearness.masked_fill(twice, -torch.inf), own)

    def _deviation(self) -> Tensor:
        """How far learned voices lie apart, (E,)."""
        return self.voices.std(0, correction=0).clamp(min=1e-8)

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["base_fingerprint"] = self.base_fingerprint

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        fingerprint = field(checkpoint, "base_fingerprint", str, self.source)
        if self.base_fingerprint not in ("", fingerprint):
            raise ValueError(
                f"the checkpoint was trained for the voices of another model than {self.base}: "
                "resume it with that one, or begin anew"
            )
        self.base_fingerprint = fingerprint
