"""Choice of the device and the precision of models."""

from typing import Literal

import torch
from torch import nn

AUTO = "auto"
_DEVICES = ("cpu", "cuda")
_DTYPES = (torch.float32, torch.bfloat16, torch.float16)


def find_device(device: str | torch.device) -> torch.device:
    """Return a device by name: "cpu", "cuda", "cuda:1", or "auto", which is CUDA if there is a GPU, else the CPU.

    Raises:
        ValueError: for a device of another kind, and for one that this machine does not have.
    """
    if device == AUTO:
        device = "cuda" if torch.cuda.is_available() else "cpu"
    try:
        found = torch.device(device)
    except (RuntimeError, TypeError) as error:
        raise ValueError(f"device {device!r} is unknown: choose auto, cpu, cuda or cuda:N") from error
    if found.type not in _DEVICES:
        raise ValueError(f"device {str(device)!r} is not supported: choose auto, cpu, cuda or cuda:N")
    if found.type != "cuda":
        return found
    count = torch.cuda.device_count() if torch.cuda.is_available() else 0
    if (found.index or 0) >= count:
        raise ValueError(
            f"device is {str(device)!r}, and torch {torch.__version__} finds {count} CUDA devices: choose cpu or auto, "
            "or install the build of torch for your GPU that https://pytorch.org/get-started/locally names"
        )
    return torch.device("cuda", torch.cuda.current_device() if found.index is None else found.index)


def training_precision(device: torch.device, has_attention: bool) -> Literal["bf16-mixed", "32-true"]:
    """Precision of Lightning's Trainer: bfloat16 where the processor computes with it, else float32.

    Models with attention train in float32, as in `set_precision`.
    """
    if device.type == "cuda":
        fast = torch.cuda.is_bf16_supported(including_emulation=False)
    else:
        capabilities = torch.cpu.get_capabilities() if device.type == "cpu" else {}
        fast = any(capabilities.get(name, False) for name in ("avx512_bf16", "amx_bf16"))
    return "bf16-mixed" if fast and not has_attention else "32-true"


def set_precision(acoustic_model: nn.Module, dtype: torch.dtype, has_attention: bool) -> None:
    """Convert the parameters of an acoustic model in place; its buffers stay as they are.

    Raises:
        ValueError: for another type than float32, bfloat16 and float16, and for half precision of a model with
            attention, whose positions half precision rounds to other symbols.
    """
    if dtype not in _DTYPES:
        raise ValueError(f"dtype is {dtype!r}: choose torch.float32, torch.bfloat16 or torch.float16")
    if dtype != torch.float32 and has_attention:
        raise ValueError(
            f"dtype is {dtype}, and {type(acoustic_model).__name__} finds its alignments by attention, which needs "
            "float32: leave dtype out"
        )
    for parameter in acoustic_model.parameters():
        parameter.data = parameter.data.to(dtype)
