"""Joint fine-tuning: the generative model speaks with the voice that the speaker encoder hears, and both learn."""

from collections.abc import Iterable, Iterator
from typing import Any

import torch
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from torch import nn

from lightning_vc.tasks.base import Losses, Task, with_weights
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import JointBatch


class JointTask(Task):
    """The loss of multi-speaker training with the encoder's answers as voices, over both (section 3.2).

    Both begin as they were trained before. Begun with untrained ones, the authors found, the encoder learns an average
    voice. `spread` shows that, the spread of its answers relative to that of the voices in the base's table, which
    stays as it is; and in validation `swapped`, the loss where each speaks with another's voice: voices that say
    nothing cost nothing.

    Args:
        base: checkpoint of the `TTSTask`.
        encoder: checkpoint of the `SpeakerEncoderTask` trained for its voices.

    Raises:
        ValueError: for an encoder of another base.
    """

    def __init__(
        self,
        base: str,
        encoder: str,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-4),
        scheduler: LRSchedulerCallable | None = None,
    ) -> None:
        super().__init__(optimizer, scheduler)
        self.save_hyperparameters()
        self.paths = {"tts": base, "encoder": encoder}
        self.tts, self.encoder = TTSTask.load(base).train(), SpeakerEncoderTask.load(encoder).train()
        if self.encoder.base_fingerprint != self.tts.fingerprint():
            raise ValueError(f"{encoder} was trained for the voices of another model than {base}: train it again")

    @property
    def frontend(self) -> Frontend:
        """How texts are spelt for the base."""
        return self.tts.frontend

    def trainable(self) -> Iterable[nn.Parameter]:
        return [*self.tts.model.parameters(), *self.encoder.parameters()]

    def loss(self, batch: JointBatch) -> Losses:
        voice = self.encoder(batch.clips.waves, batch.clips.lengths)  # (B, E)
        with torch.no_grad():
            learned = self.tts.table.voices.std(0, correction=0).mean().clamp(min=1e-8)
            spread = voice.std(0, correction=0).mean() / learned
            swapped = {} if self.training else {"swapped": self.tts.loss_of(batch.said, voice.roll(1, 0))["loss"]}
        return {**self.tts.loss_of(batch.said, voice), "spread": spread, **swapped}

    def parts(self) -> Iterator[tuple[str, dict[str, Any]]]:
        """Checkpoints of both as `Cloner.load` takes them: name of the folder, and what is in last.ckpt."""
        for name, task in (("tts", self.tts), ("encoder", self.encoder)):
            saved = with_weights(self.paths[name], task.state_dict())
            if name == "encoder":
                saved["base_fingerprint"] = self.tts.fingerprint()
            yield name, saved
