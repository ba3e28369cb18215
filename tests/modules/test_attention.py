import math

import pytest
import torch

from lightning_vc.modules.attention import Attention, AttentionWindow, MonotonicWindow, positions


def made(channels: int = 16, position_weight: float = 1.0) -> Attention:
    torch.manual_seed(0)
    return Attention(channels, 16, speaker_dim=4, reduction=2, hidden=16, key_rate=6.0, position_weight=position_weight)


def test_positions_by_hand() -> None:
    signal = positions(3, 4, torch.tensor([2.0, 0.5]), first=5)
    assert signal.shape == (2, 3, 4)
    angle = 2.0 * 6  # voice 0, position 6
    expected = [math.sin(angle), math.cos(angle), math.sin(angle / 100), math.cos(angle / 100)]
    torch.testing.assert_close(signal[0, 1], torch.tensor(expected))


def test_weights_are_a_distribution_over_the_symbols_that_are_not_blocked() -> None:
    attention = made().eval()
    keys = torch.randn(2, 5, 16)
    blocked = torch.tensor([[False] * 5, [False, False, True, False, True]]).unsqueeze(1)
    memory = attention.project_memory(keys, torch.randn(2, 5, 16), torch.randn(2, 4))
    x, weights = attention(torch.randn(2, 16, 7), memory, blocked)
    assert x.shape == (2, 16, 7)
    assert weights.shape == (2, 7, 5)
    torch.testing.assert_close(weights.sum(-1), torch.ones(2, 7))
    assert not weights[1, :, [2, 4]].any()
    assert weights[0].min() > 0


def test_initial_attention_follows_the_diagonal_at_the_key_rate() -> None:
    torch.manual_seed(0)
    attention = Attention(64, 64, speaker_dim=4, reduction=2, hidden=512, key_rate=6.0, position_weight=3.0).eval()
    memory = attention.project_memory(torch.zeros(1, 10, 64), torch.zeros(1, 10, 64), torch.zeros(1, 4))
    _, weights = attention(torch.zeros(1, 64, 28), memory, torch.zeros(1, 1, 10, dtype=torch.bool))
    ahead = weights[0].argmax(-1) - torch.arange(28) / 3  # 6 frames a symbol, 2 frames a step
    assert ahead.abs().max() <= 1


def test_the_voice_sets_the_rates() -> None:
    attention = made().eval()
    keys = torch.randn(1, 6, 16).expand(2, -1, -1)
    where, _, rates = attention.project_memory(keys, keys, torch.tensor([[3.0, 0, 0, 0], [-3.0, 0, 0, 0]]))
    assert (rates[0] - rates[1]).abs() > 0.01
    assert (where[0] - where[1]).abs().max() > 0.01
    assert (rates > 0).all()
    assert (rates < 2).all()


def test_one_step_at_a_time_is_all_at_once_where_the_window_is_wide() -> None:
    attention = made().eval()
    keys, values, voice = torch.randn(2, 5, 16), torch.randn(2, 5, 16), torch.randn(2, 4)
    padding = torch.tensor([[False] * 5, [False] * 3 + [True] * 2])
    x = torch.randn(2, 16, 70)
    memory = attention.project_memory(keys, values, voice)
    whole, weights = attention(x, memory, padding.unsqueeze(1))
    window = AttentionWindow(MonotonicWindow(9, 9), padding, 1)
    for step in range(70):
        blocked = window.blocked(step)[0].unsqueeze(1)
        one, its = attention(x[..., step : step + 1], memory, blocked, step)
        torch.testing.assert_close(one[..., 0], whole[..., step], atol=1e-5, rtol=0)
        torch.testing.assert_close(its[:, 0], weights[:, step], atol=1e-5, rtol=0)
        window.last_positions = its.argmax(-1).T


@pytest.mark.parametrize("max_dwell", [3, 7])
def test_stuck_attention_is_moved_forward(max_dwell: int) -> None:
    padding = torch.arange(12) >= torch.tensor([[12], [7]])
    window = AttentionWindow(MonotonicWindow(1, 3, max_dwell), padding, 1)
    steps = []
    for step in range(150):  # whatever it is asked, it likes the first symbol best
        scores = (-100.0 * torch.arange(12)).masked_fill(window.blocked(step), -torch.inf)  # (1, B, L)
        window.last_positions = scores.argmax(-1)
        steps.append(window.last_positions[0])
    for places, last in zip(torch.stack(steps, 1), (11, 6), strict=True):
        assert places[-1] >= last - 1
        before = places[: int((places >= last - 1).nonzero()[0])]
        assert (before.diff() >= 0).all()
        assert before.unique().tolist() == list(range(last - 1))  # nothing was skipped
        assert max_dwell <= before.bincount().max() <= 2 * max_dwell
