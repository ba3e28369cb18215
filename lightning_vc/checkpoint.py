"""Models in files: loading by the class and settings in the file, writing and fingerprinting.

A model is a `torch.nn.Module` such as `TTSModel`, which is built, saved and loaded without Lightning.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, TypeVar

import torch
from safetensors.torch import save
from torch import Tensor, nn
from torch.overrides import TorchFunctionMode

from lightning_vc.audio.features import Spectrograms
from lightning_vc.console import short
from lightning_vc.files import write_file
from lightning_vc.trust import SettingsError, build, find_class, limited
from lightning_vc.untrusted import CHECKPOINT, FLOATS, MAX_HEADER, MODEL, MODELS, finite, pack, read_checkpoint

M = TypeVar("M", bound=nn.Module)

_CONFIG = "_lightning_vc_config"  # attribute of a loaded model: its class and settings
_SOURCE = "_lightning_vc_source"  # attribute of a loaded model: the path of its file


def load_model(path: str | Path, kind: type[M]) -> M:
    """Load a model of a class from a checkpoint or an exported file.

    Raises what `read_checkpoint` and `model_of` raise.
    """
    return model_of(read_checkpoint(path), kind, path)


def model_of(saved: Mapping[str, Any], kind: type[M], path: str | Path) -> M:
    """Build a model of a class from the content of a file, on the CPU, in evaluation mode.

    The file is untrusted: it may name only classes that `lightning_vc.trust` allows, and names, shapes and types of
    its weights are compared with those of the model before memory is allocated for the model.

    Raises:
        ValueError: if the file has no model of this class, or one that cannot be built.
    """
    try:
        prefix, model_class, settings = _find(saved[MODELS], kind)
        weights = {k.removeprefix(prefix): v for k, v in saved["state_dict"].items() if k.startswith(prefix)}
        tensors = sum(value.numel() > 0 for value in weights.values())
        with limited(tensors), torch.device("meta"), _Uninitialised():
            on_meta = build(model_class, settings, "model")
        weights = fitting_weights(weights, on_meta, str(path))
        with torch.device("cpu"), _Uninitialised():
            model = build(model_class, settings, "model")
    except SettingsError as error:
        raise ValueError(f"{path}: {error}") from error
    _check_constants(model, weights, path)
    model.load_state_dict(weights)
    setattr(model, _CONFIG, {"class_path": class_path(model_class), "init_args": settings})
    setattr(model, _SOURCE, str(path))
    return model.eval()


def model_config(model: nn.Module) -> dict[str, Any] | None:
    """Return class and settings of a model that was loaded from a file; None for one that was built in Python."""
    return getattr(model, _CONFIG, None)


def source_of(model: nn.Module) -> str:
    """Return the path of a loaded model's file, for messages; for any other model the name of its class."""
    return str(getattr(model, _SOURCE, type(model).__name__))


@contextmanager
def layer_errors(model: nn.Module) -> Iterator[None]:
    """Convert errors of incompatible layers of a loaded model to ValueError."""
    try:
        yield
    except (torch.OutOfMemoryError, torch.AcceleratorError):
        raise
    except (RuntimeError, IndexError) as error:
        reason = " ".join(str(error).split())
        raise ValueError(
            f"{source_of(model)} cannot be used, its settings do not go together ({reason[:200]})"
        ) from error


def save_model(path: str | Path, model: nn.Module, half: bool = False) -> None:
    """Write a loaded model as safetensors, without training state.

    Args:
        path: the file.
        model: from `load_model`.
        half: write floating-point weights in half precision.

    Raises:
        ValueError: for a model that was built in Python, whose settings are unknown.
    """
    config = model_config(model)
    if config is None:
        raise ValueError(f"this {type(model).__name__} was built in Python: only models that were loaded can be saved")
    weights = {name: value.detach().cpu().contiguous() for name, value in model.state_dict().items()}
    if half:
        weights = {name: value.half() if value.is_floating_point() else value for name, value in weights.items()}
    write_file(path, save(weights, {MODEL: json.dumps(config)}))


def write_checkpoint(saved: Mapping[str, Any], path: str | Path) -> None:
    """Write a checkpoint atomically: a former file is kept until the new one is complete.

    Raises:
        OSError: if it cannot be written, with its name.
        ValueError: if it holds anything but text, numbers, tensors, and lists and dictionaries of them, or more of them
            than `read_checkpoint` reads.
    """
    tensors: dict[str, Tensor] = {}
    about = json.dumps(pack(saved, tensors))
    storages: set[int] = set()
    for name, value in tensors.items():
        storage = value.untyped_storage().data_ptr()
        tensors[name] = value.clone() if storage in storages else value  # safetensors refuses shared memory
        storages.add(storage)
    content = save(tensors, {CHECKPOINT: about})
    if (size := int.from_bytes(content[:8], "little")) > MAX_HEADER:
        raise ValueError(
            f"{path} would have a header of {size} bytes, but only {MAX_HEADER} can be read: store large lists of "
            "numbers as tensors"
        )
    write_file(path, content)  # `save_file` leaves a temporary file when killed


def class_path(kind: type) -> str:
    """Return the import path of a class."""
    return f"{kind.__module__}.{kind.__qualname__}"


def fingerprint(model: nn.Module) -> str:
    """Return the first 16 hex digits of the SHA-256 of a model's floating-point weights."""
    return fingerprint_of(model.state_dict())


def fingerprint_of(weights: Mapping[str, Tensor]) -> str:
    """Fingerprint of a state dictionary."""
    digest = hashlib.sha256()
    for name, value in sorted(weights.items()):
        if value.is_floating_point():
            digest.update(name.encode())
            content = value.detach().cpu().contiguous().reshape(-1).view(torch.uint8)  # numpy lacks bfloat16
            digest.update(content.numpy().tobytes())
    return digest.hexdigest()[:16]


def fitting_weights(weights: Mapping[str, Tensor], model: nn.Module, path: str) -> dict[str, Tensor]:
    """Return the weights of a file, converted to the types of a model, which may be on the `meta` device.

    Raises:
        ValueError: if one is missing, unexpected, of another shape or kind, or not finite, naming file and weight.
    """
    expected = model.state_dict()
    if missing := sorted(expected.keys() - weights.keys()):
        raise ValueError(f"{path} has no weight {short(missing[0])} of its {type(model).__name__}")
    if unexpected := sorted(weights.keys() - expected.keys()):
        raise ValueError(
            f"{path} has the weight {short(unexpected[0])}, which its {type(model).__name__} does not have"
        )
    fitting = {}
    for name, value in weights.items():
        shape, kind = tuple(expected[name].shape), expected[name].dtype
        if tuple(value.shape) != shape:
            raise ValueError(f"{path}: the weight {name} has the shape {tuple(value.shape)}, where {shape} is needed")
        if value.dtype != kind and not (value.dtype in FLOATS and kind in FLOATS):
            raise ValueError(f"{path}: the weight {name} has the type {value.dtype}, where {kind} is needed")
        fitting[name] = finite(value.to(kind), f"{path}: the weight {name}")
    return fitting


class _Uninitialised(TorchFunctionMode):
    """Skip the initialisation of weights, which a file replaces.

    On the device "meta", random initialisation and the norms of `weight_norm` would import torch's compiler: 2 s.
    """

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        if getattr(func, "__module__", None) == "torch.nn.init":
            return args[0] if args else kwargs["tensor"]
        if func is torch.norm_except_dim and args[0].is_meta:
            weight, _, dim = args
            return weight.new_empty([size if i == dim else 1 for i, size in enumerate(weight.shape)])
        return func(*args, **(kwargs or {}))


def _find(models: Mapping[str, dict[str, Any]], kind: type[M]) -> tuple[str, type[M], dict[str, Any]]:
    """Return prefix, class and settings of the first model of a class; raises SettingsError where there is none."""
    errors = []
    for prefix, config in models.items():
        try:
            return prefix, find_class(config.get("class_path"), kind, "the model"), config.get("init_args") or {}
        except SettingsError as error:
            errors.append(str(error))
    raise SettingsError("; ".join(errors[:3]) or f"it holds no {kind.__name__}")


def _check_constants(model: nn.Module, weights: Mapping[str, Tensor], path: str | Path) -> None:
    """Raise ValueError where the spectrogram filters of a file differ from those of its settings beyond rounding."""
    for name, module in model.named_modules():
        for constant, value in module.state_dict(prefix=f"{name}.").items() if isinstance(module, Spectrograms) else ():
            if not torch.allclose(value, weights[constant], atol=1e-3):
                raise ValueError(f"{path}: the weight {constant} does not follow from the settings of {name}")
