from copy import deepcopy

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from lightning_vc.modules.low_rank import add_low_rank, load_adapted_parameters


def made() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(weight_norm(nn.Conv1d(6, 8, 3)), nn.Flatten(), weight_norm(nn.Linear(8, 4)))


def test_it_changes_nothing_at_first_and_little_later() -> None:
    model, x = made(), torch.randn(2, 6, 3)
    before, weights = model(x), sum(map(torch.numel, model.parameters()))
    added = add_low_rank(model, 1)
    assert sum(map(torch.numel, added)) == (8 + 18) + (4 + 8) < weights / 4
    assert model(x).equal(before)
    model(x).sum().backward()
    torch.optim.SGD(added, lr=0.1).step()
    change = model[0].weight - made()[0].weight  # type: ignore[operator]
    assert change.abs().max() > 0
    assert torch.linalg.matrix_rank(change.flatten(1), atol=1e-6) == 1  # type: ignore[arg-type]
    assert not model(x).equal(before)


def test_low_rank_updates_are_added_when_they_are_loaded() -> None:
    model, base, x = made(), made(), torch.randn(2, 6, 3)
    for parameter in add_low_rank(model, 2):
        nn.init.normal_(parameter)
    moved = {name: value for name, value in model.state_dict().items() if name not in base.state_dict()}
    other = deepcopy(base)
    load_adapted_parameters(other, moved)
    assert other(x).equal(model(x))
    load_adapted_parameters(base, {"0.bias": torch.ones(8), **moved})
    assert not base(x).allclose(model(x))


@pytest.mark.parametrize(
    ("moved", "message"),
    [
        ({"3.weight": torch.ones(1)}, "it has no 3.weight"),
        ({"0.bias": torch.ones(9)}, r"its 0.bias has the shape \(8,\), not \(9,\)"),
        ({"5.parametrizations.weight.1.up": torch.ones(8, 1)}, "5"),
        ({"1.parametrizations.weight.1.up": torch.ones(8, 1)}, "weight"),
        ({"0.parametrizations.weight.1.up": torch.ones(8, 2)}, "does not go with"),
        (
            {"0.parametrizations.weight.1.up": torch.ones(8)},
            r"its 0.*up has the shape \(8,\), which does not go with a weight of 8 x 18",
        ),
    ],
)
def test_parameters_that_do_not_fit_are_refused(moved: dict[str, torch.Tensor], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        load_adapted_parameters(made(), moved)


def test_no_rank_below_one() -> None:
    with pytest.raises(ValueError, match="rank must be 1 or more, got 0"):
        add_low_rank(made(), 0)


@pytest.mark.parametrize("ranks", [(0,), (1, 1)])
def test_a_weight_has_one_change_of_one_rank_at_least(ranks: tuple[int, ...]) -> None:
    moved = {}
    for number, rank in enumerate(ranks):
        moved[f"0.parametrizations.weight.{number}.up"] = torch.zeros(3, rank)
        moved[f"0.parametrizations.weight.{number}.down"] = torch.zeros(rank, 2)
    with pytest.raises(ValueError, match=r"does not go with a weight|and another update of that weight"):
        load_adapted_parameters(torch.nn.Sequential(torch.nn.Linear(2, 3)), moved)
