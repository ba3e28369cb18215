"""Small changes to large weights: each may move by a product of two thin matrices (Hu et al. 2021)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """Adds up @ down, which is 0 at first, to a weight (O, ...)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = len(weight), weight[0].numel()
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))
        self.down = nn.Parameter(torch.randn(rank, inputs, device=weight.device, dtype=weight.dtype) * inputs**-0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """(O, ...) -> (O, ...)."""
        return weight + (self.up @ self.down).view_as(weight)


def add_low_rank(model: nn.Module, rank: int) -> list[nn.Parameter]:
    """Let the weights of all linear and convolution layers of a model move by so much; returns what there is to train.

    Raises ValueError for a rank below 1.
    """
    if rank < 1:
        raise ValueError(f"rank must be 1 or more, got {rank}")
    layers = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv1d)]
    return [parameter for layer in layers for parameter in _add(layer, rank).parameters()]


def load_moved(model: nn.Module, moved: Mapping[str, Tensor]) -> None:
    """Put parameters into a model, low-rank ones also where it has no place for them yet.

    Raises ValueError for one that does not belong there.
    """
    try:
        missing = moved.keys() - model.state_dict().keys()
        for name in sorted(missing):
            layer, found, _ = name.partition(".parametrizations.weight.")
            if found and name.endswith(".up"):
                _add(model.get_submodule(layer), moved[name].shape[1])
        unknown = model.load_state_dict(dict(moved), strict=False).unexpected_keys
    except (RuntimeError, AttributeError, IndexError) as error:
        raise ValueError(str(error)) from error
    if unknown:
        raise ValueError(f"it has no {unknown[0]}")


def _add(layer: nn.Module, rank: int) -> LowRank:
    added = LowRank(layer.weight, rank)  # type: ignore[arg-type]
    parametrize.register_parametrization(layer, "weight", added)
    return added
