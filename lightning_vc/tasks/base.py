"""What every task shares: one loss for every stage, one place that freezes, one optimizer."""

import warnings
import zlib
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import TorchCheckpointIO
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.parsing import AttributeDict
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from torch import Tensor, nn
from typing_extensions import Self

from lightning_vc.audio.features import Spectrograms
from lightning_vc.checkpoint import fingerprint, fitting_weights, read_checkpoint
from lightning_vc.resuming import SafeCheckpointIO, check_training_state
from lightning_vc.trust import TASKS, SettingsError, build, find_class, limited

# To leave the parts out, as it says, would leave them out of the checkpoint, which then could not be loaded.
warnings.filterwarnings("ignore", "Attribute '.*' is an instance of `nn.Module`")

_MAX_OPEN = 4  # model files that name each other
_open: ContextVar[tuple[Path, ...]] = ContextVar("_open", default=())  # being loaded, each named by the one before

Losses = dict[str, Tensor]  # "loss" is minimised, the others are only logged


class Task(LightningModule, ABC):
    """A subclass says its `loss`, and by `trainable` which parameters move (all, unless it says otherwise)."""

    def __init__(self, optimizer: OptimizerCallable, scheduler: LRSchedulerCallable | None = None) -> None:
        super().__init__()
        self.optimizer, self.scheduler = optimizer, scheduler
        self._source = ""

    @property
    def hparams_initial(self) -> AttributeDict:
        """What loggers are told; they cannot write down parts that were built in Python."""
        return AttributeDict({name: value for name, value in super().hparams_initial.items() if _plain(value)})

    @abstractmethod
    def loss(self, batch: Any) -> Losses:
        """The terms of one batch; "loss" among them."""

    def trainable(self) -> Iterable[nn.Parameter]:
        return self.parameters()

    def learned_speakers(self) -> list[str]:
        """Ids of the speakers whose voices or classes are among the weights, in the order of their rows."""
        return []

    def parameter_groups(self) -> list[dict[str, Any]]:
        """What the optimizer is given: the trainable parameters; the "rate" of a group multiplies its learning rate."""
        return [{"params": list(self.trainable())}]

    def configure_model(self) -> None:
        """Freeze parameters before DDP waits for their gradients, and have checkpoints read as data before one is."""
        if self._trainer and type(self.trainer.strategy.checkpoint_io) is TorchCheckpointIO:  # nobody chose another
            self.trainer.strategy.checkpoint_io = SafeCheckpointIO()
        moving = {id(parameter) for parameter in self.trainable()}
        for parameter in self.parameters():
            parameter.requires_grad_(id(parameter) in moving)

    def configure_optimizers(self) -> OptimizerLRScheduler:
        optimizer = self.optimizer(self.parameter_groups())
        for group in optimizer.param_groups:
            group["lr"] *= group.get("rate", 1.0)
        if self.scheduler is None:
            return optimizer
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": self.scheduler(optimizer), "interval": "step"}}

    def on_fit_start(self) -> None:
        self.seed = torch.initial_seed()  # that of the run: nothing has been drawn from any other

    def on_train_batch_start(self, batch: Any, batch_idx: int) -> None:
        """Draw each step's noise from seed, rank and step alone, so that a resumed run repeats it bit for bit."""
        torch.manual_seed(zlib.crc32(f"{self.seed}/{self.global_rank}/{self.global_step}".encode()))

    def training_step(self, batch: Any) -> Tensor:
        return self._step(batch, "train")

    def validation_step(self, batch: Any) -> Tensor | None:
        return self._step(batch, "validation")

    def test_step(self, batch: Any) -> Tensor | None:
        return self._step(batch, "test")

    def on_save_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Say whose checkpoint it is, and keep only plain hyper-parameters: they must load with weights_only=True."""
        checkpoint["task"] = f"{type(self).__module__}.{type(self).__qualname__}"
        hyper = checkpoint.get("hyper_parameters", {})
        checkpoint["hyper_parameters"] = {name: value for name, value in hyper.items() if _plain(value)}
        if speakers := self.learned_speakers():
            checkpoint["speakers"] = list(speakers)
        for logger in self.loggers:
            if isinstance(logger, WandbLogger):
                checkpoint["wandb_run"] = logger.version

    @property
    def source(self) -> str:
        """Name of the file that the task is loaded or resumed from, for messages."""
        resumed = self._trainer.ckpt_path if self._trainer else None
        return str(resumed or self._source or "the checkpoint")

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to resume from another task, other speakers, or weights or a training state of another shape."""
        own, other = f"{type(self).__module__}.{type(self).__qualname__}", checkpoint.get("task")
        if other != own:
            raise ValueError(f"{self.source} is a checkpoint of {other}: {own} cannot be resumed from it")
        if not self._trainer:  # `load` has checked the weights
            return
        learned = checkpoint.get("speakers", checkpoint.get("hyper_parameters", {}).get("speakers", []))
        if (speakers := self.learned_speakers()) and learned and speakers != learned:
            raise ValueError(
                f"{self.source} has learned other speakers than those of the data ({difference(learned, speakers)}): "
                "resume it with the data that it was trained on, or begin anew; `tts fit --model.start CHECKPOINT` "
                "begins anew with its weights, and with the voices of those speakers who are in both"
            )
        checkpoint["state_dict"] = fitting_weights(checkpoint["state_dict"], self, self.source)
        check_training_state(checkpoint, self, self.trainer, self.source)
        for schedule in checkpoint.get("lr_schedulers", []):
            end = schedule.get("total_steps")  # of those that have an end, such as OneCycleLR
            if end and self.trainer.state.fn == TrainerFn.FITTING and self.trainer.max_steps > end:
                raise ValueError(
                    f"the schedule of the checkpoint ends after {end} steps, --trainer.max_steps is "
                    f"{self.trainer.max_steps}: resume it with {end}, or begin anew with the longer schedule"
                )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The task of this kind in a checkpoint, on the CPU, ready to be used.

        The file is data: the classes that it names are those that `lightning_vc.trust` allows, and names, shapes and
        types of its weights are compared with those of the task before any memory is taken for that.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a checkpoint, one of another kind, or one that cannot be built.
        """
        with _opened(path), torch.device("cpu"):
            saved = read_checkpoint(path)
            try:
                kind = find_class(saved["task"], Task, "task", TASKS)  # type: ignore[type-abstract]
                if not issubclass(kind, cls):
                    raise SettingsError(f"it is a checkpoint of {kind.__name__}, where one of {cls.__name__} is needed")
                settings = {name: value for name, value in saved["hyper_parameters"].items() if str(name)[:1] != "_"}
                with torch.device("meta"), limited(sum(value.numel() > 0 for value in saved["state_dict"].values())):
                    sketch = build(kind, settings, "hyper_parameters")
                saved["state_dict"] = fitting_weights(saved["state_dict"], sketch, str(path))
                task = build(kind, settings, "hyper_parameters")
            except SettingsError as error:
                raise ValueError(f"{path}: {error}") from error
            task._source = str(path)
            task.configure_model()
            task.on_load_checkpoint(saved)
            _check_constants(task, saved["state_dict"], path)
            task.load_state_dict(saved["state_dict"])
            return task.eval()

    @classmethod
    def load_from_checkpoint(cls, checkpoint_path: Any, *args: Any, **kwargs: Any) -> Self:
        """The same as `load`: Lightning's own would import whatever classes the file names.

        Raises what `load` raises, and TypeError for further arguments.
        """
        if args or kwargs:
            raise TypeError(f"load_from_checkpoint takes a path and nothing else here, got {[*args, *kwargs]}")
        return cls.load(checkpoint_path)

    def fingerprint(self) -> str:
        """A short name for exactly these weights."""
        return fingerprint(self)

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


def difference(before: Sequence[str], now: Sequence[str]) -> str:
    """How two lists of speakers differ, in words."""
    parts = [
        f"{len(names)} {where}: {', '.join(names[:5])}{', ...' if len(names) > 5 else ''}"
        for where, names in (
            ("only in the checkpoint", sorted({*before} - {*now})),
            ("only in the data", sorted({*now} - {*before})),
        )
        if names
    ]
    return "; ".join(parts) or "the same in another order"


def _check_constants(task: Task, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise ValueError where a file has other filters of a spectrogram than its settings make, but for rounding."""
    for name, module in task.named_modules():
        for constant, value in module.state_dict(prefix=f"{name}.").items() if isinstance(module, Spectrograms) else ():
            if not torch.allclose(value, weights[constant], atol=1e-3):
                raise ValueError(f"{path}: the weight {constant} does not follow from the settings of {name}")


@contextmanager
def _opened(path: str | Path) -> Iterator[None]:
    """Note that a model file is being loaded; raises ValueError if it names itself, or a long row of others."""
    file, files = Path(path).resolve(), _open.get()
    if file in files or len(files) == _MAX_OPEN:
        raise ValueError(f"{path} is named by itself or by a row of {_MAX_OPEN} other checkpoints: give another file")
    token = _open.set((*files, file))
    try:
        yield
    finally:
        _open.reset(token)


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_plain(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool)
