"""The base class of tasks: one loss for all stages, freezing of parameters, one optimizer, checkpoints."""

import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Sequence
from typing import Any, ClassVar, NoReturn

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.parsing import AttributeDict
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn

from lightning_vc.checkpoint import class_path, fingerprint, fingerprint_of, fitting_weights, model_config, source_of
from lightning_vc.modules.speaker_encoder import SpeakerEncoder
from lightning_vc.modules.tts import TTSModel
from lightning_vc.resuming import SafeCheckpointIO, check_training_state
from lightning_vc.untrusted import MODELS

Losses = dict[str, Tensor]  # "loss" is minimised, all other terms are only logged


class Task(LightningModule, ABC):
    """Training of one or more models. A subclass defines `loss`, and overrides `trainable` to freeze parameters.

    Attributes:
        parts: names of the attributes that hold models, which `lightning_vc.checkpoint.load_model` can load from a
            checkpoint of the task.
        learned_speakers: ids of the speakers whose embeddings or classes are among the weights, in the order of their
            rows.
        evaluated: names of the attributes that hold models which stay in evaluation mode.
    """

    parts: ClassVar[tuple[str, ...]] = ()
    evaluated: ClassVar[tuple[str, ...]] = ()
    learned_speakers: Sequence[str] = ()

    def __init__(self, optimizer: OptimizerCallable, scheduler: LRSchedulerCallable | None = None) -> None:
        super().__init__()
        self.optimizer, self.scheduler = optimizer, scheduler

    @property
    def hparams_initial(self) -> AttributeDict:
        """The hyper-parameters for loggers, without objects."""
        return AttributeDict({name: value for name, value in super().hparams_initial.items() if _plain(value)})

    @abstractmethod
    def loss(self, batch: Any) -> Losses:
        """The terms of one batch, including "loss"."""

    def trainable(self) -> Iterable[nn.Parameter]:
        """The parameters to train; all other ones are frozen."""
        return self.parameters()

    def train(self, mode: bool = True) -> "Task":
        """Set training mode, except for the models named in `evaluated`."""
        super().train(mode)
        for name in self.evaluated:
            getattr(self, name).eval()
        return self

    def parameter_groups(self) -> list[dict[str, Any]]:
        """The optimizer's groups of trainable parameters; the "rate" of a group multiplies its learning rate."""
        return [{"params": list(self.trainable())}]

    def configure_model(self) -> None:
        """Freeze parameters before DDP wraps the task, and set `SafeCheckpointIO` before a checkpoint is read."""
        if self._trainer and type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # the default
            self.trainer.strategy.checkpoint_io = SafeCheckpointIO()
        trainable = {id(parameter) for parameter in self.trainable()}
        for parameter in self.parameters():
            parameter.requires_grad_(id(parameter) in trainable)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self.optimizer(self.parameter_groups())
        for group in optimizer.param_groups:
            group["lr"] *= group.get("rate", 1.0)
        if self.scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"}}

    def on_fit_start(self) -> None:
        self.seed = torch.initial_seed()  # the seed of the run

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Seed each step by the run's seed, rank and step, so that a resumed run draws the same numbers."""
        torch.manual_seed(zlib.crc32(f"{self.seed}/{self.global_rank}/{self.global_step}".encode()))

    def training_step(self, batch: Any) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: Any) -> Tensor | None:
        return self._step(batch, "val")

    def test_step(self, batch: Any) -> Tensor | None:
        return self._step(batch, "test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Add the settings of the models, and leave out hyper-parameters that are objects."""
        checkpoint["task"] = class_path(type(self))
        hyper = checkpoint.get("hyper_parameters", {})
        checkpoint["hyper_parameters"] = {name: value for name, value in hyper.items() if _plain(value)}
        checkpoint[MODELS] = {f"{part}.": config for part in self.parts if (config := self._config(part)) is not None}
        if self.learned_speakers:
            checkpoint["speakers"] = list(self.learned_speakers)
        for logger in self.loggers:
            if isinstance(logger, WandbLogger):
                checkpoint["wandb_run"] = logger.version

    def _config(self, part: str) -> dict[str, Any] | None:
        """Class and settings of a model; None for a model that was built in Python."""
        model, config = getattr(self, part), self.hparams.get(part)
        if part in self.hparams and config is None:  # the task built the default model
            return {"class_path": class_path(type(model)), "init_args": {}}
        return config if isinstance(config, dict) else model_config(model)

    @property
    def source(self) -> str:
        """Path of the checkpoint from which the task is resumed, for messages."""
        return str((self._trainer and self._trainer.ckpt_path) or "the checkpoint")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Raise ValueError for a checkpoint of another task or other speakers, or one that does not fit the task."""
        task, saved_task = class_path(type(self)), checkpoint.get("task")
        if saved_task != task:
            raise ValueError(
                f"{self.source} is a checkpoint of {str(saved_task)[:100]}: {task} cannot be resumed from it"
            )
        learned, speakers = checkpoint.get("speakers", []), list(self.learned_speakers)
        if speakers and learned and speakers != learned:
            raise ValueError(
                f"{self.source} has other speakers than the data ({difference(learned, speakers)}): "
                "resume it with the data that it was trained on, or start a new run: `tts fit --pretrained.tts "
                "CHECKPOINT` starts from its weights, and from the embeddings of speakers that are in both"
            )
        checkpoint["state_dict"] = fitting_weights(checkpoint["state_dict"], self, self.source)
        check_training_state(checkpoint, self, self.trainer, self.source)
        for schedule in checkpoint.get("lr_schedulers", []):
            end = schedule.get("total_steps")  # of schedules with an end, such as OneCycleLR
            if end and self.trainer.state.fn == TrainerFn.FITTING and self.trainer.max_steps > end:
                raise ValueError(
                    f"the schedule of the checkpoint ends after {end} steps, --trainer.max_steps is "
                    f"{self.trainer.max_steps}: resume it with {end}, or start a new run with a longer schedule"
                )

    @classmethod
    def load_from_checkpoint(cls, *_: Any, **__: Any) -> NoReturn:
        """Raise TypeError, because Lightning's method would import any class that the file names.

        The message names the function to use instead.
        """
        raise TypeError(
            "a checkpoint is loaded by lightning_vc.checkpoint.load_model(path, TTSModel), or the class of another "
            "model in it; training is resumed by trainer.fit(task, ckpt_path=path)"
        )

    def _step(self, batch: Any, stage: str) -> Tensor:
        losses = self.loss(batch)
        named = {f"{stage}/{name}": value.detach() for name, value in losses.items()}
        training = stage == "train"
        self.log_dict(named, prog_bar=training, sync_dist=not training, batch_size=len(batch.lengths))
        if not torch.isfinite(losses["loss"]):
            raise ValueError(
                f"the loss became {losses['loss'].item()} at step {self.global_step}: lower the learning rate"
            )
        return losses["loss"]


def check_encoder(encoder: SpeakerEncoder, tts: TTSModel) -> None:
    """Raise ValueError for a speaker encoder that was trained for another model."""
    if encoder.tts_fingerprint != fingerprint(tts):
        raise ValueError(f"{source_of(encoder)} was trained for another model than {source_of(tts)}: train it again")


def store_fingerprint(weights: dict[str, Tensor]) -> None:
    """Store in the weights of a task that the encoder belongs to the generative model beside it."""
    saved = fingerprint_of({key[4:]: value for key, value in weights.items() if key.startswith("tts.")})
    weights["encoder._tts"] = torch.tensor(list(bytes.fromhex(saved)), dtype=torch.uint8)


def check_same_speakers(learned: Sequence[str], data: Sequence[str]) -> None:
    """Raise ValueError where the speakers of a speaker table and of the data differ."""
    if list(learned) != list(data):
        raise ValueError(
            f"the pretrained TTS model has other speakers than the data ({difference(learned, data)}): "
            "give the shards that it was trained on"
        )


def difference(before: Sequence[str], now: Sequence[str]) -> str:
    """Description of how two lists of speakers differ, for messages."""
    parts = [
        f"{len(names)} {where}: {', '.join(name[:60] for name in names[:5])}{', ...' if len(names) > 5 else ''}"
        for where, names in (
            ("only in the checkpoint", sorted({*before} - {*now})),
            ("only in the data", sorted({*now} - {*before})),
        )
        if names
    ]
    return "; ".join(parts) or "the same in another order"


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_plain(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool)
