import math

import pytest
import torch

from lightning_vc.modules.layers import ConvBlock, SpeakerBias, projection, with_plain_weights
from lightning_vc.modules.low_rank import add_low_rank


def test_a_projection_keeps_the_variance() -> None:
    torch.manual_seed(0)
    said = projection(256, 400)(torch.randn(200, 256))
    assert said.shape == (200, 400)
    assert said.std().item() == pytest.approx(1, abs=0.05)


def test_a_voice_adds_at_most_one() -> None:
    torch.manual_seed(0)
    bias = SpeakerBias(4, 6)(torch.randn(3, 4) * 100)
    assert bias.shape == (3, 6)
    assert 0.9 < bias.abs().max() < 1


def test_a_causal_block_hears_only_the_past_and_another_the_future_too() -> None:
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


def test_a_copy_with_plain_weights_says_the_same_and_leaves_the_block_trainable() -> None:
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
    said = block(torch.randn(4, 256, 200), torch.zeros(4, 4))
    assert math.sqrt(0.7) < said.std() < math.sqrt(1.3)


def test_an_even_width_keeps_the_length_only_where_it_is_causal() -> None:
    assert ConvBlock(4, 4, 2, causal=True).eval()(torch.zeros(1, 4, 9), torch.zeros(1, 2)).shape == (1, 4, 9)
    with pytest.raises(ValueError, match="odd width, got 4"):
        ConvBlock(4, 4, 2)
