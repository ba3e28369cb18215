"""A judge of clones: whether two speakers are one."""

from collections.abc import Iterable, Sequence

import torch
import torch.nn.functional as F
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import Tensor, nn
from torchmetrics.classification import BinaryEER

from lightning_vc.losses import angular_margin_cross_entropy, pair_cross_entropy
from lightning_vc.metrics import equal_error_rate
from lightning_vc.modules.verifier import SpeakerVerifier
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.types import CloningBatch


class SpeakerVerifierTask(Task):
    """Cross-entropy of all pairs in a batch: the first clip of one speaker, and the other clips of another or the same.

    With a margin, each clip is also told from those of all speakers, by the angle between what was heard and each of
    them: far more to learn from a batch than its pairs (Chung et al. 2020). What was learned of them is not used later.

    `equal_error_rate` in training is that of a batch, in validation and test that of all batches together.

    Args:
        verifier: hears recordings and compares speakers.
        speakers: ids of all in the data; recipes link them.
        augmentation: what happens to clips (B, N, W) of so many samples (B, N) before they are heard in training.
        margin: angle by which a speaker has to be nearer than the others, in radians; the paper has no such loss.
        scale: of the cosines of these angles.
    """

    def __init__(
        self,
        verifier: SpeakerVerifier,
        speakers: list[str],
        augmentation: nn.Module | None = None,
        margin: float = 0.0,
        scale: float = 30.0,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        self.verifier, self.augmentation = verifier, augmentation
        self.speakers = speakers
        self.margin, self.scale = margin, scale
        self.classes = nn.Linear(verifier.embedding, len(speakers), bias=False) if margin else None
        self.errors = BinaryEER()

    def learned_speakers(self) -> list[str]:
        return self.speakers if self.classes is not None else []

    def trainable(self) -> Iterable[nn.Parameter]:
        """All but what the network has frozen itself."""
        return [parameter for parameter in self.parameters() if parameter.requires_grad]

    def forward(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """Clips (B, N, W), the first against the others: log odds (B, B) that they are of one speaker."""
        return self._scores(self._heard(waves, lengths))

    def _heard(self, waves: Tensor, lengths: Tensor) -> Tensor:
        """(B, N, H)."""
        return self.verifier(waves.flatten(0, 1), lengths.flatten()).unflatten(0, waves.shape[:2])

    def _scores(self, heard: Tensor) -> Tensor:
        return self.verifier.score(self.verifier.speaker(heard[:, :1]), self.verifier.speaker(heard[:, 1:]))

    def loss(self, batch: CloningBatch) -> Losses:
        waves = batch.waves
        if self.training and self.augmentation is not None:
            waves = self.augmentation(waves, batch.lengths)
        heard = self._heard(waves, batch.lengths)
        scores = self._scores(heard)  # (B, B)
        same = batch.speakers[:, None] == batch.speakers
        losses = {"loss": pair_cross_entropy(scores, same)}
        if not self.training:
            # Into [0, 1], or BinaryEER would take a sigmoid of those batches alone that have a score outside.
            self.errors.update((1 + nn.functional.softsign(scores.flatten())) / 2, same.flatten().long())
            return losses
        if not same.all():
            losses["equal_error_rate"] = scores.new_tensor(equal_error_rate(scores.flatten(), same.flatten()))
        if self.classes is not None:
            clips = F.normalize(self.verifier.speaker(heard.flatten(0, 1).unsqueeze(1)), dim=-1)  # (B·N, E)
            speakers = batch.speakers.repeat_interleave(heard.shape[1])
            cosines = F.linear(clips, F.normalize(self.classes.weight))
            losses["classification"] = angular_margin_cross_entropy(cosines, speakers, self.margin, self.scale)
            losses["loss"] = losses["loss"] + losses["classification"]
        return losses

    def on_validation_epoch_end(self) -> None:
        self._log_errors("validation")

    def on_test_epoch_end(self) -> None:
        self._log_errors("test")

    def _log_errors(self, stage: str) -> None:
        self.log(f"{stage}/equal_error_rate", self.errors.compute())
        self.errors.reset()

    @torch.no_grad()
    def verify(self, enrolments: Sequence[Sequence[Tensor]], tests: Sequence[Tensor]) -> Tensor:
        """Recordings (W,) of some speakers, and one more recording for each: log odds (n,) that it is of the same.

        A recording that comes in several trials, as the same tensor, is heard once.
        """
        distinct = {id(wave): wave for waves in (*enrolments, tests) for wave in waves}
        heard = {key: self._hear(wave) for key, wave in distinct.items()}  # (H,) each
        scores = []
        for known, wave in zip(enrolments, tests, strict=True):
            enrolled = self.verifier.speaker(torch.stack([heard[id(each)] for each in known])[None])
            scores.append(self.verifier.score(self.verifier.speaker(heard[id(wave)][None, None]), enrolled)[0, 0])
        return torch.stack(scores)

    def _hear(self, wave: Tensor) -> Tensor:
        wave = wave.to(self.device)
        return self.verifier(wave[None], torch.tensor([len(wave)], device=self.device))[0]
