"""Joint fine-tuning of the generative model and the speaker encoder."""

from collections.abc import Iterable
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn

from lightning_vc.modules.speaker_encoder import SpeakerEncoder, apply_gain
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.base import Losses, Task, check_encoder, check_same_speakers, store_fingerprint
from lightning_vc.tasks.tts import tts_loss
from lightning_vc.types import JointBatch


class JointTask(Task):
    """The loss of multi-speaker training with predicted embeddings, over both networks (section 3.2).

    Both networks are pretrained: from scratch, the encoder would collapse to the mean embedding (section 3.2). `spread`
    measures collapse: the standard deviation of predicted embeddings relative to that of the speaker table. In
    validation, `swapped` is the loss with the embeddings of other speakers in the batch: it equals `loss` where
    embeddings carry no information.

    Args:
        tts: the generative model.
        encoder: the speaker encoder trained for its embeddings.
        learned_share: share of the training utterances with the learned embedding of their speaker instead of a
            predicted one. Above 0 the speaker table is trained too, and the data has to be the shards that `tts` was
            trained on; at 0 the table is frozen.
        embedding_gain: gain of the saved encoder, if it has to differ from the gain in training.
        augmentation: applied in training to clips (B, N, W) with lengths (B, N) in samples.

    Raises:
        ValueError: for an encoder of another model, or an `embedding_gain` that is not above 0.
    """

    parts = ("tts", "encoder")

    def __init__(
        self,
        tts: TTSModel,
        encoder: SpeakerEncoder,
        learned_share: float = 0.0,
        embedding_gain: float | None = None,
        augmentation: nn.Module | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters(ignore=["tts", "encoder"])
        if embedding_gain is not None and not 0 < embedding_gain < torch.inf:
            raise ValueError(f"embedding_gain is a factor above 0, got {embedding_gain}")
        check_encoder(encoder, tts)
        self.tts, self.encoder = tts.train(), encoder.train()  # loaded models are in evaluation mode
        self.learned_share, self.augmentation, self.learned_speakers = learned_share, augmentation, tts.speakers
        self.gain = float(encoder.embedding_gain)
        if embedding_gain is not None:
            encoder.embedding_gain.fill_(embedding_gain)

    def setup(self, stage: str) -> None:
        """Raise ValueError where speaker table and data have different speakers."""
        if self.learned_share:
            check_same_speakers(self.tts.speakers, self.trainer.datamodule.speakers)  # type: ignore[attr-defined]

    def trainable(self) -> Iterable[nn.Parameter]:
        table = self.tts.table.parameters() if self.learned_share else ()
        return [*self.tts.model.parameters(), *self.encoder.parameters(), *table]

    def loss(self, batch: JointBatch) -> Losses:
        waves, table = batch.clips.waves, self.tts.table.weight
        if self.training and self.augmentation is not None:
            waves = self.augmentation(waves, batch.clips.lengths)
        predicted = self.encoder(waves, batch.clips.lengths)  # (B, E)
        embedding = apply_gain(predicted, table, self.gain)
        with torch.no_grad():
            spread = predicted.std(0, correction=0).mean() / table.std(0, correction=0).mean().clamp(1e-8)
        if self.training and self.learned_share:
            chosen = torch.rand(len(embedding), 1, device=embedding.device) < self.learned_share
            embedding = torch.where(chosen, self.tts.table(batch.utterances.speakers), embedding)
        losses = {**tts_loss(self.tts, batch.utterances, embedding), "spread": spread}
        if not self.training:
            losses["swapped"] = tts_loss(self.tts, batch.utterances, embedding.roll(1, 0))["loss"]
        return losses

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Store the fingerprint of the saved generative model with the encoder."""
        super().on_save_checkpoint(checkpoint)
        store_fingerprint(checkpoint["state_dict"])
