import math

import pytest
import torch
from torch import Tensor

from lightning_vc.losses import guided_attention, masked_l1, masked_l2, step_positions, stop_token_loss


def test_masked_l1_by_hand() -> None:
    predicted = torch.tensor([[[1.0, 2.0], [0.0, 0.0]], [[5.0, 5.0], [9.0, 9.0]]])
    target = torch.tensor([[[0.0, 0.0], [4.0, 0.0]], [[5.0, 6.0], [0.0, 0.0]]])
    mask = torch.tensor([[True, True], [True, False]])
    # frames: (1 + 2) / 2, (4 + 0) / 2, (0 + 1) / 2; the last is no frame
    assert masked_l1(predicted, target, mask).item() == pytest.approx((1.5 + 2 + 0.5) / 3)


def test_masked_l1_of_nothing_is_zero() -> None:
    assert masked_l1(torch.ones(1, 2, 3), torch.zeros(1, 2, 3), torch.zeros(1, 2, dtype=torch.bool)).item() == 0


def test_masked_l2_by_hand() -> None:
    predicted, target = torch.tensor([[[1.0, 2.0], [7.0, 7.0]]]), torch.tensor([[[0.0, 0.0], [0.0, 0.0]]])
    assert masked_l2(predicted, target, torch.tensor([[True, False]])).item() == pytest.approx((1 + 4) / 2)


def diagonal_cost(alignments: Tensor, symbols: Tensor, steps: Tensor) -> Tensor:
    """Where nobody knows when what is said."""
    return guided_attention(alignments, symbols, steps, torch.full(alignments[:, 0, :, 0].shape, torch.nan))


def test_guided_attention_by_hand() -> None:
    alignments = torch.tensor([[[[0.75, 0.25], [0.5, 0.5]]]])  # one sentence, one layer, two steps, two symbols
    far = 1 - math.exp(-(0.5**2) / (2 * 0.2**2))  # one symbol of two away from the diagonal
    expected = (0.25 * far + 0.5 * far) / 2
    assert diagonal_cost(alignments, torch.tensor([2]), torch.tensor([2])).item() == pytest.approx(expected)


def test_guided_attention_where_it_is_known_what_is_said() -> None:
    alignments = torch.tensor([[[[1.0, 0.0, 0.0], [0.5, 0.0, 0.5]]]])  # one sentence, one layer, two steps, 3 symbols
    places, size = torch.tensor([[1.0, 2.0]]), (torch.tensor([3]), torch.tensor([2]))
    one, two = (1 - math.exp(-(d**2) / (2 * 0.5**2)) for d in (1, 2))
    result = guided_attention(alignments, *size, places, aligned_sigma=0.5)
    assert result.item() == pytest.approx((one + 0.5 * two) / 2)
    both = guided_attention(alignments.repeat(2, 1, 1, 1), *(item.repeat(2) for item in size),
                            torch.cat([places, torch.full((1, 2), torch.nan)]), aligned_sigma=0.5)  # fmt: skip
    torch.testing.assert_close(both, (result + diagonal_cost(alignments, *size)) / 2)


def test_guided_attention_prefers_the_diagonal() -> None:
    symbols = steps = torch.tensor([12])
    diagonal = torch.eye(12).expand(1, 2, -1, -1)
    uniform = torch.full((1, 2, 12, 12), 1 / 12)
    backwards = torch.eye(12).flip(0).expand(1, 2, -1, -1)
    costs = [diagonal_cost(item, symbols, steps).item() for item in (diagonal, uniform, backwards)]
    assert costs[0] == pytest.approx(0, abs=1e-6)
    assert costs[0] < 0.3 < costs[1] < costs[2] < 1


def test_guided_attention_is_the_mean_over_layers() -> None:
    layers = torch.stack([torch.eye(6), torch.eye(6).flip(0)]).unsqueeze(0)
    size = torch.tensor([6])
    apart = [diagonal_cost(layers[:, i : i + 1], size, size) for i in range(2)]
    torch.testing.assert_close(diagonal_cost(layers, size, size), (apart[0] + apart[1]) / 2)


def test_guided_attention_is_blind_to_padding() -> None:
    small = torch.rand(1, 1, 4, 3)
    padded = torch.rand(1, 1, 9, 7)
    padded[:, :, :4, :3] = small
    lengths = torch.tensor([3]), torch.tensor([4])
    torch.testing.assert_close(diagonal_cost(padded, *lengths), diagonal_cost(small, *lengths))
    long = torch.rand(1, 1, 9, 7)
    both = diagonal_cost(torch.cat([padded, long]), torch.tensor([3, 7]), torch.tensor([4, 9]))
    alone = diagonal_cost(long, torch.tensor([7]), torch.tensor([9]))
    torch.testing.assert_close(both, (4 * diagonal_cost(small, *lengths) + 9 * alone) / 13)


def test_places_between_the_middles_of_symbols() -> None:
    nan = math.nan
    times = torch.tensor([[0.5, 1.0, 1.0, 2.0], [0.5, 1.5, nan, nan], [nan, nan, nan, nan]])
    result = step_positions(times, 5, 0.5)  # at 0.25, 0.75, 1.25, 1.75 and 2.25 s
    expected = [[0, 0.5, 2.25, 2.75, 3], [0, 0.25, 0.75, 1, 1], [nan] * 5]
    torch.testing.assert_close(result, torch.tensor(expected), equal_nan=True)
    assert step_positions(torch.tensor([[1.0]]), 3, 0.5).tolist() == [[0, 0, 0]]
    assert step_positions(torch.tensor([[nan]]), 1, 0.5).isnan().all()


def test_the_last_step_and_all_behind_it_are_last() -> None:
    logits = torch.tensor([[-1.0, 2.0, 3.0], [-1.0, -2.0, 3.0]])

    def cost(logit: float, last: bool) -> float:
        return math.log1p(math.exp(-logit if last else logit))

    expected = [cost(-1, False), cost(2, True), cost(3, True), cost(-1, False), cost(-2, False), cost(3, True)]
    assert stop_token_loss(logits, torch.tensor([2, 3])).item() == pytest.approx(sum(expected) / 6)


def test_how_long_the_padding_is_does_not_matter_to_the_end() -> None:
    logits = torch.linspace(-2, 2, 30).unsqueeze(0)
    steps = torch.tensor([10])
    torch.testing.assert_close(stop_token_loss(logits, steps), stop_token_loss(logits[:, :14], steps))
    assert abs(stop_token_loss(logits, steps) - stop_token_loss(logits[:, :13], steps)) > 0.01
