"""Training of the speaker encoder: recordings to the speaker embeddings of the generative model."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.checkpoint import fingerprint
from lightning_vc.metrics import retrieval_rank
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.base import Losses, Task, check_same_speakers
from lightning_vc.types import CloningBatch

_SHARPNESS = 10.0  # scale of the logits of the verification loss; distances are in standard deviations


class SpeakerEncoderTask(Task):
    """L1 between predicted and learned embeddings, which are frozen (section 3.2).

    Logged measures: `error`, the L1; `baseline`, the L1 of always predicting the mean embedding; `spread`, the standard
    deviation of predictions relative to that of all learned embeddings (0 where the encoder has collapsed); and in
    validation `rank`, the rank of the right embedding among all learned ones by distance (1 is the best).

    Args:
        encoder: the speaker encoder to train.
        tts: the model whose speaker embeddings are the targets; it is not changed.
        verification: weight of a second loss, which is not in the paper: the embedding of a speaker's first clip has to
            be nearer to that of the other clips of the same speaker than to those of other speakers in the batch.
        augmentation: applied in training to clips (B, N, W) with lengths (B, N) in samples.
    """

    parts = ("encoder",)

    def __init__(
        self,
        encoder: SpeakerEncoder,
        tts: TTSModel,
        verification: float = 0.0,
        augmentation: nn.Module | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=6e-4),
        scheduler: LRSchedulerCallable = lambda o: torch.optim.lr_scheduler.StepLR(o, step_size=8000, gamma=0.6),
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters(ignore=["tts"])
        self.encoder, self.verification, self.augmentation = encoder, verification, augmentation
        self.learned_speakers = tts.speakers
        self.embeddings: Tensor
        self.register_buffer("embeddings", tts.table.weight.detach().clone(), persistent=False)  # (speakers, E)
        encoder.tts_fingerprint = fingerprint(tts)

    @torch.no_grad()
    def setup(self, stage: str) -> None:
        """Raise ValueError where data or embedding size do not fit the speaker table."""
        check_same_speakers(self.learned_speakers, self.trainer.datamodule.speakers)  # type: ignore[attr-defined]
        training = self.encoder.training
        with self.device:
            embedding = self.encoder.eval()(torch.zeros(1, 1, 20000), torch.tensor([[20000]]))  # (1, E)
        self.encoder.train(training)
        if embedding.shape[-1] != self.embeddings.shape[1]:
            raise ValueError(
                f"the speaker embeddings of the pretrained TTS model have {self.embeddings.shape[1]} numbers, "
                f"{type(self.encoder).__name__} predicts {embedding.shape[-1]}: give both the same speaker_dim"
            )

    def loss(self, batch: CloningBatch) -> Losses:
        if self.training and self.augmentation is not None:
            batch = batch._replace(waves=self.augmentation(batch.waves, batch.lengths))
        embedding = self.encoder(batch.waves, batch.lengths)  # (B, E)
        target = self.embeddings[batch.speakers]
        error = (embedding - target).abs().mean()
        losses = {"loss": error, "error": error.detach()}
        if self.verification and batch.waves.shape[1] > 1:
            losses["verification"] = self._verify(batch)
            losses["loss"] = error + self.verification * losses["verification"]
        with torch.no_grad():
            # Relative to the whole table and without Bessel's correction: a batch may have one speaker or one example.
            losses["spread"] = embedding.std(0, correction=0).mean() / self._deviation().mean()
            losses["baseline"] = (self.embeddings.mean(0) - target).abs().mean()
            if not self.training:
                losses["rank"] = retrieval_rank(embedding, self.embeddings, batch.speakers)
        return losses

    def _verify(self, batch: CloningBatch) -> Tensor:
        """Prototypical loss (Snell et al. 2017); the prototype is the embedding of all clips but the first."""
        first = self.encoder(batch.waves[:, :1], batch.lengths[:, :1]) / self._deviation()  # (B, E)
        prototypes = self.encoder(batch.waves[:, 1:], batch.lengths[:, 1:]) / self._deviation()
        logits = -_SHARPNESS * (first.unsqueeze(1) - prototypes).square().mean(-1)  # (B, B)
        target = torch.arange(len(first), device=first.device)
        repeated = (batch.speakers[:, None] == batch.speakers) & (target[:, None] != target)  # speaker twice in batch
        return F.cross_entropy(logits.masked_fill(repeated, -torch.inf), target)

    def _deviation(self) -> Tensor:
        """Standard deviation of the learned embeddings, (E,)."""
        return self.embeddings.std(0, correction=0).clamp(min=1e-8)

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if not checkpoint["state_dict"]["encoder._tts"].equal(self.encoder._tts.cpu()):
            raise ValueError(
                f"{self.source} was trained for the speaker embeddings of another TTS model: resume it with that "
                "model, or start a new run"
            )
