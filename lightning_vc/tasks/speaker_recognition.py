"""Speaker recognition: a classifier of known speakers whose embeddings verify any speaker."""

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics.classification import BinaryEER, MulticlassAccuracy

from lightning_vc.metrics import to_unit_interval
from lightning_vc.modules.speaker_recognition import SpeakerRecognizer
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.types import CloningBatch

from speechbrain.nnet.losses import AdditiveAngularMargin, LogSoftmaxWrapper  # isort: skip

_MARGIN = 0.2  # radians, added in training to the angle between an embedding and its class


class SpeakerRecognitionTask(Task):
    """Classification with an additive angular margin (Deng et al. 2019; for speakers Xiang et al. 2019).

    Recordings of `test_speakers` train only their rows of the classifier and not the network, so that verification
    treats them as unseen speakers. Validation measures `accuracy` over recordings of the recognizer's speakers, and
    `equal_error_rate` over all pairs of recordings in a batch of validation and test speakers.

    Args:
        recognizer: the network and classifier to train.
        test_speakers: speakers of the recognizer who are cloned; recipes link them from the data.
        augmentation: applied in training to clips (B, N, W) with lengths (B, N) in samples.
    """

    parts = ("recognizer",)
    trained: Tensor

    def __init__(
        self,
        recognizer: SpeakerRecognizer,
        test_speakers: list[str],
        augmentation: nn.Module | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        self.recognizer, self.augmentation, self.learned_speakers = recognizer, augmentation, recognizer.speakers
        self.margin_loss = LogSoftmaxWrapper(AdditiveAngularMargin(_MARGIN, recognizer.scale))
        trained = [speaker not in test_speakers for speaker in self.learned_speakers]
        self.register_buffer("trained", torch.tensor(trained), persistent=False)  # (speakers,)
        self.accuracy = MulticlassAccuracy(len(self.learned_speakers), average="micro")
        self.equal_error_rate = BinaryEER(thresholds=2000)

    def loss(self, batch: CloningBatch) -> Losses:
        waves = batch.waves if self.augmentation is None else self.augmentation(batch.waves, batch.lengths)
        speakers = batch.speakers.repeat_interleave(waves.shape[1])  # (B·N,)
        embeddings = self.recognizer.embed(waves.flatten(0, 1), batch.lengths.flatten())
        has_gradient = self.trained[speakers][:, None] & self.trained  # (B·N, speakers)
        cosines = torch.where(
            has_gradient, self.recognizer.cosines(embeddings), self.recognizer.cosines(embeddings.detach())
        )
        accuracy = (cosines.argmax(-1) == speakers).float().mean()
        return {"loss": self.margin_loss(cosines[:, None], speakers[:, None]), "accuracy": accuracy}

    def validation_step(self, batch: CloningBatch) -> None:
        self._measure(batch, "val")

    def test_step(self, batch: CloningBatch) -> None:
        self._measure(batch, "test")

    def _measure(self, batch: CloningBatch, stage: str) -> None:
        """Update the metrics, which Lightning computes at the end of the epoch."""
        speakers = batch.speakers.repeat_interleave(batch.waves.shape[1])  # (B·N,); speakers without a class come last
        embeddings = self.recognizer.embed(batch.waves.flatten(0, 1), batch.lengths.flatten())
        has_class = speakers < len(self.learned_speakers)
        if has_class.any():
            self.accuracy.update(self.recognizer.cosines(embeddings[has_class]), speakers[has_class])
        unseen = ~(has_class & self.trained[speakers.clamp(max=len(self.learned_speakers) - 1)])
        speakers, embeddings = speakers[unseen], embeddings[unseen]
        first, second = torch.triu_indices(len(speakers), len(speakers), 1, device=self.device)
        if len(first):
            cosines = (embeddings[first] * embeddings[second]).sum(-1)
            self.equal_error_rate.update(to_unit_interval(cosines), (speakers[first] == speakers[second]).long())
        for name in ("accuracy", "equal_error_rate"):
            self.log(f"{stage}/{name}", getattr(self, name), batch_size=len(batch.speakers))
