"""A judge of clones: which of the known speakers is heard."""

from typing import Any

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn

from lightning_vc.audio.features import Spectrograms
from lightning_vc.checkpoint import field
from lightning_vc.losses import angular_margin_cross_entropy
from lightning_vc.modules.classifier import SpeakerClassifier
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.types import CloningBatch


class SpeakerClassifierTask(Task):
    """Cross-entropy of who speaks; `accuracy` is the share that is told rightly.

    With a margin it is that of angles between what was heard and each speaker, instead of logits.

    `learnt` holds the ids of the samples that a loaded checkpoint has learnt from: they are nothing to measure with.

    Args:
        network: a recording to its embedding.
        spectrograms: what the network hears (its mel part).
        speakers: ids of the classes; recipes link them from the data. They are part of the checkpoint.
        augmentation: what happens to clips (B, N, W) of so many samples (B, N) before they are heard in training.
        margin: angle by which a speaker has to be nearer than the others, in radians; the paper has none.
        scale: of the cosines of these angles.
    """

    def __init__(
        self,
        network: SpeakerClassifier,
        spectrograms: Spectrograms,
        speakers: list[str],
        augmentation: nn.Module | None = None,
        margin: float = 0.0,
        scale: float = 30.0,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        self.network, self.spectrograms, self.speakers = network, spectrograms, speakers
        self.augmentation, self.margin, self.scale = augmentation, margin, scale
        self.learnt: frozenset[str] = frozenset()
        self.classes = nn.Linear(network.embedding, len(speakers))

    def learned_speakers(self) -> list[str]:
        return self.speakers

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Recordings (B, W) of so many samples (B,) -> logits (B, speakers)."""
        mels = self.spectrograms.mel(waves)  # (B, T, M)
        frames = self.spectrograms.frames(lengths).unsqueeze(-1)  # (B, 1)
        heard = self.network(mels, torch.arange(mels.shape[1], device=mels.device) < frames)  # (B, E)
        if self.margin:
            return self.scale * F.linear(F.normalize(heard), F.normalize(self.classes.weight))
        logits: Tensor = self.classes(heard)
        return logits

    def loss(self, batch: CloningBatch) -> Losses:
        waves = batch.waves
        if self.training and self.augmentation is not None:
            waves = self.augmentation(waves, batch.lengths)
        speakers = batch.speakers.repeat_interleave(waves.shape[1])  # (B·N,)
        logits = self(waves.flatten(0, 1), batch.lengths.flatten())
        accuracy = (logits.argmax(-1) == speakers).float().mean()
        if self.margin and self.training:
            loss = angular_margin_cross_entropy(logits / self.scale, speakers, self.margin, self.scale)
        else:
            loss = F.cross_entropy(logits, speakers)
        return {"loss": loss, "accuracy": accuracy}

    @torch.no_grad()
    def probabilities(self, wave: Tensor) -> Tensor:
        """How probable it is that each of `speakers` is heard in (W,): (speakers,), of sum 1."""
        wave = wave.to(self.device)
        logits: Tensor = self(wave[None], torch.tensor([len(wave)], device=self.device))
        return logits[0].softmax(0).cpu()

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_load_checkpoint(checkpoint)
        if "ClassifierDataModule" in checkpoint:
            data = field(checkpoint, "ClassifierDataModule", dict, self.source)
            self.learnt = frozenset(map(str, field(data, "learnt", list, self.source)))
