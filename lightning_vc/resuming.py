"""Checkpoints of Lightning: writing, reading, and checks before training resumes."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch
from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor
from torch.optim import Optimizer

from lightning_vc.checkpoint import write_checkpoint
from lightning_vc.console import short
from lightning_vc.untrusted import finite, read_checkpoint

_OF_LOADERS = ("state_dict", "combined_loader")  # states of loaders in loops, which the loaders check
_OPTIMIZERS = "optimizer_states"


class SafeCheckpointIO(CheckpointIO):
    """Write checkpoints atomically, and read them as untrusted data, whatever the arguments."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write the file atomically; raises OSError with its name, or ValueError for a URL."""
        if "://" in str(path):
            raise ValueError(f"{path} is a URL: checkpoints are written to this machine, give a folder")
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read to the CPU; raises what `read_checkpoint` raises."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a file, but never a folder."""
        if Path(path).is_file():
            Path(path).unlink()


def check_training_state(saved: Mapping[str, Any], task: LightningModule, trainer: Trainer, path: str) -> None:
    """Check that a saved training state fits the trainer that resumes it.

    Raises:
        ValueError: if a field is missing or of another structure; the message names file and field.
    """
    fits = trainer.state.fn == TrainerFn.FITTING
    if fits and "optimizer_states" not in saved:
        raise ValueError(f"{path} holds weights and no state of training: a run cannot go on from it")
    if not fits and "loops" not in saved:
        return
    names = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
    expected: dict[str, Any] = {"loops": {name: getattr(trainer, name).state_dict() for name in names}}
    if fits:
        expected |= {"epoch": 0, "global_step": 0, "callbacks": {}, "optimizer_states": [], "lr_schedulers": []}
    _check_same(expected, saved, "", path)
    if not fits:
        return
    loaders = saved["loops"]["fit_loop"]["state_dict"].get("combined_loader", [{}])
    if not isinstance(loaders, list) or not loaders or not all(isinstance(loader, dict) for loader in loaders):
        raise ValueError(
            f"{path}: loops.fit_loop.state_dict.combined_loader is {short(loaders)}, where a list of the positions of "
            "loaders is needed"
        )
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a function of Lightning
        if callback.state_key in saved["callbacks"]:
            state, where = saved["callbacks"][callback.state_key], f"callbacks.{short(callback.state_key)}"
            _check_same(callback.state_dict(), state, where, path)
            if isinstance(callback, ModelCheckpoint):
                _check_paths(state, where, path)
    configured: Any = task.configure_optimizers()
    if isinstance(configured, Optimizer):
        configured = {"optimizer": configured}
    if isinstance(configured, dict):  # a task of the user's may have several optimizers
        schedulers = [configured["lr_scheduler"]["scheduler"].state_dict()] if "lr_scheduler" in configured else []
        _check_same(schedulers, saved["lr_schedulers"], "lr_schedulers", path)
        _check_optimizer(configured["optimizer"], saved["optimizer_states"], path)


def _check_optimizer(optimizer: Optimizer, states: list[Any], path: str) -> None:
    """Check saved groups and moments against the parameters of the optimizer."""
    groups = optimizer.state_dict()["param_groups"]
    expected = {"state": {}, "param_groups": [{"params": [], "lr": 0.0}] * len(groups)}
    _check_same([expected], states, _OPTIMIZERS, path)
    state, saved_groups = states[0]["state"], states[0]["param_groups"]
    for number, (group, saved) in enumerate(zip(groups, saved_groups, strict=True)):
        shared = {name: value for name, value in group.items() if name in saved}  # a newer torch may have more
        _check_same(shared | {"params": []}, saved, f"{_OPTIMIZERS}[0].param_groups[{number}]", path)
        if saved["params"] != group["params"]:
            raise ValueError(
                f"{path}: {_OPTIMIZERS} moves {len(saved['params'])} parameters in params of group {number}, and this "
                f"run {len(group['params'])}: resume it with the settings that it was made with"
            )
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, moments in state.items():
        where = f"{_OPTIMIZERS}[0].state.{short(number)}"
        if type(number) is not int or not 0 <= number < len(parameters) or not isinstance(moments, dict):
            raise ValueError(f"{path}: {where} belongs to none of the {len(parameters)} parameters of this run")
        for name, value in moments.items():
            _check_moment(value, parameters[number].shape, f"{path}: {where}.{short(name)}")


def _check_moment(value: object, shape: torch.Size, what: str) -> None:
    """Check a value of an optimizer state: a number, or a tensor that broadcasts to the shape of its parameter."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what} is {value}, where a finite number is needed")
    if isinstance(value, Tensor):
        pairs = zip(value.shape, shape, strict=False)
        if value.numel() > 1 and (value.dim() != len(shape) or any(size not in (1, needed) for size, needed in pairs)):
            raise ValueError(f"{what} has the shape {tuple(value.shape)}, where {tuple(shape)} is needed")
        finite(value, what)


def _check_paths(state: dict[str, Any], where: str, path: str) -> None:
    """Raise ValueError for paths outside the folder of a ModelCheckpoint, which deletes files by these paths."""
    folder = Path(str(state.get("dirpath"))).resolve()
    named = [state.get(name) for name in ("best_model_path", "kth_best_model_path", "last_model_path")]
    for file in [*named, *state.get("best_k_models", {})]:
        if file and (".." in Path(str(file)).parts or folder not in Path(str(file)).resolve().parents):
            raise ValueError(f"{path}: {where} names the file {short(file)}, which is not in its folder {folder}")


def _check_same(expected: Any, actual: Any, where: str, path: str) -> None:
    """Raise ValueError where `actual` has another structure or other kinds of values than `expected`.

    A None in `expected` allows any value, and an empty list or mapping any content. A number has to be 0 or more where
    the expected one is.
    """
    if expected is None or (actual is None and isinstance(expected, bool | str)):
        return
    right, needed = True, type(expected).__name__
    if isinstance(expected, dict):
        right, needed = isinstance(actual, dict), "a mapping"
    elif isinstance(expected, list | tuple):
        right = isinstance(actual, list | tuple) and (not expected or len(actual) == len(expected))
        needed = f"a list of {len(expected) or 'some'}"
    elif isinstance(expected, bool | str):
        right = type(actual) is type(expected)
    elif isinstance(expected, int | float):
        right = type(actual) is int or (type(actual) is float and isinstance(expected, float))
        right = right and (math.isfinite(actual) or not math.isfinite(expected)) and (actual >= 0 or expected < 0)
        needed = f"a number like {expected}"
    if not right:
        raise ValueError(f"{path}: {where} is {short(actual)}, where {needed} is needed")
    if isinstance(expected, dict):
        for name, value in expected.items():
            if name not in actual:
                raise ValueError(f"{path}: {where or 'it'} has no {name}")
            of_loaders = isinstance(name, str) and name.rpartition(".")[2] in _OF_LOADERS
            _check_same({} if of_loaders else value, actual[name], f"{where}.{name}".lstrip("."), path)
    elif isinstance(expected, list | tuple):
        for number, (value, other) in enumerate(zip(expected, actual, strict=False)):
            _check_same(value, other, f"{where}[{number}]", path)
