"""What every task shares: one loss for every stage, one place that freezes, one optimizer."""

import hashlib
import json
import pickle
import warnings
import zlib
from abc import ABC, abstractmethod
from argparse import ArgumentError
from collections.abc import Iterable, Mapping, Sequence
from importlib import import_module
from io import BytesIO
from pathlib import Path
from typing import Any

import torch
from lightning.pytorch import LightningModule
from lightning.pytorch.cli import LRSchedulerCallable, OptimizerCallable
from lightning.pytorch.loggers import WandbLogger
from lightning.pytorch.trainer.states import TrainerFn
from lightning.pytorch.utilities.parsing import AttributeDict
from lightning.pytorch.utilities.types import OptimizerLRScheduler
from safetensors import SafetensorError, safe_open
from torch import Tensor, nn
from typing_extensions import Self

# To leave the parts out, as it says, would leave them out of the checkpoint, which then could not be loaded.
warnings.filterwarnings("ignore", "Attribute '.*' is an instance of `nn.Module`")

_OF_TRAINING = (  # not of the weights
    *("optimizer_states", "lr_schedulers", "loops", "callbacks", "wandb_run"),
    *("current_model_state", "averaging_state"),  # of a callback that averages weights: what is averaged stays
)

_DAMAGED = (pickle.UnpicklingError, SafetensorError)

Losses = dict[str, Tensor]  # "loss" is minimised, the others are only logged


class Task(LightningModule, ABC):
    """A subclass says its `loss`, and by `trainable` which parameters move (all, unless it says otherwise)."""

    def __init__(self, optimizer: OptimizerCallable, scheduler: LRSchedulerCallable | None = None) -> None:
        super().__init__()
        self.optimizer, self.scheduler = optimizer, scheduler

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
        """Freeze here: later than this, DDP would already wait for gradients that never come."""
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

    def validation_step(self, batch: Any) -> Tensor:
        return self._step(batch, "validation")

    def test_step(self, batch: Any) -> Tensor:
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

    def on_load_checkpoint(self, checkpoint: dict[str, Any]) -> None:
        """Refuse to go on from another kind of task, and with other speakers."""
        own, other = f"{type(self).__module__}.{type(self).__qualname__}", checkpoint.get("task")
        if other != own:
            raise ValueError(f"this is a checkpoint of {other}: {own} cannot be resumed from it")
        learned = checkpoint.get("speakers", checkpoint.get("hyper_parameters", {}).get("speakers", []))
        if (speakers := self.learned_speakers()) and learned and speakers != learned:
            raise ValueError(
                f"the checkpoint has learned other speakers than those of the data ({difference(learned, speakers)}): "
                "resume it with the data that it was trained on, or begin anew; `tts fit --model.start CHECKPOINT` "
                "begins anew with its weights, and with the voices of those speakers who are in both"
            )
        for schedule in checkpoint.get("lr_schedulers", []):
            end = schedule.get("total_steps")  # of those that have an end, such as OneCycleLR
            if end and self._trainer and self.trainer.state.fn == TrainerFn.FITTING and self.trainer.max_steps > end:
                raise ValueError(
                    f"the schedule of the checkpoint ends after {end} steps, --trainer.max_steps is "
                    f"{self.trainer.max_steps}: resume it with {end}, or begin anew with the longer schedule"
                )

    @classmethod
    def load(cls, path: str | Path) -> Self:
        """The task of this kind in a checkpoint, on the CPU, ready to be used.

        Raises:
            FileNotFoundError: if there is no such file.
            ValueError: if it is not a checkpoint, or one of another kind.
        """
        saved = read_checkpoint(path)
        module, _, name = saved["task"].rpartition(".")
        try:
            kind = getattr(import_module(module), name)
        except (ImportError, AttributeError, ValueError) as error:
            raise ValueError(
                f"{path} is a checkpoint of {saved['task']}, which is not found: run in the folder that holds it"
            ) from error
        if not issubclass(kind, cls):
            raise ValueError(f"{path} is a checkpoint of {name}, where one of {cls.__name__} is needed")
        try:
            task: Self = kind.load_from_checkpoint(_file_of(path, saved), map_location="cpu", weights_only=True)
        except (ArgumentError, TypeError, RuntimeError) as error:
            reason = str(error).splitlines()[-1].strip()
            raise ValueError(
                f"{path}: its {name} cannot be built again ({reason}): run in the folder that holds your own classes, "
                "with the version of lightning_vc that trained it"
            ) from error
        return task.eval()

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


def fingerprint(module: nn.Module) -> str:
    """The first 16 hex digits of the SHA-256 of a module's weights."""
    digest = hashlib.sha256()
    for name, value in sorted(module.state_dict().items()):
        digest.update(name.encode())
        digest.update(value.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()[:16]


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """What is in a checkpoint of a task.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is none, or damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: name one that training left (last.ckpt)")
    try:
        is_exported = Path(path).suffix == ".safetensors"
        saved = _read_exported(path) if is_exported else dict(torch.load(path, map_location="cpu", weights_only=True))
        str(saved["task"])
    except (
        SafetensorError,
        pickle.UnpicklingError,
        RuntimeError,
        LookupError,
        TypeError,
        ValueError,
        EOFError,
        OSError,
    ) as error:
        raise ValueError(f"{path} is not a checkpoint of lightning_vc, or it is damaged") from error
    return saved


def exported(name: str) -> str:
    """What a number of a checkpoint that is no weight is called among the weights of an exported one."""
    return f"checkpoint/{name}"


def _read_exported(path: str | Path) -> dict[str, Any]:
    """What `lightning_vc.pretrained.export` wrote, in single precision."""
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary
        saved: dict[str, Any] = json.loads((file.metadata() or {})["about"])
    own = exported("")
    rest = {name.removeprefix(own): tensors.pop(name) for name in list(tensors) if name.startswith(own)}
    weights = {name: value.float() if value.is_floating_point() else value for name, value in tensors.items()}
    return saved | rest | {"state_dict": weights}


def _file_of(path: str | Path, saved: dict[str, Any]) -> str | Path | BytesIO:
    """What Lightning can load a checkpoint from."""
    if Path(path).suffix != ".safetensors":
        return path
    buffer = BytesIO()
    torch.save(saved, buffer)
    buffer.seek(0)
    return buffer


def with_weights(path: str | Path, weights: Mapping[str, Tensor]) -> dict[str, Any]:
    """What is in a checkpoint, with other weights and nothing of its training: to go on from it would be another run.

    Raises what `read_checkpoint` raises.
    """
    saved = {key: value for key, value in read_checkpoint(path).items() if key not in _OF_TRAINING}
    return saved | {"state_dict": {key: value.detach().cpu() for key, value in weights.items()}}


def _plain(value: Any) -> bool:
    if isinstance(value, dict):
        return all(_plain(item) for pair in value.items() for item in pair)
    if isinstance(value, list | tuple):
        return all(map(_plain, value))
    return value is None or type(value) in (str, int, float, bool)
