"""Joint fine-tuning: the generative model speaks with the voice that the speaker encoder hears, and both learn."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn

from lightning_vc.checkpoint import with_weights
from lightning_vc.tasks.base import Losses, Task, difference
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import JointBatch


class JointTask(Task):
    """The loss of multi-speaker training with the encoder's answers as voices, over both (section 3.2).

    They are the voices that cloning takes, moved away from the mean of the learned ones by the encoder's `stretch`.
    Clips are heard with the `augmentation` that it was trained with.

    Both begin as they were trained before. Begun with untrained ones, the authors found, the encoder learns an average
    voice. `spread` shows that, the spread of its answers relative to that of the voices in the base's table, which
    stays as it is; and in validation `swapped`, the loss where each speaks with another's voice: voices that say
    nothing cost nothing.

    Args:
        base: checkpoint of the `TTSTask`.
        encoder: checkpoint of the `SpeakerEncoderTask` trained for its voices.
        learned: share of the utterances that are said with the learned voice of the speaker instead, and teach it too:
            else the table would be that of the model before. Only on the shards that the base was trained on.
        stretch: of the encoder that comes of it, where that is to be another than the one that it learns with here.

    Raises:
        ValueError: for an encoder of another base; for a `stretch` that is not above 0; for `learned` on other speakers
            than the base has learned.
    """

    def __init__(
        self,
        base: str,
        encoder: str,
        learned: float = 0.0,
        stretch: float | None = None,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        if stretch is not None and not 0 < stretch < torch.inf:
            raise ValueError(f"stretch moves voices away from their mean by a factor above 0, got {stretch}")
        self.paths = {"tts": base, "encoder": encoder}
        self.learned, self.stretch = learned, stretch
        self.tts, self.encoder = TTSTask.load(base).train(), SpeakerEncoderTask.load(encoder).train()
        if self.encoder.base_fingerprint != self.tts.fingerprint():
            raise ValueError(f"{encoder} was trained for the voices of another model than {base}: train it again")

    def setup(self, stage: str) -> None:
        """Raise ValueError where rows of the table are other speakers' in the data."""
        theirs: list[str] = self.trainer.datamodule.speakers  # type: ignore[attr-defined]
        if self.learned and theirs != self.tts.speakers:
            raise ValueError(
                f"learned={self.learned} teaches the voices of {self.paths['tts']}, and the data has other speakers "
                f"({difference(self.tts.speakers, theirs)}): go on with the shards that it was trained on, or set "
                "--model.learned 0"
            )

    @property
    def frontend(self) -> Frontend:
        """How texts are spelt for the base."""
        return self.tts.frontend

    def learned_speakers(self) -> list[str]:
        return self.tts.speakers

    def trainable(self) -> Iterable[nn.Parameter]:
        moving: list[nn.Module] = [self.tts.model, self.encoder]
        moving += [self.tts.table] if self.learned else []
        return [parameter for module in moving for parameter in module.parameters()]

    def loss(self, batch: JointBatch) -> Losses:
        clips = self.encoder.augmented(batch.clips)
        heard = self.encoder(clips.waves, clips.lengths)  # (B, E)
        voice = self.encoder.stretched(heard, self.tts.table.voices)
        with torch.no_grad():
            spread = heard.std(0, correction=0).mean() / self.tts.table.voices.std(0, correction=0).mean().clamp(1e-8)
        if not self.training:
            losses = self.tts.loss_of(batch.said, voice)
            return {**losses, "spread": spread, "swapped": self.tts.loss_of(batch.said, voice.roll(1, 0))["loss"]}
        if self.learned:
            known = torch.rand(len(voice), 1, device=voice.device) < self.learned
            voice = torch.where(known, self.tts.table(batch.said.speakers), voice)
        return {**self.tts.loss_of(batch.said, voice), "spread": spread}

    def parts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Checkpoints of both as `Cloner.load` takes them: name of the folder, and what is in last.ckpt."""
        for name, task in (("tts", self.tts), ("encoder", self.encoder)):
            saved = with_weights(self.paths[name], task.state_dict())
            if name == "encoder":
                saved["base_fingerprint"] = self.tts.fingerprint()
                saved["hyper_parameters"]["stretch"] = self.encoder.stretch if self.stretch is None else self.stretch
            yield name, saved
