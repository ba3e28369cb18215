"""Low-rank adaptation of weights (LoRA, Hu et al. 2021)."""

from collections.abc import Mapping

import torch
from torch import Tensor, nn
from torch.nn.utils import parametrize


class LowRank(nn.Module):
    """Add up @ down, which is initially 0, to a weight (O, ...)."""

    def __init__(self, weight: Tensor, rank: int) -> None:
        super().__init__()
        outputs, inputs = len(weight), weight[0].numel()
        self.up = nn.Parameter(weight.new_zeros(outputs, rank))
        self.down = nn.Parameter(torch.randn(rank, inputs, device=weight.device, dtype=weight.dtype) * inputs**-0.5)

    def forward(self, weight: Tensor) -> Tensor:
        """(O, ...) -> (O, ...)."""
        return weight + (self.up @ self.down).view_as(weight)


def add_low_rank(model: nn.Module, rank: int) -> list[nn.Parameter]:
    """Add low-rank updates to the weights of all linear and convolution layers; returns their parameters.

    Raises ValueError for a rank below 1.
    """
    if rank < 1:
        raise ValueError(f"rank must be 1 or more, got {rank}")
    layers = [module for module in model.modules() if isinstance(module, nn.Linear | nn.Conv1d)]
    return [parameter for layer in layers for parameter in _add(layer, rank).parameters()]


def load_adapted_parameters(model: nn.Module, parameters: Mapping[str, Tensor]) -> None:
    """Load parameters into a model; low-rank updates are added to layers that have none yet.

    Raises ValueError for a parameter that does not fit.
    """
    layers = dict(model.named_modules())
    for name in sorted(parameters.keys() - model.state_dict().keys()):
        path, separator, _ = name.partition(".parametrizations.weight.")
        layer = layers.get(path)
        if separator and name.endswith(".up") and isinstance(layer, nn.Linear | nn.Conv1d):
            if any(isinstance(part, LowRank) for part in layer.modules()):
                raise ValueError(f"it has {name} and another update of that weight")
            _add(layer, _rank(layer, name, parameters))
    state = model.state_dict()
    for name, value in parameters.items():
        if name not in state:
            raise ValueError(f"it has no {name}")
        if value.shape != state[name].shape:
            raise ValueError(f"its {name} has the shape {tuple(state[name].shape)}, not {tuple(value.shape)}")
    model.load_state_dict(dict(parameters), strict=False)


def _rank(layer: nn.Linear | nn.Conv1d, up: str, parameters: Mapping[str, Tensor]) -> int:
    """Rank of the two matrices of an update; raises ValueError where they do not fit the weight."""
    outputs, inputs = len(layer.weight), layer.weight[0].numel()
    shape, down = tuple(parameters[up].shape), parameters.get(f"{up.removesuffix('up')}down")
    if down is None or not len(down) or shape != (outputs, len(down)) or tuple(down.shape) != (len(down), inputs):
        raise ValueError(f"its {up} has the shape {shape}, which does not go with a weight of {outputs} x {inputs}")
    return shape[1]


def _add(layer: nn.Module, rank: int) -> LowRank:
    added = LowRank(layer.weight, rank)  # type: ignore[arg-type]
    parametrize.register_parametrization(layer, "weight", added)
    return added
