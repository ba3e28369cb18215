"""Adapting the generative model to a speaker that it has not seen, from a few transcribed recordings."""

from abc import ABC, abstractmethod
from collections.abc import Iterable

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import nn

from lightning_vc.tasks.base import Losses, Task
from lightning_vc.tasks.tts import TTSTask
from lightning_vc.text.frontend import Frontend
from lightning_vc.types import TTSBatch


class AdaptationTask(Task, ABC):
    """The loss of multi-speaker training, with one new voice in the place of the speaker table.

    A method of adaptation is a subclass that says what is `trainable`.

    Args:
        base: checkpoint of the `TTSTask` to adapt; it stays as it is.
    """

    def __init__(self, base: str, optimizer: OptimizerCallable) -> None:
        super().__init__(optimizer)
        self.save_hyperparameters()
        self.base = base
        self.tts = TTSTask.load(base)  # in eval mode, and stays so: noise in so few steps only costs likeness
        self.voice = nn.Parameter(self.tts.table.voices.detach().mean(0))  # (E,), starts as the average voice

    @property
    def frontend(self) -> Frontend:
        """How texts are spelt for the base."""
        return self.tts.frontend

    @abstractmethod
    def trainable(self) -> Iterable[nn.Parameter]:
        """The parameters that this method moves."""

    def loss(self, batch: TTSBatch) -> Losses:
        return self.tts.loss_of(batch, self.voice.expand(len(batch.lengths), -1))


class EmbeddingAdaptationTask(AdaptationTask):
    """Only the new voice moves (section 3.1): slow, but it hardly overfits."""

    def __init__(self, base: str, optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-2)) -> None:
        super().__init__(base, optimizer)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.voice]


class WholeModelAdaptationTask(AdaptationTask):
    """Voice and model move (section 3.1): closest to the speaker, and the first to overfit; stop early."""

    def __init__(self, base: str, optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=5e-4)) -> None:
        super().__init__(base, optimizer)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.voice, *self.tts.model.parameters()]
