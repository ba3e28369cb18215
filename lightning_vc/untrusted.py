"""The file format of models, and reading of untrusted files.

A checkpoint (.ckpt) and an exported model (.safetensors) are safetensors files: tensors, and JSON for everything else.
They hold no pickle, so reading runs no code, and takes memory in proportion to the size of the file.
"""

import json
import os
from pathlib import Path
from typing import Any

import torch
from packaging.version import Version
from safetensors import SafetensorError, safe_open
from torch import Tensor

from lightning_vc.console import short
from lightning_vc.files import check_sum, header_size

FLOATS = (torch.float16, torch.bfloat16, torch.float32, torch.float64)
VERSION = "pytorch-lightning_version"
MODELS = "models"  # field of a checkpoint: {prefix of the names of its weights: class and settings of a model}
CHECKPOINT, MODEL = "checkpoint", "model"  # names of the JSON texts of a checkpoint and of an exported model
_OLDEST = Version("2.0")
MAX_HEADER = 4_000_000  # bytes of the header of a safetensors file, the JSON text included
_MAX_DEPTH = 40
_LARGEST_KEY = 2**53
_TENSOR, _ITEMS = "__tensor__", "__items__"  # keys that mark what JSON lacks: tensors, keys that are not text


def read_checkpoint(path: str | Path) -> dict[str, Any]:
    """Read a checkpoint or an exported model: task, hyper-parameters, weights, and training state if any.

    Raises:
        FileNotFoundError: if there is no such file.
        ValueError: if it is no model file, is damaged, does not match SHA256SUMS beside it, or has a field of a wrong
            type; the message names file and field.
    """
    if "://" in str(path):
        raise ValueError(f"{path} is a URL: download the file, and give its path")
    if not Path(path).is_file():
        raise FileNotFoundError(f"no checkpoint at {path}: name one that training left (last.ckpt)")
    check_sum(Path(path))
    try:
        saved = _read(path)
    except _Refused as error:
        raise ValueError(f"{path} {error}") from error
    except (
        *(SafetensorError, RuntimeError, LookupError, TypeError, ValueError),
        *(AttributeError, OSError, MemoryError, OverflowError),
    ) as error:
        raise ValueError(f"{path} is not a checkpoint of lightning_vc, or it is damaged") from error
    _check_fields(saved, str(path))
    return saved


def single_precision(value: Tensor, what: str) -> Tensor:
    """Return a tensor of finite numbers as float32.

    Raises:
        ValueError: if it holds no floating-point numbers of 16 to 64 bits, or numbers that are not finite.
    """
    if value.dtype not in FLOATS:
        raise ValueError(f"{what} has the type {value.dtype}, where float32 is needed")
    return finite(value.float(), what)


def finite(value: Tensor, what: str) -> Tensor:
    """Return a tensor unchanged; raises ValueError if one of its numbers is NaN or infinite."""
    is_finite = not value.is_floating_point() or value.sum().isfinite() or value.isfinite().all()  # a sum is faster
    if not is_finite:
        raise ValueError(f"{what} has numbers that are NaN or infinite")
    return value


class _Refused(ValueError):
    """The file is not in the expected format; the message follows its path."""


def _read(path: str | Path) -> dict[str, Any]:
    with Path(path).open("rb") as file:
        start = file.read(9)
        if start.startswith((b"PK", b"\x80")) and not start.endswith(b"{"):
            raise _Refused(
                "is refused: it holds more than data, as it was written by torch.save; if you trust a checkpoint of an "
                "older lightning_vc, convert it: write_checkpoint(torch.load(path), path) of lightning_vc.checkpoint"
            )
    if MAX_HEADER < header_size(path) <= os.path.getsize(path):
        raise _Refused(f"has a header of more than {MAX_HEADER} bytes")
    with safe_open(path, "pt") as file:
        tensors = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118  # it is no dictionary
        about = file.metadata() or {}
    if CHECKPOINT in about:
        return dict(_unpack(json.loads(about[CHECKPOINT]), tensors))
    if MODEL not in about:
        raise _Refused(
            "is no model of this version of lightning_vc: train it again, or use it with the code of commit 5d3a505"
        )
    return {MODELS: {"": json.loads(about[MODEL])}, "state_dict": tensors}


def pack(value: Any, tensors: dict[str, Tensor], where: str = "checkpoint", depth: int = 0) -> Any:
    """Return a value as JSON data, with its tensors moved to a dictionary, on the CPU.

    Args:
        value: text, numbers, None, tensors, and lists and dictionaries of them; a tuple becomes a list.
        tensors: the dictionary to which tensors are added.
        where: path of the value, for messages and the names of tensors.
        depth: number of lists and dictionaries around the value.

    Raises:
        ValueError: for what `read_checkpoint` would not read, with its path.
    """
    if depth > _MAX_DEPTH:
        raise ValueError(f"{short(where)} is nested more than {_MAX_DEPTH} deep, where a checkpoint ends")
    if isinstance(value, Tensor):
        if value.layout != torch.strided or value.is_quantized or value.dtype == torch.complex128:
            raise ValueError(f"{where} is a tensor of {value.dtype}, {value.layout}, which safetensors cannot hold")
        name = f"{len(tensors)} {where}"
        tensors[name] = value.detach().cpu().contiguous()
        return {_TENSOR: name}
    if isinstance(value, dict):
        if odd := [key for key in value if not _is_key(key)]:
            raise ValueError(f"{where} has the key {short(odd[0])}: a checkpoint has text and integers below 2**53")
        items = {key: pack(item, tensors, f"{where}.{key}", depth + 1) for key, item in value.items()}
        plain = all(isinstance(key, str) and key not in (_TENSOR, _ITEMS) for key in items)
        return items if plain else {_ITEMS: list(items.items())}
    if isinstance(value, list | tuple):
        return [pack(item, tensors, f"{where}[{number}]", depth + 1) for number, item in enumerate(value)]
    if value is not None and not isinstance(value, str | int | float):
        raise ValueError(
            f"{where} is {short(value)}: a checkpoint holds text, numbers, tensors, lists and dictionaries"
        )
    return value


def _is_key(key: object) -> bool:
    # Larger integers can be chosen to have one hash, with which a dictionary takes quadratic time.
    return isinstance(key, str) or (isinstance(key, int) and abs(key) < _LARGEST_KEY)


def _unpack(value: Any, tensors: dict[str, Tensor], depth: int = 0) -> Any:
    """Invert `pack`; each tensor is removed from the dictionary."""
    if depth > _MAX_DEPTH:
        raise _Refused(f"nests values more than {_MAX_DEPTH} deep")
    if isinstance(value, list):
        return [_unpack(item, tensors, depth + 1) for item in value]
    if not isinstance(value, dict):
        return value
    if _TENSOR in value:
        return tensors.pop(value[_TENSOR])
    pairs = value.get(_ITEMS, value.items())
    for key, _ in pairs:
        if not _is_key(key):
            raise _Refused(f"has the key {short(key)} of a dictionary, where text or a smaller number is needed")
    return {key: _unpack(item, tensors, depth + 1) for key, item in pairs}


def _check_fields(saved: dict[str, Any], path: str) -> None:
    """Raise ValueError for a missing field or one of a wrong type, in a checkpoint or an exported model."""
    if MODELS not in saved and "hyper_parameters" in saved and "task" in saved:
        raise ValueError(
            f"{path} was made by lightning_vc before its second edition: train it again, or use it with the code of "
            "commit 5d3a505"
        )
    kinds: dict[str, type] = {MODELS: dict, "state_dict": dict}
    if not saved.keys() <= kinds.keys():
        kinds |= {"task": str, "hyper_parameters": dict, VERSION: str}
        kinds |= {"speakers": list} if "speakers" in saved else {}
    for name, kind in kinds.items():
        if not isinstance(saved.get(name), kind):
            actual = short(saved[name]) if name in saved else "missing"
            raise ValueError(f"{path}: {name} is {actual}, where {kind.__name__} is needed")
    for prefix, config in saved[MODELS].items():
        if not isinstance(prefix, str) or not isinstance(config, dict):
            raise ValueError(f"{path}: {MODELS} holds {short(prefix)}, which is no class and settings of a model")
    for name, value in saved["state_dict"].items():
        if not isinstance(name, str) or not isinstance(value, Tensor):
            raise ValueError(f"{path}: state_dict holds {short(name)}, which is no weight")
    if odd := [speaker for speaker in saved.get("speakers", []) if not isinstance(speaker, str)]:
        raise ValueError(f"{path}: speakers holds {short(odd[0])}, where names are needed")
    try:
        version = Version(saved.get(VERSION, str(_OLDEST)))
    except ValueError as error:  # also for a number of thousands of digits
        raise ValueError(f"{path}: {VERSION} is {short(saved[VERSION])}, where one such as 2.6.0 is needed") from error
    if version < _OLDEST:  # Lightning would migrate its fields after they were checked
        raise ValueError(
            f"{path}: {VERSION} is {short(str(version))[1:-1]}, and lightning_vc has never written one below {_OLDEST}"
        )
