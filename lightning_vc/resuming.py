"""Checkpoints of Lightning: writing, reading, and checks before training resumes."""

import math
import os
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
from lightning_vc.untrusted import FLOATS, finite, read_checkpoint

_LOADERS = "combined_loader"  # states of loaders in loops, which the loaders check
_LARGEST = 2**53  # up to which every integer is a float, too
_OPTIMIZERS = "optimizer_states"


class SafeCheckpointIO(CheckpointIO):
    """Write checkpoints atomically, and read them as untrusted data, whatever the arguments."""

    def save_checkpoint(self, checkpoint: dict[str, Any], path: Any, storage_options: Any = None) -> None:
        """Write the file atomically; raises OSError with its name, or ValueError for a URL."""
        if "://" in str(path):
            raise ValueError(f"{path} is a URL: checkpoints are written to this machine, give a folder")
        write_checkpoint(checkpoint, path)

    def load_checkpoint(self, path: Any, map_location: Any = None, weights_only: bool | None = None) -> dict[str, Any]:
        """Read to the CPU; raises what `read_checkpoint` raises, and ValueError for an exported model."""
        saved = read_checkpoint(path)
        if "task" not in saved:
            raise ValueError(f"{path} is an exported model: give a checkpoint of a training run (last.ckpt)")
        return saved

    def remove_checkpoint(self, path: Any) -> None:
        """Remove a checkpoint, but never a folder or a file of another kind."""
        if Path(path).is_file() and Path(path).suffix == ModelCheckpoint.FILE_EXTENSION:
            Path(path).unlink()


def check_training_state(saved: Mapping[str, Any], task: LightningModule, trainer: Trainer, path: str) -> None:
    """Check that a saved training state fits the trainer that resumes it.

    Raises:
        ValueError: if a field is missing or of another structure; the message names file and field.
    """
    fits = trainer.state.fn == TrainerFn.FITTING
    if fits and "optimizer_states" not in saved:
        raise ValueError(f"{path} has weights but no training state: a run cannot be resumed from it")
    if not fits and "loops" not in saved:
        return
    names = ("fit_loop", "validate_loop", "test_loop", "predict_loop")
    expected: dict[str, Any] = {"loops": {name: getattr(trainer, name).state_dict() for name in names}}
    if fits:
        expected |= {"epoch": 0, "global_step": 0, "callbacks": {}, "optimizer_states": [], "lr_schedulers": []}
    _check_same(expected, saved, "", path)
    _check_callbacks(trainer, saved.get("callbacks") or {}, path)
    for name in (type(trainer.precision_plugin).__qualname__, "native_amp_scaling_state"):
        if name in saved:
            _check_same(trainer.precision_plugin.state_dict(), saved[name], name, path, closed=True)
    if not fits:
        return
    loaders = saved["loops"]["fit_loop"]["state_dict"].get(_LOADERS, [{}])
    if not isinstance(loaders, list) or not loaders or not all(isinstance(loader, dict) for loader in loaders):
        raise ValueError(
            f"{path}: loops.fit_loop.state_dict.{_LOADERS} is {short(loaders)}, where a list of the positions of "
            "loaders is needed"
        )
    configured: Any = task.configure_optimizers()
    if isinstance(configured, Optimizer):
        configured = {"optimizer": configured}
    if isinstance(configured, dict):  # a task of the user's may have several optimizers
        schedulers = [configured["lr_scheduler"]["scheduler"].state_dict()] if "lr_scheduler" in configured else []
        _check_same(schedulers, saved["lr_schedulers"], "lr_schedulers", path, closed=True)
        for schedule, state in zip(schedulers, saved["lr_schedulers"], strict=True):
            _check_phases(schedule, state, path)
        _check_optimizer(configured["optimizer"], saved[_OPTIMIZERS], saved["global_step"] == 0, path)


def _check_callbacks(trainer: Trainer, states: Any, path: str) -> None:
    """Check the states of those callbacks that the trainer has."""
    _check_same({}, states, "callbacks", path)
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a function of Lightning
        if callback.state_key in states:
            state, where = states[callback.state_key], f"callbacks.{short(callback.state_key)}"
            _check_same(callback.state_dict(), state, where, path)
            if isinstance(callback, ModelCheckpoint):
                _check_files(callback, state, where, path)


def _check_files(callback: ModelCheckpoint, state: dict[str, Any], where: str, path: str) -> None:
    """Check the files that a ModelCheckpoint would delete: they have to be checkpoints directly in its folder.

    From a state with another `dirpath`, Lightning restores only `best_model_path`, a file that it deletes only if it is
    below `callback.dirpath`.
    """
    folder, best = Path(os.path.abspath(callback.dirpath or "")), state.get("best_k_models") or {}
    same = state.get("dirpath") == callback.dirpath
    names = ["best_model_path", *(("kth_best_model_path", "last_model_path") if same else ())]
    for file in [*filter(None, map(state.get, names)), *(best if same else ())]:
        full = Path(str(file)).absolute()
        inside = full.parent == folder and ".." not in full.parts and full.suffix == callback.FILE_EXTENSION
        is_path = isinstance(file, str) and "://" not in file and "::" not in file
        may_be_deleted = same or folder in full.parents
        if not is_path or (may_be_deleted and not inside):
            raise ValueError(f"{path}: {where} names the file {short(file)}, which is not a checkpoint in {folder}")
    for score in best.values() if same else ():
        _check_same(callback.kth_value, score, f"{where}.best_k_models", path)
    worst = state.get("kth_best_model_path")
    if same and worst not in best and (worst or 0 < callback.save_top_k <= len(best)):
        raise ValueError(f"{path}: {where}.kth_best_model_path is {short(worst)}, which is none of its best_k_models")


def _check_phases(schedule: dict[str, Any], saved: dict[str, Any], path: str) -> None:
    """Check annealing and phases of a OneCycleLR; ends of phases may differ in proportion to the number of steps."""
    kind, phases, steps = "_anneal_func_type", "_schedule_phases", "total_steps"
    adjusted = [
        phase | {"end_step": expected["end_step"]}
        if math.isclose(
            (phase["end_step"] + 1) * schedule[steps], (expected["end_step"] + 1) * saved[steps], abs_tol=1e-6
        )
        else phase
        for phase, expected in zip(saved.get(phases, []), schedule.get(phases, []), strict=True)
    ]
    for name, value in ((kind, saved.get(kind)), (phases, adjusted)):
        if name in schedule and value != schedule[name]:
            raise _differs(f"{path}: lr_schedulers[0].{name}", saved[name], schedule[name])


def _differs(what: str, saved: object, value: object) -> ValueError:
    return ValueError(
        f"{what} is {short(saved)}, and {short(value)} in this run: resume it with the settings that it was made with"
    )


def _check_optimizer(optimizer: Optimizer, states: list[Any], at_start: bool, path: str) -> None:
    """Check saved parameter groups, and the saved moments of each parameter, against those of the optimizer."""
    groups = optimizer.state_dict()["param_groups"]
    expected = {"state": {}, "param_groups": [{"params": [], "lr": 0.0}] * len(groups)}
    _check_same([expected], states, _OPTIMIZERS, path)
    state, saved_groups = states[0]["state"], states[0]["param_groups"]
    for number, (group, saved) in enumerate(zip(groups, saved_groups, strict=True)):
        where = f"{_OPTIMIZERS}[0].param_groups[{number}]"
        saved |= {name: value for name, value in group.items() if name not in saved}  # of a newer torch
        _check_same(group | {"params": []}, saved, where, path, closed=True)
        for name, value in group.items():
            is_fixed = name == "params" or value is None or isinstance(value, bool)
            if (is_fixed and saved[name] != value) or (name == "betas" and max(saved[name]) >= 1):
                raise _differs(f"{path}: {where}.{name}", saved[name], value)
    moments = _state_after_a_step(optimizer) if state or not at_start else None
    if moments is not None:
        _check_moments(moments, state, path)


def _state_after_a_step(optimizer: Optimizer) -> dict[Any, Any] | None:
    """State of an optimizer after a step with gradients and learning rates of 0, which shows what it stores.

    Weights that the step changes are overwritten when the checkpoint is loaded. None for an optimizer whose step needs
    arguments, such as LBFGS.
    """
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for group in optimizer.param_groups:
        group.update(lr=0.0, capturable=False, fused=None)  # the weights may not have been moved to a GPU yet
    for parameter in parameters:
        parameter.grad = torch.zeros_like(parameter)
    try:
        optimizer.step()
    except (TypeError, RuntimeError):
        return None
    finally:
        for parameter in parameters:
            parameter.grad = None
    return optimizer.state_dict()["state"]


def _check_moments(expected: dict[Any, Any], state: dict[Any, Any], path: str) -> None:
    """Check the moments of all parameters: their names, shapes and types, and finite numbers."""
    where = f"{_OPTIMIZERS}[0].state"
    if expected.keys() != state.keys():
        raise _differs(f"{path}: the number of parameters in {where}", len(state), len(expected))
    _check_same(expected, state, where, path, closed=True)
    for number, moments in expected.items():
        for name in (name for name, moment in moments.items() if isinstance(moment, Tensor)):
            value, what = state[number][name], f"{path}: {where}.{number}.{name}"
            if finite(value, what).dim() == 0 and value < 0:
                raise ValueError(f"{what} is {value.item()}, where a number like {moments[name].item()} is needed")


def _check_same(expected: Any, actual: Any, where: str, path: str, closed: bool = False) -> None:
    """Raise ValueError where `actual` has another structure or other kinds of values than `expected`.

    A None in `expected` allows any value, and an empty list or mapping any content. A number has to be 0 or more where
    the expected one is. With `closed`, a mapping with expected keys may have no others.
    """
    if expected is None or (actual is None and isinstance(expected, bool | str)):
        return
    matches, needed = True, type(expected).__name__
    if isinstance(expected, dict):
        matches, needed = isinstance(actual, dict), "a mapping"
    elif isinstance(expected, list | tuple):
        matches = isinstance(actual, list | tuple) and (not expected or len(actual) == len(expected))
        needed = f"a list of {len(expected) or 'some'}"
    elif isinstance(expected, bool | str):
        matches = type(actual) is type(expected)
    elif isinstance(expected, int | float):
        matches = type(actual) is int or (type(actual) is float and isinstance(expected, float))
        matches = matches and (math.isfinite(actual) or not math.isfinite(expected)) and (actual >= 0 or expected < 0)
        matches = matches and (type(actual) is float or abs(actual) <= _LARGEST)
        needed = f"a number like {expected}"
    elif isinstance(expected, Tensor):
        matches = isinstance(actual, Tensor)
        matches = matches and (actual.shape == expected.shape if expected.dim() else actual.numel() == 1)
        matches = matches and (actual.dtype in FLOATS if expected.dtype in FLOATS else actual.dtype == expected.dtype)
        shape = f"the shape {tuple(expected.shape)}"
        needed = f"a tensor of {expected.dtype} and {shape}" if expected.dim() else f"a number like {expected}"
    if not matches:
        raise ValueError(f"{path}: {where} is {short(actual)}, where {needed} is needed")
    if isinstance(expected, dict):
        for name, value in expected.items():
            if name not in actual and name != _LOADERS:
                raise ValueError(f"{path}: {where or 'it'} has no {name}")
            if name != _LOADERS:
                _check_same(value, actual[name], f"{where}.{name}".lstrip("."), path, closed)
        if closed and expected and (unknown := [name for name in actual if name not in expected]):
            raise ValueError(f"{path}: {where} has the key {short(unknown[0])}, which it does not have in this run")
    elif isinstance(expected, list | tuple):
        for number, (value, other) in enumerate(zip(expected, actual, strict=False)):
            _check_same(value, other, f"{where}[{number}]", path, closed)
