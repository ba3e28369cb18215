import math

import pytest
import torch

from lightning_vc.modules.layers import ConvBlock, SparseDropout, SpeakerBias, projection, with_plain_weights
from lightning_vc.modules.low_rank import add_low_rank


def test_a_projection_keeps_the_variance() -> None:
    torch.manual_seed(0)
    output = projection(256, 400)(torch.randn(200, 256))
    assert output.shape == (200, 400)
    assert output.std().item() == pytest.approx(1, abs=0.05)


def test_a_voice_adds_at_most_one() -> None:
    torch.manual_seed(0)
    bias = SpeakerBias(4, 6)(torch.randn(3, 4) * 100)
    assert bias.shape == (3, 6)
    assert 0.9 < bias.abs().max() < 1


@pytest.mark.parametrize("p", [0.01, 0.05, 0.5])
def test_sparse_dropout_drops_each_number_as_often_as_dropout_does(p: float) -> None:
    torch.manual_seed(0)
    x = (torch.rand(20, 30, 50) + 1).mT.requires_grad_()  # nor need it lie in a row
    dropout = SparseDropout(p)
    kept = torch.zeros_like(x)
    for _ in range(200):
        dropped = dropout(x)
        kept += dropped.detach() != 0
        torch.testing.assert_close(dropped[dropped != 0], (x / (1 - p))[dropped != 0])
    share = 1 - kept / 200
    assert share.mean().item() == pytest.approx(p, rel=0.02)
    assert share.std().item() == pytest.approx(math.sqrt(p * (1 - p) / 200), rel=0.05)  # nobody more often than others
    (gradient,) = torch.autograd.grad(dropped.sum(), x)
    assert gradient.equal((dropped != 0) / (1 - p))


@pytest.mark.parametrize("p", [0, 1])
def test_sparse_dropout_of_nothing_and_of_all(p: float) -> None:
    x = torch.rand(300, 400)
    assert SparseDropout(p)(x).equal((1 - p) * x)
    assert SparseDropout(0.5).eval()(x).equal(x)


def test_of_few_numbers_each_is_drawn() -> None:
    torch.manual_seed(0)
    dropout = SparseDropout(0.05)
    shares = [float((dropout(torch.ones(5)) == 0).float().mean()) for _ in range(1000)]
    assert sum(shares) / 1000 == pytest.approx(0.05, abs=0.01)
    assert dropout(torch.ones(0, 4)).shape == (0, 4)


def test_only_causal_blocks_ignore_future_inputs() -> None:
    torch.manual_seed(0)
    x, voice = torch.randn(1, 8, 20), torch.randn(1, 4)
    other = x.clone()
    other[..., 12] += 1
    for causal, first in ((True, 12), (False, 10)):
        block = ConvBlock(8, 5, 4, causal=causal).eval()
        changed = (block(x, voice) - block(other, voice)).abs().amax((0, 1)).nonzero().flatten().tolist()
        assert changed[0] == first
        assert changed[-1] == first + 4


def test_a_causal_block_step_by_step_is_the_block_at_once() -> None:
    torch.manual_seed(0)
    block = ConvBlock(8, 5, 4, causal=True).eval()
    x, voice = torch.randn(2, 8, 11), torch.randn(2, 4)
    inputs = torch.cat([torch.zeros(2, 8, 4), x], -1)
    steps = [block(x[..., step : step + 1], voice, inputs[..., step : step + 4]) for step in range(11)]
    torch.testing.assert_close(torch.cat(steps, -1), block(x, voice), atol=1e-5, rtol=0)


def test_a_copy_with_plain_weights_gives_the_same_output() -> None:
    torch.manual_seed(0)
    block = ConvBlock(8, 5, 4, causal=True).eval()
    add_low_rank(block, 2)
    x, voice = torch.randn(2, 8, 5), torch.randn(2, 4)
    optimizer = torch.optim.Adam(block.parameters(), 0.1)
    for _ in range(2):
        plain = with_plain_weights(block)
        assert {name for name, _ in plain.named_parameters()} == {
            *("conv.weight", "conv.bias", "speaker.project.weight", "speaker.project.bias")
        }
        assert plain(x, voice).equal(block(x, voice))
        block(x, voice).sum().backward()
        optimizer.step()
        assert not plain(x, voice).equal(block(x, voice))


def test_the_voice_changes_what_a_block_does() -> None:
    torch.manual_seed(0)
    block, x = ConvBlock(8, 5, 4).eval(), torch.randn(1, 8, 6)
    assert (block(x, torch.ones(1, 4)) - block(x, -torch.ones(1, 4))).abs().mean() > 0.01


def test_a_block_keeps_the_variance() -> None:
    torch.manual_seed(0)
    block = ConvBlock(256, 5, 4, dropout=0.0)
    output = block(torch.randn(4, 256, 200), torch.zeros(4, 4))
    assert math.sqrt(0.7) < output.std() < math.sqrt(1.3)


def test_an_even_width_keeps_the_length_only_where_it_is_causal() -> None:
    assert ConvBlock(4, 4, 2, causal=True).eval()(torch.zeros(1, 4, 9), torch.zeros(1, 2)).shape == (1, 4, 9)
    with pytest.raises(ValueError, match="odd width, got 4"):
        ConvBlock(4, 4, 2)
