"""Adaptation of the generative model to a new speaker, from a few transcribed recordings."""

from abc import ABC, abstractmethod
from collections.abc import Iterable
from copy import deepcopy
from typing import Any

import torch
from lightning.pytorch.cli import OptimizerCallable
from torch import nn

from lightning_vc.checkpoint import fingerprint, source_of
from lightning_vc.modules.low_rank import add_low_rank
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.tasks.base import Losses, Task, check_encoder
from lightning_vc.tasks.tts import tts_loss
from lightning_vc.types import Initialization, TTSBatch

_RANK = 2  # of the low-rank updates


class AdaptationTask(Task, ABC):
    """The loss of multi-speaker training with one new speaker embedding in the place of the speaker table.

    Each method of adaptation is a subclass that defines `trainable`.

    Args:
        tts: the model to adapt; a copy of it is adapted.
        encoder: the speaker encoder trained for `tts`, if `init` is "encoder".
        init: the initial embedding: "mean", the mean of the speaker table; "encoder", the encoder's prediction from
            the first batch of clips.

    Raises:
        ValueError: for `init="encoder"` without an encoder or the reverse, and for an encoder of another model.
    """

    evaluated = ("tts",)  # dropout lowers similarity in so few steps

    def __init__(
        self,
        tts: TTSModel,
        optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-3),
        init: Initialization = "mean",
        encoder: SpeakerEncoder | None = None,
    ) -> None:
        super().__init__(optimizer)
        self.save_hyperparameters(ignore=["tts", "encoder"])
        self.tts_fingerprint = fingerprint(tts)
        if (init == "encoder") != (encoder is not None):
            raise ValueError(
                f"init is {init!r}, which {'needs a' if init == 'encoder' else 'takes no'} speaker encoder"
            )
        if encoder is not None:
            check_encoder(encoder, tts)
        # The list hides it from nn.Module. It is a copy, because it is moved to the training device.
        self.init, self.encoders = init, [deepcopy(encoder)] if encoder else []
        self.tts = deepcopy(tts).eval()
        self.embedding = nn.Parameter(tts.table.weight.detach().mean(0))  # (E,)

    def setup(self, stage: str) -> None:
        """Take the speaker from the datamodule, if it names one."""
        speaker = getattr(getattr(self.trainer, "datamodule", None), "speaker", None)
        self.learned_speakers = [] if speaker is None else [speaker]

    @abstractmethod
    def trainable(self) -> Iterable[nn.Parameter]:
        """The parameters that this method trains."""

    def on_train_start(self) -> None:
        """Set the initial embedding, except in a resumed run."""
        if self.init == "encoder" and not self.global_step:
            self.begin(next(iter(self.trainer.train_dataloader or ())))

    @torch.no_grad()
    def begin(self, first: TTSBatch) -> None:
        """Set the initial embedding to the encoder's prediction from the first batch of clips."""
        batch: TTSBatch = self.transfer_batch_to_device(first, self.device, 0)
        waves, lengths = batch.waves.unsqueeze(0), batch.lengths.unsqueeze(0)
        self.embedding.copy_(self.encoders[0].to(self.device).predict(waves, lengths, self.tts.table.weight)[0])

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        super().on_save_checkpoint(checkpoint)
        checkpoint["tts_fingerprint"] = self.tts_fingerprint

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise ValueError for the adaptation of another model."""
        super().on_load_checkpoint(checkpoint)
        if checkpoint.get("tts_fingerprint") != self.tts_fingerprint:
            raise ValueError(
                f"{self.source} is not an adaptation of {source_of(self.tts)}: give the model that it adapts"
            )

    def loss(self, batch: TTSBatch) -> Losses:
        return tts_loss(self.tts, batch, self.embedding.expand(len(batch.lengths), -1))


class EmbeddingAdaptationTask(AdaptationTask):
    """Train only the new embedding (section 3.1), which is slow but hardly overfits."""

    def __init__(
        self, tts: TTSModel, optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=1e-2), **options: Any
    ) -> None:
        super().__init__(tts, optimizer, **options)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.embedding]


class WholeModelAdaptationTask(AdaptationTask):
    """Train embedding and model (section 3.1): highest similarity, but it overfits after fewer steps."""

    def __init__(
        self, tts: TTSModel, optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=2e-4), **options: Any
    ) -> None:
        super().__init__(tts, optimizer, **options)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.embedding, *self.tts.model.parameters()]


class LowRankAdaptationTask(AdaptationTask):
    """Train the embedding, and a low-rank update of each weight (LoRA, Hu et al. 2021).

    Clones are nearly as similar as by the whole model, and voice files a hundredth of the size. Not in the papers.
    """

    def __init__(
        self, tts: TTSModel, optimizer: OptimizerCallable = lambda p: torch.optim.Adam(p, lr=2e-3), **options: Any
    ) -> None:
        super().__init__(tts, optimizer, **options)
        self.low_rank_updates = add_low_rank(self.tts.model, _RANK)

    def trainable(self) -> Iterable[nn.Parameter]:
        return [self.embedding, *self.low_rank_updates]
