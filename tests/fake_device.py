"""A device whose memory the CPU cannot read, for machines without a GPU.

torch sees a device "fake" (its PrivateUse1). Its operations are those of the CPU, on hidden tensors. As on CUDA, an
operation on tensors of the CPU and of the device fails, unless it is a copy or one of them is a single number, and so
does reading the memory, as `.numpy()` does.
"""

from typing import Any

import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves, tree_map
from torch.utils.backend_registration import _DummyBackendModule, _setup_privateuseone_for_python_backend

NAME = "fake"
_COPIES = ("aten::_to_copy", "aten::copy_")
_KERNELS = (  # of tensors of the CPU or of none
    *("_to_copy", "empty.memory_format", "empty_strided", "scalar_tensor", "zeros", "ones", "full", "eye", "linspace"),
    *("arange", "arange.start", "arange.start_step", "rand", "randn", "randint", "randint.low"),
)


class _Module(_DummyBackendModule):
    """What torch.cuda is for CUDA; the random numbers are those of the CPU."""

    def get_rng_state(self, device: object = None) -> Tensor:
        return torch.get_rng_state()

    def set_rng_state(self, state: Tensor, device: object = None) -> None:
        torch.set_rng_state(state)


class FakeDeviceTensor(Tensor):
    """A tensor of the device; `hidden` holds its numbers."""

    hidden: Tensor

    @staticmethod
    def __new__(cls, hidden: Tensor) -> "FakeDeviceTensor":
        tensor = Tensor._make_wrapper_subclass(  # type: ignore[attr-defined]
            cls,
            *(hidden.shape, hidden.stride(), hidden.storage_offset()),
            dtype=hidden.dtype,
            device=torch.device(NAME, 0),
            dispatch_sizes_strides_policy="sizes",  # asks `hidden`, which operations in place may reshape
        )
        tensor.hidden = hidden
        return tensor

    @classmethod
    def __torch_dispatch__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return _run(func, args, kwargs or {})

    def __deepcopy__(self, memo: dict[int, Any]) -> Tensor:
        if id(self) not in memo:
            copied: Tensor = FakeDeviceTensor(self.hidden.clone())
            memo[id(self)] = nn.Parameter(copied, self.requires_grad) if isinstance(self, nn.Parameter) else copied
        copy: Tensor = memo[id(self)]
        return copy

    def tolist(self) -> Any:
        """A copy to the CPU, as on CUDA, which torch refuses for subclasses."""
        return self.hidden.tolist()


def _run(func: Any, args: Any, kwargs: Any) -> Any:
    """Run an operation on the hidden tensors; raises RuntimeError for tensors of two devices."""
    name = func._schema.name
    to_cpu = kwargs.get("device") is not None and torch.device(kwargs["device"]).type == "cpu"

    def hidden(value: Any) -> Any:
        if isinstance(value, torch.device):
            return torch.device("cpu")
        if (
            isinstance(value, Tensor)
            and not isinstance(value, FakeDeviceTensor)
            and value.dim()
            and name not in _COPIES
        ):
            raise RuntimeError(f"{func} got tensors on cpu and {NAME}")
        return value.hidden if isinstance(value, FakeDeviceTensor) else value

    inner = tree_map(hidden, (args, kwargs))
    result = func(*inner[0], **inner[1])
    if to_cpu:
        return result
    pairs = zip(tree_leaves(inner), tree_leaves((args, kwargs)), strict=True)
    same = {id(mine): outer for mine, outer in pairs if isinstance(mine, Tensor)}  # of operations in place

    def on_device(value: Any) -> Any:
        return same[id(value)] if id(value) in same else FakeDeviceTensor(value) if isinstance(value, Tensor) else value

    return tree_map(on_device, result)


def install() -> torch.library.Library:
    """Register the device in this process, as long as the result lives."""
    _setup_privateuseone_for_python_backend(NAME, _Module())
    library = torch.library.Library("aten", "IMPL")
    for name in _KERNELS:
        packet, _, overload = name.partition(".")
        operation = getattr(getattr(torch.ops.aten, packet), overload or "default")
        library.impl(name, lambda *args, operation=operation, **kw: _run(operation, args, kw), "PrivateUse1")
    return library
