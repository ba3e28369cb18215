import pytest
import torch
from torch import Tensor

from lightning_vc.metrics import alignment_problems, equal_error_rate, retrieval_rank


def walk(*symbols: int, of: int = 8) -> Tensor:
    """Attention that is at these symbols, step by step."""
    return torch.eye(of)[list(symbols)].unsqueeze(0)


@pytest.mark.parametrize(
    ("alignment", "finished", "problems"),
    [
        (walk(0, 1, 2, 3, 4, 5, 6, 7), True, ()),
        (walk(0, 2, 5, 7), True, ()),  # a step may cover three symbols
        (walk(0, 1, 2, 3, 4, 5, 6, 7), False, ("the model found no end",)),
        (walk(0, 1, 2, 6, 7), True, ("something was skipped",)),
        (walk(0, 1, 2, 3, 4), True, ("something was skipped",)),  # the end
        (walk(0, 2, 4, 6, 2, 4, 6, 7), True, ("attention went back",)),
        (walk(0, 1, 2, *[3] * 9, 4, 5, 6, 7), True, ("attention was stuck",)),
        (walk(0, 1, 2, 3, *[4] * 9, 5, 6, 7), True, ()),  # at a space one may wait
        (walk(0, 1, 2, 3, 4, 5, 6, 7) * 0.1 + 0.9 / 8, True, ("attention is blurred",)),
        (torch.cat([torch.full((1, 8, 8), 1 / 8), walk(0, 1, 2, 3, 4, 5, 6, 7)]), True, ()),  # the best layer
        (torch.cat([walk(*[7] * 8), walk(0, 1, 2, 3, 4, 5, 6, 7) * 0.9 + 0.1 / 8]), True, ()),  # if it is less sharp
        (walk(0, 0, 0, 1, 1, 1, 2, 2, 2, 3, 4, 5, 6, 7), True, ("attention was stuck",)),  # slow throughout
    ],
)
def test_attention_failures_are_detected(alignment: Tensor, finished: bool, problems: tuple[str, ...]) -> None:
    symbols = ["a", "b", "c", "d", " ", "e", ".", "<end>"]
    assert alignment_problems(alignment, symbols, 0.1, finished) == problems


def test_retrieval_rank() -> None:
    voices = torch.tensor([[0.0, 0.0], [1.0, 0.0], [0.0, 3.0]])
    answers = torch.tensor([[0.1, 0.0], [0.1, 0.0], [0.1, 0.0]])
    assert float(retrieval_rank(answers[:1], voices, torch.tensor([0]))) == 1
    assert float(retrieval_rank(answers, voices, torch.tensor([0, 1, 2]))) == 2


@pytest.mark.parametrize("scale", [1.0, 100.0])
def test_equal_error_rate_by_hand(scale: float) -> None:
    scores = scale * torch.tensor([0.9, 0.8, 0.7, 0.2, 0.6, 0.3, 0.1, 0.0])
    same = torch.tensor([True, True, True, True, False, False, False, False])
    assert equal_error_rate(scores, same) == pytest.approx(0.25)  # one of four refused, one of four accepted
    assert equal_error_rate(scores, ~same) == pytest.approx(0.75)
    assert equal_error_rate(scores, scores > 0.5 * scale) == 0


def test_equal_error_rate_is_that_of_speechbrain() -> None:
    from speechbrain.utils.metric_stats import EER

    import lightning_vc.audio.backend  # noqa: F401  # before speechbrain

    torch.manual_seed(0)
    positive, negative = torch.tanh(0.5 + 0.3 * torch.randn(200)), torch.tanh(0.3 * torch.randn(300))
    scores, same = torch.cat([positive, negative]), torch.arange(500) < 200
    assert equal_error_rate(scores, same) == pytest.approx(EER(positive, negative)[0], abs=2e-3)
