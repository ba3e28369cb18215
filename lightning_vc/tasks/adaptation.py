"""Adapting the generative model to a speaker that it has not seen, from a few transcribed recordings."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from typing import Literal

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import Tensor, nn

from lightning_vc.modules.low_rank import add_low_rank
from lightning_vc.tasks.base import Losses, Task
from lightning_vc.tasks.speaker_encoder import SpeakerEncoderTask
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import TTSBatch

Start = Literal["mean", "nearest", "encoder"]


class AdaptationTask(Task, ABC):
    """The loss of multi-speaker training, with one new voice in the place of the speaker table.

    A method of adaptation is a subclass that says what is `trainable`.

    Args:
        base: checkpoint of the `TTSTask` to adapt; it stays as it is.
        start: which voice the new one begins as: the mean of those that the base has learned, the one of them that
            says the first batch of clips best, or what an encoder hears in that batch.
        encoder: checkpoint of the `SpeakerEncoderTask` to start with.
    """

    def __init__(
        self,
        base: str,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        start: Start = "mean",
        encoder: str | None = None,
    ) -> None:
        super().__init__(optimizer)
        self.save_hyperparameters()
        if (start == "encoder") != (encoder is not None):
            raise ValueError(f"start is {start!r} and encoder is {encoder!r}: one asks for the other")
        self.base, self.start, self.encoder = base, start, encoder
        self.tts = TTSTask.load(base)  # in eval mode, and stays so: noise in so few steps only costs likeness
        self.voice = nn.Parameter(self.tts.table.voices.detach().mean(0))  # (E,)

    @property
    def frontend(self) -> Frontend:
        """How texts are spelt for the base."""
        return self.tts.frontend

    def learned_speakers(self) -> list[str]:
        """The speaker to whom the data adapts, where it names one."""
        data = getattr(self._trainer, "datamodule", None)
        speaker = getattr(data, "speaker", None)
        return [] if speaker is None else [speaker]

    @abstractmethod
    def trainable(self) -> Iterable[nn.Parameter]:
        """The parameters that this method moves."""

    def on_train_start(self) -> None:
        """Find the voice to begin with, but not in a run that is resumed."""
        if self.start != "mean" and not self.global_step:
            first = next(iter(self.trainer.train_dataloader or ()))
            batch: TTSBatch = self.transfer_batch_to_device(first, self.device, 0)
            with torch.no_grad():
                self.voice.copy_(self._nearest(batch) if self.encoder is None else self._heard(batch, self.encoder))

    def loss(self, batch: TTSBatch) -> Losses:
        return self.tts.loss_of(batch, self.voice.expand(len(batch.lengths), -1))

    def _nearest(self, batch: TTSBatch) -> Tensor:
        """(E,)."""
        voices = self.tts.table.voices.detach()
        losses = [self.tts.loss_of(batch, voice.expand(len(batch.lengths), -1))["loss"] for voice in voices]
        return voices[torch.stack(losses).argmin()]

    def _heard(self, batch: TTSBatch, encoder: str) -> Tensor:
        """(E,); raises ValueError for the encoder of another base."""
        task = SpeakerEncoderTask.load(encoder).to(self.device)
        if task.base_fingerprint != TTSTask.load(self.base).fingerprint():
            raise ValueError(f"{encoder} was trained for the voices of another model than {self.base}: train it again")
        voice: Tensor = task(batch.waves.unsqueeze(0), batch.lengths.unsqueeze(0))[0]
        return task.stretched(voice, self.tts.table.voices)


class EmbeddingAdaptationTask(AdaptationTask):
    """Only the new voice moves (section 3.1): slow, but it hardly overfits."""

    def __init__(
        self,
        base: str,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-2),
        start: Start = "mean",
        encoder: str | None = None,
    ) -> None:
        super().__init__(base, optimizer, start, encoder)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.voice]


class WholeModelAdaptationTask(AdaptationTask):
    """Voice and model move (section 3.1): closest to the speaker, and the first to overfit; stop early."""

    def __init__(
        self,
        base: str,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=2e-4),
        start: Start = "mean",
        encoder: str | None = None,
    ) -> None:
        super().__init__(base, optimizer, start, encoder)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.voice, *self.tts.model.parameters()]


class LowRankAdaptationTask(AdaptationTask):
    """The voice moves, and each weight of the model by a product of two thin matrices (Hu et al. 2021).

    It comes near to the whole model, and the file of a voice holds a hundredth of it. It is not in the papers.

    Args:
        rank: the thin side of the matrices.
    """

    def __init__(
        self,
        base: str,
        rank: int = 2,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=2e-3),
        start: Start = "mean",
        encoder: str | None = None,
    ) -> None:
        super().__init__(base, optimizer, start, encoder)
        self.added = add_low_rank(self.tts.model, rank)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.voice, *self.added]
