"""Checkpoints of Lightning: how they are written and read, and what is checked before a run goes on from one."""

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

_OF_LOADERS = ("state_dict", "combined_loader")  # names of what loops hold of loaders, which check it themselves
_OPTIMIZERS = "optimizer_states"


class SafeCheckpointIO(CheckpointIO):
    """Write checkpoints beside their place and rename them; read them as data, whatever Lightning asks for."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Replace the file atomically; raises OSError with its name, or ValueError for a URL."""
        if "://" in str(path):
            raise ValueError(f"{path} is a URL: checkpoints are written to this machine, give a folder")
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read to the CPU; raises what `read_checkpoint` raises."""
        return read_checkpoint(path)

    def remove_checkpoint(self, path: Any) -> None:
        """Remove one file, and never a folder."""
        if Path(path).is_file():
            Path(path).unlink()


def check_training_state(saved: Mapping[str, Any], task: LightningModule, trainer: Trainer, path: str) -> None:
    """Compare the state of a training with that of the trainer that shall go on from it.

    Raises:
        ValueError: if a part is missing or of another shape, naming file and field.
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
    made: Any = task.configure_optimizers()
    if isinstance(made, Optimizer):
        made = {"optimizer": made}
    if isinstance(made, dict):  # a task of the user's may have several optimizers
        schedulers = [made["lr_scheduler"]["scheduler"].state_dict()] if "lr_scheduler" in made else []
        _check_same(schedulers, saved["lr_schedulers"], "lr_schedulers", path)
        _check_optimizer(made["optimizer"], saved["optimizer_states"], path)


def _check_optimizer(optimizer: Optimizer, states: list[Any], path: str) -> None:
    """Check groups and moments against the parameters that the optimizer has now."""
    groups = optimizer.state_dict()["param_groups"]
    expected = {"state": {}, "param_groups": [{"params": [], "lr": 0.0}] * len(groups)}
    _check_same([expected], states, _OPTIMIZERS, path)
    state, found = states[0]["state"], states[0]["param_groups"]
    for number, (group, other) in enumerate(zip(groups, found, strict=True)):
        known = {name: value for name, value in group.items() if name in other}  # a newer torch has more of them
        _check_same(known | {"params": []}, other, f"{_OPTIMIZERS}[0].param_groups[{number}]", path)
        if other["params"] != group["params"]:
            raise ValueError(
                f"{path}: {_OPTIMIZERS} moves {len(other['params'])} parameters in params of group {number}, and this "
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
    """Check a number of an optimizer, or a tensor of the shape of its parameter, where a dimension may be 1."""
    if isinstance(value, float) and not math.isfinite(value):
        raise ValueError(f"{what} is {value}, where a finite number is needed")
    if isinstance(value, Tensor):
        pairs = zip(value.shape, shape, strict=False)
        if value.numel() > 1 and (value.dim() != len(shape) or any(size not in (1, needed) for size, needed in pairs)):
            raise ValueError(f"{what} has the shape {tuple(value.shape)}, where {tuple(shape)} is needed")
        finite(value, what)


def _check_paths(state: dict[str, Any], where: str, path: str) -> None:
    """Raise ValueError for files outside of the folder of a ModelCheckpoint, which deletes files that it names."""
    folder = Path(str(state.get("dirpath"))).resolve()
    named = [state.get(name) for name in ("best_model_path", "kth_best_model_path", "last_model_path")]
    for file in [*named, *state.get("best_k_models", {})]:
        if file and (".." in Path(str(file)).parts or folder not in Path(str(file)).resolve().parents):
            raise ValueError(f"{path}: {where} names the file {short(file)}, which is not in its folder {folder}")


def _check_same(expected: Any, found: Any, where: str, path: str) -> None:
    """Raise ValueError where `found` has another structure or other kinds of values than `expected`.

    What is None or empty in `expected` may be anything of its kind, as it is filled later. Numbers that begin at 0 or
    more stay so.
    """
    if expected is None or (found is None and isinstance(expected, bool | str)):
        return
    right, needed = True, type(expected).__name__
    if isinstance(expected, dict):
        right, needed = isinstance(found, dict), "a mapping"
    elif isinstance(expected, list | tuple):
        right = isinstance(found, list | tuple) and (not expected or len(found) == len(expected))
        needed = f"a list of {len(expected) or 'some'}"
    elif isinstance(expected, bool | str):
        right = type(found) is type(expected)
    elif isinstance(expected, int | float):
        right = type(found) is int or (type(found) is float and isinstance(expected, float))
        right = right and (math.isfinite(found) or not math.isfinite(expected)) and (found >= 0 or expected < 0)
        needed = f"a number like {expected}"
    if not right:
        raise ValueError(f"{path}: {where} is {short(found)}, where {needed} is needed")
    if isinstance(expected, dict):
        for name, value in expected.items():
            if name not in found:
                raise ValueError(f"{path}: {where or 'it'} has no {name}")
            of_loaders = isinstance(name, str) and name.rpartition(".")[2] in _OF_LOADERS
            _check_same({} if of_loaders else value, found[name], f"{where}.{name}".lstrip("."), path)
    elif isinstance(expected, list | tuple):
        for number, (value, other) in enumerate(zip(expected, found, strict=False)):
            _check_same(value, other, f"{where}[{number}]", path)
