"""Checkpoints of Lightning: how they are written and read, and what is checked before a run goes on from one."""

import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from lightning.fabric.plugins import CheckpointIO
from lightning.pytorch import LightningModule, Trainer
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.trainer.states import TrainerFn
from torch import Tensor, nn
from torch.optim import Optimizer

from lightning_vc.checkpoint import write_checkpoint
from lightning_vc.console import short
from lightning_vc.untrusted import field, finite, read_checkpoint

_OWN_STATE = ("state_dict", "combined_loader")  # of loops: the position of loaders, which check it themselves


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
    loops = {name: getattr(trainer, name).state_dict() for name in names}
    _check_same(loops, field(saved, "loops", dict, path), "loops", path)
    if not fits:
        return
    loaders = saved["loops"]["fit_loop"]["state_dict"].get("combined_loader", [{}])
    if not isinstance(loaders, list) or not loaders or not all(isinstance(loader, dict) for loader in loaders):
        raise ValueError(
            f"{path}: loops.fit_loop.state_dict.combined_loader is {short(loaders)}, where a list of the positions of "
            "loaders is needed"
        )
    for name in ("epoch", "global_step"):
        if field(saved, name, int, path) < 0:
            raise ValueError(f"{path}: {name} is {saved[name]}, where 0 or more is needed")
    _check_callbacks(field(saved, "callbacks", dict, path), trainer, path)
    found = {name: field(saved, name, list, path) for name in ("optimizer_states", "lr_schedulers")}
    made: Any = task.configure_optimizers()
    if isinstance(made, Optimizer):
        made = {"optimizer": made}
    if not isinstance(made, dict):  # a task of the user's with several optimizers
        return
    schedulers = [made["lr_scheduler"]["scheduler"].state_dict()] if "lr_scheduler" in made else []
    _check_same(schedulers, found["lr_schedulers"], "lr_schedulers", path)
    if len(found["optimizer_states"]) != 1:
        raise ValueError(f"{path}: optimizer_states has {len(found['optimizer_states'])} optimizers, where 1 is needed")
    _check_optimizer(made["optimizer"], found["optimizer_states"][0], path)


def _check_optimizer(optimizer: Optimizer, found: object, path: str) -> None:
    """Check groups and moments against the parameters that the optimizer has now."""
    where = "optimizer_states[0]"
    _check_same({"state": {}, "param_groups": []}, found, where, path)
    assert isinstance(found, dict)
    groups = optimizer.state_dict()["param_groups"]
    if len(found["param_groups"]) != len(groups):
        count = len(found["param_groups"])
        raise ValueError(f"{path}: {where}.param_groups has {count} groups, where {len(groups)} are needed")
    for number, (group, other) in enumerate(zip(groups, found["param_groups"], strict=True)):
        place = f"{where}.param_groups[{number}]"
        _check_same({"params": [], "lr": 0.0}, other, place, path)
        if other["params"] != group["params"]:
            raise ValueError(
                f"{path}: {place} moves {len(other['params'])} parameters, and this run {len(group['params'])}: "
                "resume it with the settings that it was made with"
            )
        known = {name: value for name, value in group.items() if name in other}  # a newer torch has more of them
        _check_same(known, other, place, path)
    parameters = [parameter for group in optimizer.param_groups for parameter in group["params"]]
    for number, moments in found["state"].items():
        place = f"{where}.state[{short(number)}]"
        if type(number) is not int or not 0 <= number < len(parameters) or not isinstance(moments, dict):
            raise ValueError(f"{path}: {place} belongs to none of the {len(parameters)} parameters of this run")
        for name, value in moments.items():
            _check_moment(value, parameters[number], f"{path}: {place}.{short(name)}")


def _check_moment(value: object, parameter: nn.Parameter, what: str) -> None:
    """Check one tensor of an optimizer: a number, or of the shape of its parameter, where a dimension may be 1."""
    if not isinstance(value, Tensor):
        if isinstance(value, float) and not math.isfinite(value):
            raise ValueError(f"{what} is {value}, where a finite number is needed")
        return
    shape = tuple(parameter.shape)
    pairs = zip(value.shape, shape, strict=False)
    if value.numel() > 1 and (value.dim() != len(shape) or any(size not in (1, needed) for size, needed in pairs)):
        raise ValueError(f"{what} has the shape {tuple(value.shape)}, where {shape} is needed")
    finite(value, what)


def _check_callbacks(found: dict[str, Any], trainer: Trainer, path: str) -> None:
    """Check the states of those callbacks that are there again, and that none names files outside of its folder."""
    if odd := [key for key in found if not isinstance(key, str)]:
        raise ValueError(f"{path}: callbacks has the key {short(odd[0])}, where a name is needed")
    for callback in trainer.callbacks:  # type: ignore[attr-defined]  # set by a function of Lightning
        if callback.state_key not in found:
            continue
        state, where = found[callback.state_key], f"callbacks[{short(callback.state_key)}]"
        _check_same(callback.state_dict(), state, where, path)
        if isinstance(callback, ModelCheckpoint):
            _check_paths(state, where, path)


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
    if isinstance(expected, dict):
        _check_kind(found, isinstance(found, dict), "a mapping", where, path)
        for name, value in expected.items():
            if name not in found:
                raise ValueError(f"{path}: {where} has no {name}")
            own = isinstance(name, str) and name.rpartition(".")[2] in _OWN_STATE
            _check_same({} if own else value, found[name], f"{where}.{name}", path)
    elif isinstance(expected, list | tuple):
        right = isinstance(found, list | tuple) and len(found) >= len(expected)
        _check_kind(found, right and (not expected or len(found) == len(expected)), "a list as long", where, path)
        for number, (value, other) in enumerate(zip(expected, found, strict=False)):
            _check_same(value, other, f"{where}[{number}]", path)
    elif isinstance(expected, bool | str):
        _check_kind(found, type(found) is type(expected), type(expected).__name__, where, path)
    elif isinstance(expected, int | float):
        kinds = (int,) if isinstance(expected, int) else (int, float)
        right = type(found) in kinds and (math.isfinite(found) or not math.isfinite(expected))
        _check_kind(found, right and (found >= 0 or expected < 0), f"a number like {expected}", where, path)


def _check_kind(found: object, right: bool, needed: str, where: str, path: str) -> None:
    if not right:
        raise ValueError(f"{path}: {where} is {short(found)}, where {needed} is needed")
