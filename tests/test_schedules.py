import pytest
import torch
from torch import nn

from lightning_vc.schedules import NoamLR


def rates(schedule: NoamLR, steps: int) -> list[float]:
    result = []
    for _ in range(steps):
        result.append(schedule.get_last_lr()[0])
        schedule.optimizer.step()
        schedule.step()
    return result


def made(warmup_steps: int = 4) -> NoamLR:
    return NoamLR(torch.optim.SGD([nn.Parameter(torch.zeros(1))], lr=0.1), warmup_steps)


def test_it_rises_to_the_learning_rate_and_falls_with_the_root() -> None:
    result = rates(made(), 16)
    assert result[:4] == pytest.approx([0.025, 0.05, 0.075, 0.1])
    assert result[15] == pytest.approx(0.05)
    assert result[3:] == sorted(result[3:], reverse=True)


def test_the_schedule_resumes_from_its_state() -> None:
    whole, first, second = made(), made(), made()
    expected = rates(whole, 9)
    assert rates(first, 5) == expected[:5]
    second.load_state_dict(first.state_dict())
    second.optimizer.load_state_dict(first.optimizer.state_dict())
    assert rates(second, 4) == expected[5:]


def test_warmup_steps_below_one_are_refused() -> None:
    with pytest.raises(ValueError, match="warmup_steps must be 1 or more, got 0"):
        made(0)
